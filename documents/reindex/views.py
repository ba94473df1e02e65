"""The page of a workspace's index: the estimate for a new index, and the progress of a running reindex."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect

from accounts.http import UserRequest
from core.numbers import estimate_words, estimated_dollar_words
from documents.errors import ReindexRefused
from workspaces.access import workspace_for
from workspaces.engines.pgvector.maintenance import state_of
from workspaces.forms import IndexKindForm
from workspaces.models import Reindex, Role, Workspace
from workspaces.pages import workspace_page

from . import service as reindex
from .forms import IndexForm


def index(request: UserRequest, workspace_id: UUID) -> HttpResponse:
    workspace = workspace_for(request.user, workspace_id, Role.MANAGER)
    building = reindex.running(workspace)
    if request.method == "POST":
        return _act(request, workspace, building)
    if building:
        context: dict[str, Any] = {"building": building, "failures": reindex.failures(building)[:100]}
    else:
        context = _estimate(workspace, IndexForm(workspace, request.GET), is_asked=bool(request.GET))
    return _page(request, workspace, **context)


def _estimate(workspace: Workspace, form: IndexForm, *, is_asked: bool) -> dict[str, Any]:
    """Return the form, and the estimate for its settings if the user asked for one."""
    if not (form.is_valid() and is_asked):
        return {"form": form}
    try:
        estimate = reindex.estimate(workspace, **form.settings())
    except ValidationError as error:
        form.add_error(None, error)
        return {"form": form}
    return {
        "form": form,
        "estimate": estimate,
        "takes": estimate_words(estimate.seconds),
        "costs": estimated_dollar_words(estimate.cost),
    }


def _act(request: UserRequest, workspace: Workspace, building: Reindex | None) -> HttpResponse:
    match request.POST.get("action"), building:
        case "start", None:
            return _start(request, workspace)
        case "cancel", Reindex():
            reindex.cancel(workspace, request.user)
            messages.success(request, "Cancelled. The workspace keeps the index it has.")
        case "retry", Reindex() as it:
            count = reindex.retry_failed(it)
            messages.success(request, f"{count} will be tried again.")
        case "accept", Reindex() as it:
            reindex.accept_losses(it, request.user)
            messages.success(request, "The new index takes over without them.")
        case _:
            messages.warning(request, "That is no longer possible. See the current state below.")
    return redirect("workspace-index", workspace.id)


def _start(request: UserRequest, workspace: Workspace) -> HttpResponse:
    form = IndexForm(workspace, request.POST)
    if form.is_valid():
        try:
            reindex.start(workspace, request.user, **form.settings())
            return redirect("workspace-index", workspace.id)
        except ReindexRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("workspace-index", workspace.id)
        except ValidationError as error:
            form.add_error(None, error.messages)
    return _page(request, workspace, form=form)


def _page(request: UserRequest, workspace: Workspace, **context: Any) -> HttpResponse:
    context |= {"state": state_of(workspace), "kind_form": IndexKindForm(instance=workspace)}
    return workspace_page(request, workspace, "settings", "documents/index.html", **context)
