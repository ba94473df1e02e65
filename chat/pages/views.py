"""The chat page, and its parts that htmx fetches separately.

They are never cached: otherwise the back button would show a conversation without its last turns, or a part
as a whole page.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.http import UserRequest
from accounts.models import User
from chat.answering import replay as replaying
from chat.answering import session_summary
from chat.answering.withholding import passages_for
from chat.asking import ratings, turns
from chat.asking.forks import fork_session
from chat.asking.sessions import delete_session, pin_session, rename_session, session_for, show_branch
from chat.errors import CannotReplay, QuestionRefused
from chat.finding.conversation_search import words_of_hit
from chat.models import Answer, Session, Turn
from chat.organizing.tags import tags_for
from core.text import storable, uuid_or_none
from documents.doors import Filters, shown_fields, titles_in
from models_registry.models import Endpoint
from workspaces.access import totals_for, workspaces_for
from workspaces.models import Role, Workspace

from . import presenters, session_list
from .explain import explain_answer
from .starters import starters

TURNS_SHOWN = 12  # of a long session when it opens
TURNS_ADDED = 30  # before them, when the reader asks for more
_GONE = {  # why the page of a session led to a new chat
    "deleted": "The chat was deleted, in another window or by a program.",
    "ended": "The temporary chat has ended. Its words are deleted.",
}


@never_cache
@require_safe
def chat(request: UserRequest) -> HttpResponse:
    """Show a new chat. `?workspace=` selects a workspace; an htmx request gets only the suggestions.

    temporary: the chat is deleted when it ends.
    """
    for name in _GONE.keys() & request.GET.keys():
        messages.info(request, _GONE[name])
    workspaces = workspaces_for(request.user)
    last = Turn.objects.filter(session__user=request.user).order_by("-created_at").first()
    chosen = _workspace_for_new_chat(request, workspaces, last)
    context = {
        "starters": starters(request.user, chosen) if chosen else [],
        "workspace": chosen,
        "workspaces": workspaces,
    }
    if request.htmx:
        return render(request, "chat/_suggestions.html", context)
    context |= _filter_context(request.user, chosen, {})
    if chosen and "document" in request.GET:  # a link from the page of a document
        context["only_documents"] = request.GET.getlist("document")[:1]
    # Preselect one model, even if the last question went to several: each of them costs.
    return _page(request, None, workspaces, chosen, _models_of(last)[:1] if last else [], context)


@never_cache
@require_safe
def session(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Show the last turns of the path that was shown last. Each parameter changes that:

    turns=all: all of them. turn: the branch of this turn, at least from there. from: at least from this turn.
    before: a part of the page with those before this turn.
    """
    found = session_for(request.user, session_id)
    if before := _turn_id(request.GET, "before"):
        return _earlier_turns(request, found, before)
    through, start = (_turn_id(request.GET, name) for name in ("turn", "from"))
    limit = None if request.GET.get("turns") == "all" else TURNS_SHOWN
    path = presenters.Path.of(found, through=through)
    shown_turns, earlier = presenters.present_turns(request.user, path, limit, start=through or start)
    last = shown_turns[-1] if shown_turns else None
    workspaces = workspaces_for(request.user)
    chosen = next((each for each in workspaces if last and each.pk == last.turn.workspace_id), None)
    models = _models_of(last.turn) if last else []
    context = {
        "turns": shown_turns,
        "earlier": earlier,
        "through": through,
        "summary": session_summary.summary_of(found),
        "found_words": _found_words(request, shown_turns, through),
    }
    context |= _filter_context(request.user, chosen, last.turn.filters if chosen and last else {})
    return _page(request, found, workspaces, chosen, models, context)


def _turn_id(given: QueryDict, name: str) -> UUID | None:
    """Return a turn's id, None if there is none. Raises Http404 for what is no id."""
    found = uuid_or_none(given.get(name, ""))
    if name in given and found is None:
        raise Http404
    return found


def _found_words(request: UserRequest, shown: Sequence[presenters.ShownTurn], hit: UUID | None) -> str:
    """Return the words to mark in the turn that a search found, as JSON; "": none."""
    words = storable(request.GET.get("words", ""))
    found = next((each.turn for each in shown if words and each.turn.pk == hit), None)
    return json.dumps(words_of_hit(request.user, found, words)) if found else ""


def _earlier_turns(request: UserRequest, session: Session, before: UUID) -> HttpResponse:
    path = presenters.Path.of(session, before=before)
    turns, earlier = presenters.present_turns(request.user, path, TURNS_ADDED)
    summary = session_summary.summary_of(session)
    context = {"session": session, "turns": turns, "earlier": earlier, "summary": summary}
    return render(request, "chat/_turns.html", context)


def _models_of(turn: Turn) -> list[UUID | None]:
    return [each.endpoint_id for each in turn.first_answers()]


def _page(
    request: UserRequest,
    session: Session | None,
    workspaces: QuerySet[Workspace],
    workspace: Workspace | None,
    models: Collection[UUID | None],
    context: dict[str, Any],
) -> HttpResponse:
    """Render the chat page.

    models: the endpoints to preselect if they are still available; else the default.
    """
    endpoints = list(Endpoint.objects.offered(Endpoint.Kind.CHAT))
    default = _default_model(workspace) or next(iter(endpoints), None)
    context |= session_list.listed(request, current=session) | {
        "session": session,
        "is_temporary": session.is_temporary if session else "temporary" in request.GET,
        "tags": tags_for(request.user),
        "workspaces": _count_documents(request.user, workspaces),
        "editable": set(workspaces_for(request.user, Role.EDITOR).values_list("pk", flat=True)),
        "workspace": workspace,
        "endpoints": endpoints,
        "chosen_models": [each for each in endpoints if each.pk in models] or ([default] if default else []),
        "models_most": turns.MAX_MODELS,
        "question_max": settings.QUESTION_MAX_CHARACTERS,
        "has_speech": settings.SPEECH,
        "sessions_closed": request.COOKIES.get("sessions") == "closed",
    }
    return render(request, "chat/chat.html", context)


def _default_model(workspace: Workspace | None) -> Endpoint | None:
    """Return the model to preselect. Without a workspace, one that can answer without passages, if there is one."""
    writer = None if workspace else Endpoint.objects.default_writer()
    return writer or Endpoint.objects.default_chat()


def _count_documents(user: User, workspaces: Iterable[Workspace]) -> list[Workspace]:
    """Set `document_count` of each workspace to the number of documents that this user can see."""
    listed = list(workspaces)
    for each in listed:
        each.document_count = totals_for(user, each)["document_count"]
    return listed


@never_cache
@require_safe
def filters(request: UserRequest) -> HttpResponse:
    """Show the filter picker of the composer, for the documents of `?workspace=`."""
    chosen = next(
        (each for each in workspaces_for(request.user) if str(each.pk) == request.GET.get("workspace")), None
    )
    return render(request, "chat/_filter.html", _filter_context(request.user, chosen, {}))


def _filter_context(user: User, workspace: Workspace | None, said: Filters) -> dict[str, Any]:
    """Return the context variables of the composer's filter. said: the filter of the last question, which is valid."""
    if workspace is None:
        return {"filter_fields": []}
    titles = titles_in(workspace, said)
    return {"filter_fields": shown_fields(user, workspace, said), "only_documents": titles}


def _workspace_for_new_chat(
    request: UserRequest, workspaces: QuerySet[Workspace], last: Turn | None
) -> Workspace | None:
    """Return the workspace in the address, else the one used last, else the one with the most documents."""
    if "workspace" in request.GET:
        return next((each for each in workspaces if str(each.pk) == request.GET["workspace"]), None)
    if last:
        return next((each for each in workspaces if each.pk == last.workspace_id), None)
    return workspaces.order_by("-document_count", "name").first()


@never_cache
@require_safe
def tools(request: UserRequest, turn_id: UUID) -> HttpResponse:
    """Show what can be done with a question, as a part of the page."""
    found = Turn.objects.select_related("workspace", "session")
    turn = get_object_or_404(found, pk=turn_id, session__user=request.user)
    return render(request, "chat/_question_tools.html", presenters.present_tools(request.user, turn))


@require_POST
def branch(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Show the branch of a version of a question, and continue from there."""
    turn_id = _turn_id(request.POST, "turn")
    if turn_id is None:
        raise Http404
    show_branch(request.user, session_id, turn_id)
    return redirect(f"{reverse('session', args=[session_id])}?from={turn_id}#turn-{turn_id}")


# --- the list of sessions ------------------------------------------------------------------------


@require_POST
def rename(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Rename a session. An empty title changes nothing."""
    try:
        renamed = rename_session(request.user, session_id, request.POST.get("title", ""))
    except QuestionRefused as refusal:
        return HttpResponse(str(refusal), status=400, content_type="text/plain")
    return _back_to_list(request, renamed)


@never_cache
@require_safe
def title(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Return the title of a session, and whether a model has still to find one."""
    found = session_for(request.user, session_id)
    is_due = found.naming == Session.Naming.OPEN and hasattr(found, "summary") and found.summary.is_title_due
    return JsonResponse({"title": str(found), "isDue": is_due})


@require_POST
def pin(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Pin a session, or unpin it."""
    found = session_for(request.user, session_id)
    return _back_to_list(request, pin_session(request.user, session_id, is_pinned=not found.is_pinned))


@require_POST
def summary(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Switch the session's summary off, or on again with `keep`."""
    found = session_for(request.user, session_id)
    switched = session_summary.switch_summary(found, is_on=bool(request.POST.get("keep")))
    if request.htmx:
        return render(request, "chat/_summary.html", {"session": found, "summary": switched})
    return redirect("session", found.pk)


@require_POST
def stay_alive(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Let a temporary chat live on: a page that shows it sends this every few minutes."""
    session_for(request.user, session_id)
    return HttpResponse(status=204)


@require_POST
def delete(request: UserRequest, session_id: UUID) -> HttpResponse:
    found = session_for(request.user, session_id)
    address = reverse("session", args=[found.pk])
    delete_session(request.user, found.pk)
    if request.htmx and session_list.page_address(request) != address:
        return session_list.show(request)
    return HttpResponseClientRedirect(reverse("chat")) if request.htmx else redirect("chat")


def _back_to_list(request: UserRequest, session: Session) -> HttpResponse:
    if request.htmx:
        return session_list.show(request)
    return redirect("session", session.pk)


# --- answers -------------------------------------------------------------------------------------


@never_cache
@require_safe
def answer(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Show one answer, as a part of the page."""
    found = turns.answer_for(request.user, answer_id)
    return render(request, "chat/_answer.html", {"shown": presenters.present_answer(request.user, found)})


@require_POST
def go_on(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Make the conversation continue from this answer."""
    try:
        turns.continue_with(request.user, answer_id)
    except QuestionRefused as refusal:
        return HttpResponse(str(refusal), status=400, content_type="text/plain")
    return HttpResponse(status=204)


@require_POST
def fork(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Open a new chat with a copy of the conversation up to this answer."""
    try:
        return redirect("session", fork_session(request.user, answer_id).pk)
    except QuestionRefused as refusal:
        return HttpResponse(str(refusal), status=400, content_type="text/plain")


@require_POST
def rate(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Store a thumb up or down with its comment. Without a thumb, withdraw the rating."""
    turns.answer_for(request.user, answer_id)
    thumb, comment = request.POST.get("thumb"), request.POST.get("comment", "")
    try:
        if thumb in ("up", "down"):
            ratings.rate(request.user, answer_id, is_good=thumb == "up", comment=comment)
        else:
            ratings.withdraw(request.user, answer_id)
    except QuestionRefused as refusal:
        return HttpResponse(str(refusal), status=400, content_type="text/plain")
    found = turns.answer_for(request.user, answer_id)
    is_asked_why = thumb == "down" and "comment" not in request.POST
    context = {"shown": presenters.present_answer(request.user, found), "is_asked_why": is_asked_why}
    return render(request, "chat/_rating.html", context)


@never_cache
@require_safe
def why(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Show how an answer's passages were found, as a part under the answer or as a page of its own."""
    found = turns.answer_to_read(request.user, answer_id)
    return _why(request, found, "chat/_why.html" if request.htmx else "chat/why.html")


@require_POST
def replay(request: UserRequest, answer_id: UUID) -> HttpResponse:
    """Search for an answer's passages again, and show whether the prompt would be the same."""
    found = turns.answer_to_read(request.user, answer_id)
    context: dict[str, Any] = {}
    try:
        turns.check_prompts(request.user, [found])
        context["replay"] = replaying.replay(found)
    except (CannotReplay, QuestionRefused) as problem:
        context["problem"] = str(problem)
    if request.htmx:
        return render(request, "chat/_replay.html", context)
    return _why(request, found, "chat/why.html", **context)


def _why(request: UserRequest, answer: Answer, template: str, **context: Any) -> HttpResponse:
    told = explain_answer(request.user, answer)
    return render(
        request, template, {"answer": answer, "why": told, "is_part": bool(request.htmx), **context}
    )


@never_cache
@require_safe
def passage(request: UserRequest, answer_id: UUID, number: int) -> HttpResponse:
    """Show a passage within its document's text, as a part for the sources panel or as a page of its own."""
    found = turns.answer_for(request.user, answer_id)
    seen = passages_for(request.user).filter(answer=found)
    chosen = get_object_or_404(seen.select_related("document"), number=number)
    context = {
        "passage": chosen,
        "context": presenters.in_context(request.user, chosen),
        "stored": presenters.as_stored(chosen),
        "place": presenters.place(chosen),
        "shown": presenters.present_answer(request.user, found),
    }
    is_part = "X-Requested-With" in request.headers or request.htmx
    return render(request, "chat/_passage.html" if is_part else "chat/passage.html", context)
