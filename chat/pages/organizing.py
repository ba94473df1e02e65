"""The dialogs in which users put their sessions in order, as parts of the chat page, and what they send."""

from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.http import UserRequest
from chat.asking.sessions import session_for
from chat.errors import NameRefused
from chat.models import Session
from chat.organizing.archive import archive_session
from chat.organizing.folders import (
    create_folder,
    delete_folder,
    folder_for,
    folders_for,
    move_folder,
    put_into_folder,
    rename_folder,
)
from chat.organizing.tags import set_tags, split_tags, tags_for
from core.text import storable, uuid_or_none

_STEPS = {"up": -1, "down": 1}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def organize(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Show the folder and the tags of a session, or change them."""
    session = session_for(request.user, session_id)
    if request.method != "POST":
        context = {"session": session, "folders": folders_for(request.user), "tags": tags_for(request.user)}
        return render(request, "chat/_organize.html", context)
    try:
        _organize(request, session)
    except NameRefused as refusal:
        return _refuse(refusal)
    return HttpResponse(status=204)


@transaction.atomic
def _organize(request: UserRequest, session: Session) -> None:
    set_tags(request.user, session, split_tags(storable(request.POST.get("tags", ""))))
    new, chosen = storable(request.POST.get("new_folder", "")).strip(), request.POST.get("folder", "")
    folder_id = create_folder(request.user, new).pk if new else uuid_or_none(chosen)
    if chosen and folder_id is None:
        raise Http404("There is no such folder.")
    put_into_folder(request.user, session, folder_id)


@require_POST
def archive(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Archive a session, or put an archived one back into the list."""
    session = session_for(request.user, session_id)
    archive_session(session, is_archived=not session.is_archived)
    return HttpResponse(status=204) if request.htmx else redirect("session", session_id)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def folder(request: UserRequest, folder_id: UUID) -> HttpResponse:
    """Show what can be done with a folder, or do it: `action` is rename, up, down or delete."""
    found = folder_for(request.user, folder_id)
    if request.method != "POST":
        return render(request, "chat/_folder.html", {"folder": found})
    action = request.POST.get("action", "")
    try:
        if action in _STEPS:
            move_folder(request.user, folder_id, _STEPS[action])
        elif action == "delete":
            delete_folder(request.user, folder_id)
        else:
            rename_folder(request.user, folder_id, storable(request.POST.get("name", "")))
    except NameRefused as refusal:
        return _refuse(refusal)
    return HttpResponse(status=204)


def _refuse(refusal: NameRefused) -> HttpResponse:
    return HttpResponse(str(refusal), status=400, content_type="text/plain")
