"""Pages to create a workspace, manage its members, change its settings, and delete it."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from accounts.http import UserRequest
from models_registry.models import Endpoint
from workspaces.engines.pgvector.maintenance import state_of, try_again

from .access import may_create_workspaces, workspace_for
from .access_levels import change_level
from .engines import ENGINES
from .errors import MembershipRefused
from .forms import (
    IndexKindForm,
    NewMemberForm,
    NewWorkspaceForm,
    RoleForm,
    WorkspaceForm,
    is_beyond_index,
)
from .members import add_member, change_role, remove_member
from .models import MAX_INDEXED_DIMENSIONS, Membership, Role
from .pages import workspace_page
from .provision import delete_workspace
from .settings import change_settings


def create(request: UserRequest) -> HttpResponse:
    if not may_create_workspaces(request.user):
        raise PermissionDenied(
            "To create a workspace of your own, ask an operator for the permission to add workspaces."
        )
    form = NewWorkspaceForm(request.POST or None)
    if form.is_valid() and (workspace := form.create(request.user)):
        messages.success(request, f"{workspace} is ready. Add the documents it should answer from.")
        if is_beyond_index(workspace.embedder):
            messages.warning(
                request,
                f"{workspace.embedder} has {workspace.dimensions:,} dimensions, more than an index can hold. "
                "Searches are exact: never wrong, but slower above about 100,000 passages.",
            )
        return redirect("workspace-add", workspace.id)
    has_embedder = Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).exists()
    context = {"form": form, "has_embedder": has_embedder, "max_indexed": MAX_INDEXED_DIMENSIONS}
    return render(request, "workspaces/create.html", context)


def members(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    form = NewMemberForm(request.POST or None)
    if form.is_valid():
        user, role = form.cleaned_data["username"], Role(form.cleaned_data["role"])
        try:
            add_member(request.user, workspace, user, role)
        except MembershipRefused as refusal:
            form.add_error("username", str(refusal))
        else:
            messages.success(request, f"{user} is now {role.label.lower()} here.")
            return redirect("workspace-members", workspace.id)
    memberships = workspace.memberships.select_related("user").order_by("user__username")
    return workspace_page(
        request,
        workspace,
        "members",
        "workspaces/members.html",
        form=form,
        memberships=memberships,
        roles=Role,
    )


@require_POST
def member_change(request: UserRequest, workspace_id: UUID, membership_id: int) -> HttpResponse:
    membership = _membership(request, workspace_id, membership_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            change_role(request.user, membership, role)
            if (level := form.cleaned_data["access_level"]) is not None:
                change_level(request.user, membership, level)
            messages.success(request, f"{membership.user} is now {role.label.lower()} here.")
        except MembershipRefused as refusal:
            messages.error(request, str(refusal))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
    else:
        messages.error(request, "Choose one of the roles in the list.")
    return _members_or_list(request, workspace_id)


@require_POST
def member_remove(request: UserRequest, workspace_id: UUID, membership_id: int) -> HttpResponse:
    membership = _membership(request, workspace_id, membership_id)
    try:
        remove_member(request.user, membership)
        messages.success(request, f"{membership.user} can no longer see {membership.workspace}.")
    except MembershipRefused as refusal:
        messages.error(request, str(refusal))
    return _members_or_list(request, workspace_id)


def settings(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    name = workspace.name  # a rejected form has written its own name into the object
    form = WorkspaceForm(request.POST or None, instance=workspace)
    if form.is_valid() and form.change(request.user):
        if changes := form.needs_reindex():
            return redirect(
                f"{reverse('workspace-index', args=[workspace.id])}?{urlencode(changes, doseq=True)}"
            )
        messages.success(request, "Saved.")
        return redirect("workspace-settings", workspace.id)
    workspace.name = name
    return workspace_page(
        request, workspace, "settings", "workspaces/settings.html",
        form=form, engine=ENGINES[workspace.engine].label, is_exact=is_beyond_index(workspace.embedder),
    )  # fmt: skip


def vector_index(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Show the state of the vector index. On POST, change its kind or retry a failed build."""
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    if request.method != "POST":
        context = {"workspace": workspace, "state": state_of(workspace)}
        return render(request, "workspaces/_vector_index.html", context)
    form = IndexKindForm(request.POST, instance=workspace)
    if "again" in request.POST:
        if try_again(workspace):
            messages.success(request, "The build is tried again within seconds.")
    elif form.is_valid():
        change_settings(request.user, workspace, index_kind=form.cleaned_data["index_kind"])
        messages.success(request, "Saved. If an index must be built, that begins within seconds.")
    else:
        messages.error(request, "Nothing was saved: choose one of the kinds.")
    return redirect("workspace-index", workspace.id)


@require_POST
def delete(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    if request.POST.get("name", "").strip() != workspace.name:
        messages.error(request, f"Nothing was deleted: the name you typed is not {workspace.name}.")
        return redirect("workspace-settings", workspace.id)
    if delete_workspace(request.user, workspace):
        sentence = "is deleted: it is out of reach, and its documents are removed in the background."
    else:
        sentence = "and everything in it was deleted."
    messages.success(request, f"{workspace.name} {sentence}")
    return redirect("workspaces")


def _membership(request: UserRequest, workspace_id: UUID, membership_id: int) -> Membership:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    return get_object_or_404(workspace.memberships.select_related("user", "workspace"), pk=membership_id)


def _members_or_list(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    """Redirect to the members page, or to the list if the user has just given up the management."""
    still_manages = Membership.objects.filter(
        workspace=workspace_id, user=request.user, role=Role.MANAGER
    ).exists()
    if still_manages or request.user.is_operator:
        return redirect("workspace-members", workspace_id)
    return redirect("workspaces")
