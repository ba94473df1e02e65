"""Authorization: the functions that load workspaces with the rights of a user. Use no other way."""

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, Func, IntegerField, OuterRef, Q, QuerySet, Sum
from django.http import Http404

from accounts.models import User

from .models import Membership, Role, Workspace


def workspaces_for(user: User | AnonymousUser, role: Role = Role.VIEWER) -> QuerySet[Workspace]:
    """Return the workspaces in which this user has at least this role."""
    if not isinstance(user, User) or not user.is_active:
        return Workspace.objects.none()
    if user.is_operator:
        return Workspace.objects.filter(deleted_at=None)
    enough = [each for each in Role if each.level >= role.level]
    return Workspace.objects.filter(deleted_at=None, memberships__user=user, memberships__role__in=enough)


def workspace_for(user: User | AnonymousUser, id: UUID | str, role: Role = Role.VIEWER) -> Workspace:
    """Return the workspace.

    Raises Http404 if it does not exist, or if this user does not have this role in it.
    """
    try:
        return (
            workspaces_for(user, role)
            .select_related("embedder", "reranker", "summarizer", "condenser")
            .get(pk=id)
        )
    except (Workspace.DoesNotExist, ValidationError) as error:
        raise Http404("There is no such workspace, or it is not shared with you.") from error


def may_create_workspaces(user: User) -> bool:
    """Tell whether this user may create workspaces."""
    return user.has_perm("workspaces.add_workspace")


def level_in(user: User, workspace: Workspace) -> int | None:
    """Return the highest access level whose documents this user sees here; None: all of them.

    Managers and operators see all levels, because they assign them. A user who is not a member sees nothing:
    -1.
    """
    if not workspace.access_levels or user.is_operator:
        return None
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    if membership is None:
        return -1
    return None if membership.role == Role.MANAGER else membership.access_level


def limited_for(user: User) -> QuerySet[Workspace]:
    """Return the workspaces with access levels where some documents are hidden from this user."""
    if user.is_operator:
        return Workspace.objects.none()
    count = Func(OuterRef("access_levels"), function="jsonb_array_length", output_field=IntegerField())
    all_there_are = Q(role=Role.MANAGER) | Q(access_level__gte=count - 1)
    sees_all = Membership.objects.filter(all_there_are, workspace=OuterRef("pk"), user=user)
    return Workspace.objects.exclude(access_levels=[]).filter(~Exists(sees_all))


def totals_for(user: User, workspace: Workspace) -> dict[str, int]:
    """Return totals of what this user sees: document_count, chunk_count, size_bytes."""
    level = level_in(user, workspace)
    if level is None:
        return {name: getattr(workspace, name) for name in ("document_count", "chunk_count", "size_bytes")}
    return workspace.documents.filter(access_level__lte=level).aggregate(
        document_count=Count("pk"),
        chunk_count=Sum("chunk_count", default=0),
        size_bytes=Sum("size_bytes", default=0),
    )


def role_in(user: User, workspace: Workspace) -> Role | None:
    """Return this user's role here, or None."""
    if user.is_operator:
        return Role.MANAGER
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    return Role(membership.role) if membership else None
