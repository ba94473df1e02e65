"""The pages of a shared link for its readers, who may have no account here."""

from collections.abc import Callable
from functools import wraps
from typing import cast

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.http import UserRequest
from chat.models import SharedLink
from core.rate import Buckets

from . import links
from .copying import copy_conversation
from .presenters import present_conversation
from .tokens import token_of

_guesses = Buckets(per_s=0.2, burst=30)  # of tokens that open nothing, for each user or address

_View = Callable[[HttpRequest, str], HttpResponse]


def address_of(request: HttpRequest, link: SharedLink) -> str:
    return request.build_absolute_uri(reverse("shared", args=[token_of(link.pk)]))


def _for_readers(view: _View) -> _View:
    """Keep the replies of a view out of search engines, caches and the logs of other sites.

    Limit how often unknown tokens can be tried, before the token is looked at.
    """

    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        response = _limited(request) or _found_or_not(request, lambda: view(request, token))
        response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def _limited(request: HttpRequest) -> HttpResponse | None:
    wait_s = _guesses.wait_s(_guesser(request))
    if not wait_s:
        return None
    response = render(request, "chat/sharing/gone.html", {"is_limited": True}, status=429)
    response["Retry-After"] = str(round(wait_s) + 1)
    return response


def _found_or_not(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return view()
    except Http404:
        _guesses.spend(_guesser(request))
        return render(request, "chat/sharing/gone.html", status=404)


def _guesser(request: HttpRequest) -> object:
    return request.user.pk or request.META.get("REMOTE_ADDR")


@login_not_required
@require_safe
@_for_readers
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show a shared conversation to a reader, as far as they may see it."""
    link, reader = links.open_link(token), request.user
    if isinstance(reader, AnonymousUser) and links.needs_login(link):
        return redirect_to_login(request.path)
    links.check_reader(reader, link)
    conversation = present_conversation(reader, link, request.GET.get("page", "1"))
    context = {"shown": conversation, "link": link, "token": token}
    return render(request, "chat/sharing/conversation.html", context)


@require_POST
@_for_readers
def continue_as_mine(request: HttpRequest, token: str) -> HttpResponse:
    """Copy what the reader may see into a session of their own, and open it."""
    link, reader = links.open_link(token), cast(UserRequest, request).user
    links.check_reader(reader, link)
    session = copy_conversation(reader, link)
    address = reverse("session", args=[session.pk])
    htmx = cast(UserRequest, request).htmx
    return HttpResponseClientRedirect(address) if htmx else redirect(address)
