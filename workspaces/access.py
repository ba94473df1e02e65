"""The only way to a workspace."""

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
        return Workspace.objects.all()
    enough = [each for each in Role if each.level >= role.level]
    return Workspace.objects.filter(memberships__user=user, memberships__role__in=enough)


def workspace_for(user: User | AnonymousUser, id: UUID | str, role: Role = Role.VIEWER) -> Workspace:
    """Return the workspace. Raises Http404 if there is none, or if it is not this user's in this role."""
    try:
        return (
            workspaces_for(user, role)
            .select_related("embedder", "reranker", "summarizer", "condenser")
            .get(pk=id)
        )
    except (Workspace.DoesNotExist, ValidationError) as error:
        raise Http404("There is no such workspace, or it is not shared with you.") from error


def may_create_workspaces(user: User) -> bool:
    """Say whether this user may make workspaces of their own."""
    return user.has_perm("workspaces.add_workspace")


def level_in(user: User, workspace: Workspace) -> int | None:
    """Return up to which access level this user sees documents here; None: all there are.

    Managers and operators see all: they give the levels. Somebody who is no member sees nothing: -1.
    """
    if not workspace.access_levels or user.is_operator:
        return None
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    if membership is None:
        return -1
    return None if membership.role == Role.MANAGER else membership.access_level


def limited_for(user: User) -> QuerySet[Workspace]:
    """Return the workspaces with access levels in which this user does not see all."""
    if user.is_operator:
        return Workspace.objects.none()
    count = Func(OuterRef("access_levels"), function="jsonb_array_length", output_field=IntegerField())
    all_there_are = Q(role=Role.MANAGER) | Q(access_level__gte=count - 1)
    sees_all = Membership.objects.filter(all_there_are, workspace=OuterRef("pk"), user=user)
    return Workspace.objects.exclude(access_levels=[]).filter(~Exists(sees_all))


def totals_for(user: User, workspace: Workspace) -> dict[str, int]:
    """Return how much this user sees there is: document_count, chunk_count, size_bytes."""
    level = level_in(user, workspace)
    if level is None:
        return {name: getattr(workspace, name) for name in ("document_count", "chunk_count", "size_bytes")}
    return workspace.documents.filter(access_level__lte=level).aggregate(
        document_count=Count("pk"),
        chunk_count=Sum("chunk_count", default=0),
        size_bytes=Sum("size_bytes", default=0),
    )


def role_in(user: User, workspace: Workspace) -> Role | None:
    """Return what this user may do here, or None."""
    if user.is_operator:
        return Role.MANAGER
    membership = Membership.objects.filter(workspace=workspace, user=user).first()
    return Role(membership.role) if membership else None
