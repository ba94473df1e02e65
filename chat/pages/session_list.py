"""The list of sessions at the side of the chat: by age or by folder, with one tag, the archive, and what a search found.

Which folders are open is in a cookie, so that the list looks the same on the next page.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from chat.finding.conversation_search import search_conversations
from chat.models import Folder, Session
from chat.organizing.folders import folder_for, folders_for
from chat.organizing.tags import tags_for
from core.text import storable, uuid_or_none

from . import presenters

SESSIONS_PER_PAGE = 60
FOUND_PER_PAGE = 20
OPEN_FOLDERS = 20  # that are listed with their sessions; chat-folders.js keeps no more
OPEN_COOKIE = "folders"


@dataclass(frozen=True, slots=True)
class ShownFolder:
    folder: Folder
    sessions: Sequence[Session] | None  # None: it is closed

    @property
    def next_from(self) -> int | None:
        shown = len(self.sessions or ())
        return shown if shown < self.folder.session_count else None  # type: ignore[attr-defined]  # an annotation


@never_cache
@require_safe
def sessions(request: UserRequest) -> HttpResponse:
    """Show a page of the session list. `?from=` skips that many.

    q: search titles, questions and answers. tag: only sessions with it. view=archived: those. folder: its sessions.
    """
    return show(request)


def show(request: UserRequest) -> HttpResponse:
    """Show the part of the list that the address asks for; also after a change that was posted to it."""
    if words := storable(request.GET.get("q", "")).strip():
        return _found(request, words)
    if "folder" in request.GET:
        return _folder(request)
    context = listed(request)
    if request.htmx and not _first(request.GET):
        context |= {"tags": tags_for(request.user), "is_update": True}
    return render(request, "chat/_sessions.html", context)


def listed(request: UserRequest, current: Session | None = None) -> dict[str, Any]:
    """Return the context of the list. current: the session that is on the page."""
    first, asked = _first(request.GET), _Asked.of(request.GET)
    rows = list(asked.sessions(request)[first : first + SESSIONS_PER_PAGE + 1])
    has_folders = asked.is_whole and not first
    groups = presenters.group_sessions(rows[:SESSIONS_PER_PAGE])
    return _context(request, current) | {
        "asked": asked,
        "folders": _folders(request, current) if has_folders else [],
        "groups": [("Archived", rows[:SESSIONS_PER_PAGE])] if asked.is_archive and rows else groups,
        "next_from": first + SESSIONS_PER_PAGE if len(rows) > SESSIONS_PER_PAGE else None,
        "archived_count": _archived(request).count() if has_folders else 0,
    }


def page_address(request: UserRequest) -> str:
    """Return the path of the page that sent this htmx request."""
    return request.htmx.current_url_abs_path or request.path


@dataclass(frozen=True, slots=True)
class _Asked:
    tag: str
    is_archive: bool

    @classmethod
    def of(cls, given: QueryDict) -> "_Asked":
        return cls(storable(given.get("tag", "")), given.get("view") == "archived")

    @property
    def is_whole(self) -> bool:
        return not self.tag and not self.is_archive

    def sessions(self, request: UserRequest) -> QuerySet[Session]:
        if self.is_archive:
            return _archived(request)
        found = presenters.list_sessions(request.user).filter(is_archived=False)
        if self.tag:
            return found.filter(tags__name__iexact=self.tag)
        return found.filter(Q(folder=None) | Q(is_pinned=True))


def _archived(request: UserRequest) -> QuerySet[Session]:
    return presenters.list_sessions(request.user).filter(is_archived=True)


def _context(request: UserRequest, current: Session | None = None) -> dict[str, Any]:
    return {"current_path": reverse("session", args=[current.pk]) if current else page_address(request)}


def _first(given: QueryDict) -> int:
    said = given.get("from", "0")
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 9 else 0


def _found(request: UserRequest, words: str) -> HttpResponse:
    first, tag = _first(request.GET), storable(request.GET.get("tag", ""))
    typed = storable(request.GET["q"])  # a space at its end says that the last word is whole
    found = search_conversations(request.user, typed, first=first, limit=FOUND_PER_PAGE, tag=tag)
    context = {
        "found": found,
        "words": words,
        "tag": tag,
        "first": first,
        "next_from": first + FOUND_PER_PAGE,
    }
    return render(request, "chat/_found.html", _context(request) | context)


def _folder(request: UserRequest) -> HttpResponse:
    """Show the sessions of `?folder=`, as the part below its name."""
    if (id := uuid_or_none(request.GET["folder"])) is None:
        raise Http404("There is no such folder.")
    folder, first = folder_for(request.user, id), _first(request.GET)
    rows = list(_in_folders(request, [id])[first : first + SESSIONS_PER_PAGE + 1])
    next_from = first + SESSIONS_PER_PAGE if len(rows) > SESSIONS_PER_PAGE else None
    context = {"folder": folder, "sessions": rows[:SESSIONS_PER_PAGE], "next_from": next_from}
    return render(request, "chat/_folder_sessions.html", _context(request) | context)


def _in_folders(request: UserRequest, ids: Collection[UUID]) -> QuerySet[Session]:
    found = presenters.list_sessions(request.user).filter(folder__in=ids, is_archived=False)
    return found.order_by("-updated_at")


def _folders(request: UserRequest, current: Session | None) -> list[ShownFolder]:
    """Return the folders; those that are open with their newest sessions."""
    folders = list(folders_for(request.user))
    if not folders:
        return []
    open_ids = _open_ids(request.COOKIES.get(OPEN_COOKIE, ""), current)
    newest: dict[UUID | None, list[Session]] = defaultdict(list)
    for session in _in_folders(request, open_ids)[:SESSIONS_PER_PAGE] if open_ids else ():
        newest[session.folder_id].append(session)
    return [ShownFolder(each, newest.get(each.pk)) for each in folders]


def _open_ids(cookie: str, current: Session | None) -> list[UUID]:
    kept: Iterable[UUID | None] = map(uuid_or_none, cookie.split(".")[:OPEN_FOLDERS])
    return [each for each in {*kept, current.folder_id if current else None} if each]
