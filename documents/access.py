"""Access control for documents: every query for a user's documents goes through here, limited to their level."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.http import Http404

from accounts.models import User
from documents.fields.filters import Filters, conditions_of, titles_in
from workspaces.access import level_in
from workspaces.engines import Where
from workspaces.errors import InvalidValue
from workspaces.models import Membership, Role, Workspace

from .models import Document, DocumentQuerySet


def documents_for(user: User, workspace: Workspace) -> DocumentQuerySet:
    """Return the documents that this user may see. workspace: the result of `workspace_for`."""
    found = Document.objects.filter(workspace=workspace)
    level = level_in(user, workspace)
    return found if level is None else found.filter(access_level__lte=level)


def hidden_from(user: User) -> DocumentQuerySet:
    """Return the documents of all workspaces whose access level is above the user's own level there."""
    if user.is_operator:
        return Document.objects.none()
    enough = Membership.objects.filter(workspace=OuterRef("workspace"), user=user).filter(
        Q(role=Role.MANAGER) | Q(access_level__gte=OuterRef("access_level"))
    )
    return Document.every.filter(~Exists(enough), access_level__gt=0)


def document_for(
    user: User, workspace: Workspace, id: UUID, message: str = "There is no such document here."
) -> Document:
    """Return the document. Raises Http404 with this message if it is missing or this user may not see it."""
    found = documents_for(user, workspace).select_related("workspace").filter(pk=id).first()
    if found is None:
        raise Http404(message)
    return found


def where_for(user: User, workspace: Workspace, filters: Filters) -> Where:
    """Return which documents a search of this user may find. Raises InvalidValue for an invalid filter."""
    return Where(
        conditions=conditions_of(workspace, filters),
        documents=_documents_named(user, workspace, filters),
        access_level=level_in(user, workspace),
        without=tuple(Document.every.being_deleted(workspace).values_list("pk", flat=True)),
    )


def _documents_named(user: User, workspace: Workspace, filters: Filters) -> tuple[UUID, ...] | None:
    """Return the documents that the filters name by title, None if they name none. Raises InvalidValue."""
    titles = titles_in(workspace, filters)
    if not titles:
        return None
    found = dict(documents_for(user, workspace).filter(title__in=titles).values_list("pk", "title"))
    if missing := [each for each in titles if each not in found.values()]:
        raise InvalidValue(f"There is no document “{missing[0][:80]}” here. Choose another one, or none.")
    return tuple(found)
