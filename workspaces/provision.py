"""Creates and deletes workspaces with the storage of their chunks.

The rules for settings are in settings.py.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts import deletion
from accounts.models import Deletion, User, record
from core.db.advisory_locks import DUMP, is_held
from core.db.cascade import delete_below, delete_rows

from .engines import ENGINES, engine_for
from .models import Membership, Reindex, Role, Workspace

_BUSY = Q(status__in=("pending", "processing")) | Q(kind__in=("site", "feed"))  # of documents


def provision_workspace(user: User | None, members: Iterable[User] = (), **fields: Any) -> Workspace:
    """Create a workspace, its chunk table, and the membership of `user` as its manager, in one transaction.

    fields: those of Workspace. The embedder must have passed a check: its dimensions determine the table.
    Raises ValidationError with a sentence per field.
    """
    workspace = Workspace(created_by=user, **fields)
    if workspace.embedder.dimensions is None:
        raise ValidationError(
            {"embedder": f"{workspace.embedder} has not passed a check yet, so its dimensions are unknown."}
        )
    if workspace.engine not in ENGINES:
        raise ValidationError({"engine": f"Choose one of: {', '.join(ENGINES)}."})
    check_index_kind(workspace)
    workspace.dimensions = workspace.embedder.dimensions
    workspace.full_clean()
    with transaction.atomic():
        workspace.save()
        engine_for(workspace).create()
        for member in members:
            Membership.objects.create(workspace=workspace, user=member, role=Role.VIEWER)
        if user:
            Membership.objects.update_or_create(
                workspace=workspace, user=user, defaults={"role": Role.MANAGER}
            )
        record(user, "workspace.create", workspace.name, id=str(workspace.id))
    return workspace


@transaction.atomic
def delete_workspace(user: User | None, workspace: Workspace) -> Deletion | None:
    """Delete the workspace, its chunks, its documents and (after the commit) their files.

    Return the deletion if there is so much that a worker does it. The workspace is out of reach at once, and
    its name is free.
    """
    record(user, "workspace.delete", workspace.name, id=str(workspace.id), documents=workspace.document_count)
    if deletion.is_small(workspace) and not is_held(DUMP):  # else dropping its tables would wait for the dump
        deletion.delete_all(workspace)
        return None
    Workspace.objects.filter(pk=workspace.pk).update(deleted_at=Now(), name=f"deleted {workspace.pk}")
    return deletion.begin(user, workspace, workspace.name)


def _delete_in_parts(key: str) -> Iterator[int]:
    workspace = Workspace.objects.select_related("embedder").filter(pk=key).first()
    if workspace is None:
        return
    # First what workers would still read
    yield from delete_rows(workspace.documents.filter(_BUSY))
    yield from delete_below(Workspace, [workspace.pk], leave=[Reindex])  # its rows name the tables to drop
    with transaction.atomic():
        besides = [each.beside() for each in workspace.reindexes.select_related("embedder", "workspace")]
        for index in (workspace, *besides):
            engine_for(index).drop()
        workspace.delete()
    yield 1


deletion.deletes(Workspace, _delete_in_parts)


def check_index_kind(workspace: Workspace) -> None:
    """Raises ValidationError if the workspace's engine does not offer this kind of vector index."""
    kinds = ENGINES[workspace.engine].index_kinds
    if kinds and workspace.index_kind not in kinds:
        raise ValidationError({"index_kind": f"This engine has: {', '.join(kinds)}."})
