"""Pages on which users share their sessions and manage their shared links."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.html import escape
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import reswap, retarget

from accounts.http import UserRequest
from chat.answering.branches import Tree
from chat.asking.sessions import session_for
from chat.errors import SharingRefused
from chat.models import Session, SharedLink, SharingPolicy, Turn

from . import links
from .forms import LinkForm
from .policy import current_policy, default_end
from .reading import address_of

_TURNS_OFFERED = 200  # the last ones of a conversation, to share it up to one of them


@require_safe
def shared_links(request: UserRequest) -> HttpResponse:
    """Show the user's shared links."""
    policy = current_policy()
    rows = [_row(request, link, policy) for link in links.links_of(request.user)]
    return render(request, "chat/sharing/links.html", {"rows": rows, "policy": policy})


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: UserRequest, session_id: UUID) -> HttpResponse:
    """Share a session, as a page or as a part for the dialog."""
    session = session_for(request.user, session_id)
    if request.method == "POST":
        if problem := _create(request, session):
            return _refuse(request, problem, "share-problem")
        if not request.htmx:
            return redirect("shared-links")
    is_part = request.htmx or "X-Requested-With" in request.headers
    template = "chat/sharing/_share.html" if is_part else "chat/sharing/share.html"
    return render(request, template, _share_context(request, session))


def _create(request: UserRequest, session: Session) -> str:
    """Make the link that the form asks for. Return why it was refused, as a sentence."""
    form = LinkForm(request.POST)
    if not form.is_valid():
        return form.problem
    try:
        links.create_link(request.user, session.pk, form.settings(), form.turn)
    except SharingRefused as refusal:
        return str(refusal)
    return ""


def _share_context(request: UserRequest, session: Session) -> dict[str, Any]:
    policy = current_policy()
    path = Tree.of(session).path()[-_TURNS_OFFERED:]
    texts = dict(Turn.objects.filter(pk__in=path).values_list("pk", "text"))
    found = links.links_of(request.user).filter(session=session)
    return {
        "session": session,
        "policy": policy,
        "rows": [_row(request, link, policy) for link in found],
        "turns": [(turn, texts[turn]) for turn in reversed(path)],
        "ends_on": default_end(policy).date(),
        "audiences": _audiences(policy),
    }


def _row(request: HttpRequest, link: SharedLink, policy: SharingPolicy) -> dict[str, Any]:
    return {
        "link": link,
        "address": address_of(request, link),
        "audiences": _audiences(policy),
        "is_ended": link.ends_at <= timezone.now(),
    }


def _audiences(policy: SharingPolicy) -> list[tuple[str, str]]:
    """Return the groups of readers that this site allows."""
    closed = set() if policy.allows_anybody else {SharedLink.Audience.ANYBODY.value}
    return [(value, label) for value, label in SharedLink.Audience.choices if value not in closed]


@require_POST
def change(request: UserRequest, link_id: UUID) -> HttpResponse:
    """Change a link's settings."""
    links.link_for(request.user, link_id)
    form = LinkForm(request.POST)
    if not form.is_valid():
        return _refuse(request, form.problem, f"problem-{link_id}")
    return _do(request, link_id, lambda: links.change_link(request.user, link_id, form.settings()))


@require_POST
def update(request: UserRequest, link_id: UUID) -> HttpResponse:
    """Make a link's snapshot again."""
    links.link_for(request.user, link_id)
    return _do(request, link_id, lambda: links.update_link(request.user, link_id))


@require_POST
def revoke(request: UserRequest, link_id: UUID) -> HttpResponse:
    links.revoke_link(request.user, link_id)
    return HttpResponse() if request.htmx else redirect("shared-links")


def _do(request: UserRequest, link_id: UUID, change: Callable[[], SharedLink]) -> HttpResponse:
    """Change a link, and show it as it is then."""
    try:
        row = _row(request, change(), current_policy())
    except SharingRefused as refusal:
        return _refuse(request, str(refusal), f"problem-{link_id}")
    if request.htmx:
        return render(request, "chat/sharing/_link.html", {"row": row, "is_saved": True})
    return redirect("shared-links")


def _refuse(request: UserRequest, sentence: str, place: str) -> HttpResponse:
    """Say why a form was refused: in the element with this id, so that the form keeps what was entered."""
    if request.htmx:
        return retarget(reswap(HttpResponse(escape(sentence)), "innerHTML"), f"#{place}")
    return HttpResponse(sentence, status=400, content_type="text/plain")
