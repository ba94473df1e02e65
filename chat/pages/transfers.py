"""The pages by which people take conversations along and bring them in, and delete all of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.files import File
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from chat.asking import turns
from chat.asking.sessions import count_all, delete_all_sessions, session_for
from chat.errors import ImportRefused
from chat.transfer import clipboard, downloads, importer
from chat.transfer.conversations import describe
from chat.transfer.reading import PART, read_answer
from core.waiting import release_connection

from . import presenters

_IMPORTS_SHOWN = 50
_TURNS_HERE = "<!-- turns -->"
_WORD = "delete"  # what a person types to delete all conversations


# --- export --------------------------------------------------------------------------------------


@never_cache
@require_safe
def session_markdown(request: UserRequest, session_id: UUID) -> HttpResponseBase:
    return downloads.session(request.user, session_for(request.user, session_id), "markdown")


@never_cache
@require_safe
def session_json(request: UserRequest, session_id: UUID) -> HttpResponseBase:
    return downloads.session(request.user, session_for(request.user, session_id), "json")


@never_cache
@require_safe
def answer_markdown(request: UserRequest, answer_id: UUID) -> HttpResponseBase:
    return downloads.answer(request.user, turns.answer_for(request.user, answer_id), "markdown")


@never_cache
@require_safe
def answer_json(request: UserRequest, answer_id: UUID) -> HttpResponseBase:
    return downloads.answer(request.user, turns.answer_for(request.user, answer_id), "json")


@never_cache
@require_safe
def all_json(request: UserRequest) -> HttpResponseBase:
    return downloads.all_sessions(request.user)


@never_cache
@require_safe
def answer_copy(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Return an answer for the clipboard, in three forms."""
    found = read_answer(request.user, turns.answer_for(request.user, answer_id))
    return JsonResponse(
        {
            "html": clipboard.as_html(found),
            "text": clipboard.as_plain_text(found),
            "markdown": clipboard.as_markdown(found),
        }
    )


@never_cache
@require_safe
def session_print(request: UserRequest, session_id: UUID) -> HttpResponseBase:
    """Show a whole conversation on one page, to print it. `?turns=` shows only that turn."""
    found = session_for(request.user, session_id)
    path = presenters.Path.of(found)
    if only := request.GET.get("turn"):
        path = replace(path, turns=[each for each in path.turns if str(each) == only] or path.turns)
    context = {"session": found, "count": len(path.turns), "here": _TURNS_HERE}
    page = render_to_string("chat/print.html", context, request)
    return StreamingHttpResponse(_printed(request, path, page))


def _printed(request: UserRequest, path: presenters.Path, page: str) -> Iterator[str]:
    """Yield the page a few turns at a time."""
    before, _, after = page.partition(_TURNS_HERE)
    yield before
    for start in range(0, len(path.turns), PART):
        part = replace(path, turns=path.turns[start : start + PART])
        shown, _ = presenters.present_turns(request.user, part)
        text = "".join(render_to_string("chat/_print_turn.html", {"shown_turn": each}) for each in shown)
        release_connection()  # the browser may take its time
        yield text
    yield after


# --- import --------------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: UserRequest) -> HttpResponse:
    """Show the imports of the user, and take a file. An htmx request gets only the list."""
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        try:
            importer.begin(request.user, _sent_file(request))
            return redirect("import")
        except ImportRefused as refusal:
            context, status = {"problem": str(refusal)}, 400
    rows = list(importer.imports_for(request.user)[:_IMPORTS_SHOWN])
    context |= {
        "imports": [{"row": each, "left_out": describe(each.left_out)} for each in rows],
        "is_active": any(not each.has_ended for each in rows),
        "limit_mb": settings.IMPORT_MAX_BYTES // 1024**2,
    }
    return render(
        request, "chat/_imports.html" if request.htmx else "chat/import.html", context, status=status
    )


def _sent_file(request: UserRequest) -> File[Any]:
    sent = request.FILES.get("file")
    if not isinstance(sent, File):
        raise ImportRefused("Choose a file.")
    return sent


# --- deleting all --------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete_all(request: UserRequest) -> HttpResponse:
    """Delete all conversations of the user, once they have typed the word that confirms it."""
    typed = request.POST.get("confirm", "").strip().lower()
    if request.method == "POST" and typed == _WORD:
        count = delete_all_sessions(request.user)
        messages.success(request, f"{count:,} conversation{'s' * (count != 1)} deleted.")
        return redirect("chat")
    context = {
        "counts": count_all(request.user),
        "word": _WORD,
        "problem": f"Type “{_WORD}” to confirm. Nothing was deleted." if request.method == "POST" else "",
    }
    return render(request, "chat/delete_all.html", context, status=400 if context["problem"] else 200)
