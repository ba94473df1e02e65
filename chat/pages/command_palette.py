"""The command palette (Ctrl K): its dialog, and what it finds while a user types."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from chat.finding.command_palette import commands_for, find_documents
from chat.finding.conversation_search import search_conversations
from core.text import storable
from workspaces.access import workspaces_for

from . import presenters

_RECENT = 6  # sessions
_FOUND = 8  # sessions


@never_cache
@require_safe
def palette(request: UserRequest) -> HttpResponse:
    """Show the dialog with all that needs no search: commands, workspaces and the newest sessions."""
    recent = presenters.list_sessions(request.user).filter(is_archived=False).order_by("-updated_at")
    context = {
        "commands": commands_for(request.user),
        "workspaces": workspaces_for(request.user).order_by("name"),
        "recent": recent[:_RECENT],
    }
    return render(request, "chat/_palette.html", context)


@never_cache
@require_safe
def found(request: UserRequest) -> HttpResponse:
    """Show the sessions and documents that have the words of `?q=`, as a part of the dialog."""
    typed = storable(request.GET.get("q", ""))
    words = typed.strip()
    if not words:
        return HttpResponse()
    context = {
        "words": words,
        "found": search_conversations(request.user, typed, limit=_FOUND),
        "documents": find_documents(request.user, words),
    }
    return render(request, "chat/_palette_found.html", context)
