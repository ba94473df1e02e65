"""Creates and deletes workspaces with the storage of their chunks.

The rules for settings are in settings.py.
"""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User, record

from .engines import ENGINES, engine_for
from .models import Membership, Role, Workspace


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
def delete_workspace(user: User | None, workspace: Workspace) -> None:
    """Delete the workspace, its chunks, its documents and (after the commit) their files."""
    record(user, "workspace.delete", workspace.name, id=str(workspace.id), documents=workspace.document_count)
    besides = [reindex.beside() for reindex in workspace.reindexes.select_related("embedder", "workspace")]
    for index in (workspace, *besides):
        engine_for(index).drop()
    workspace.delete()


def check_index_kind(workspace: Workspace) -> None:
    """Raises ValidationError if the workspace's engine does not offer this kind of vector index."""
    kinds = ENGINES[workspace.engine].index_kinds
    if kinds and workspace.index_kind not in kinds:
        raise ValidationError({"index_kind": f"This engine has: {', '.join(kinds)}."})
