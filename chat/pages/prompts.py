"""The page of saved prompts, and what the composer completes: prompts, and documents of a workspace."""

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.http import UserRequest
from chat.asking.saved_prompts import (
    MAX_CHARACTERS,
    delete_prompt,
    managed_workspaces,
    prompt_to_edit,
    prompts_for,
    save_prompt,
)
from chat.errors import QuestionRefused
from core.text import storable, uuid_or_none
from documents.doors import documents_for
from workspaces.access import workspace_for

DOCUMENTS = 8  # that the composer offers at once


@never_cache
def prompts(request: UserRequest, prompt_id: int | None = None) -> HttpResponse:
    """List the prompts. Create one, or change one."""
    edited = prompt_to_edit(request.user, prompt_id) if prompt_id else None
    said = request.POST if request.method == "POST" else _values_of(edited)
    problem = ""
    if request.method == "POST":
        try:
            workspace_id = uuid_or_none(said.get("workspace", ""))
            save_prompt(request.user, said.get("name", ""), said.get("text", ""), workspace_id, prompt_id)
            return redirect("prompts")
        except QuestionRefused as refusal:
            problem = str(refusal)
    managed = managed_workspaces(request.user)
    context = {
        "prompts": prompts_for(request.user),
        "managed": managed,
        "managed_ids": {each.pk for each in managed},
        "edited": edited,
        "said": said,
        "problem": problem,
        "max_characters": MAX_CHARACTERS,
    }
    return render(request, "chat/prompts.html", context, status=400 if problem else 200)


def _values_of(edited: object) -> dict[str, str]:
    return {
        name: str(getattr(edited, attribute, "") or "")
        for name, attribute in (("name", "name"), ("text", "text"), ("workspace", "workspace_id"))
    }


@require_POST
def remove_prompt(request: UserRequest, prompt_id: int) -> HttpResponse:
    delete_prompt(request.user, prompt_id)
    return redirect("prompts")


@never_cache
@require_safe
def complete_prompt(request: UserRequest) -> JsonResponse:
    """Return the user's own prompts, and those of `?workspace=`."""
    chosen = uuid_or_none(request.GET.get("workspace", ""))
    offered = [each for each in prompts_for(request.user) if each.workspace_id in (None, chosen)]
    items = [{"label": f"/{each.name}", "note": _owner_of(each), "text": each.text} for each in offered]
    return JsonResponse({"items": items})


def _owner_of(prompt: object) -> str:
    workspace = getattr(prompt, "workspace", None)
    return workspace.name if workspace else ""


@never_cache
@require_safe
def complete_document(request: UserRequest) -> JsonResponse:
    """Return documents of `?workspace=` whose title contains `?q=`, those that begin with it first."""
    workspace = workspace_for(request.user, request.GET.get("workspace", ""))
    words = storable(request.GET.get("q", "")).strip()[:100]
    seen = documents_for(request.user, workspace).filter(chunk_count__gt=0, title__icontains=words)
    titles = dict.fromkeys(seen.order_by("title").values_list("title", flat=True)[: 5 * DOCUMENTS])
    ranked = sorted(titles, key=lambda title: not title.casefold().startswith(words.casefold()))
    return JsonResponse({"items": [{"label": title} for title in ranked[:DOCUMENTS]]})
