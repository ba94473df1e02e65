"""Operations on shared links: make, change, update, revoke, open. Every change is in the audit log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone

from accounts.changes import differences
from accounts.models import User, record
from chat.asking.sessions import session_for
from chat.errors import SharingRefused
from chat.models import Session, SharedLink
from core.db.cascade import delete_rows
from core.text import one_line
from workspaces.access import workspaces_for

from .policy import check_end, check_is_on, current_policy, default_end
from .snapshot import Snapshot, default_name, take_snapshot
from .tokens import id_of
from .withheld import Reader, withheld_from

MAX_LINKS = 50  # of one session
KEPT_AFTER_END = timedelta(days=90)  # so that its owner can still set a later end
_SETTINGS = ("name", "audience", "names_owner", "ends_at")


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What the owner decides of a link. None: the default for a new link, no change of an existing one."""

    name: str | None = None
    audience: str | None = None
    names_owner: bool | None = None
    ends_at: datetime | None = None

    def apply(self, link: SharedLink) -> dict[str, Any]:
        """Set what is given, and return it. Raises SharingRefused."""
        given = {name: value for name in _SETTINGS if (value := getattr(self, name)) is not None}
        if "name" in given:
            given["name"] = _checked_name(given["name"])
        if "ends_at" in given:
            check_end(current_policy(), given["ends_at"])
        for name, value in given.items():
            setattr(link, name, value)
        return given


def links_of(user: User) -> QuerySet[SharedLink]:
    return SharedLink.objects.filter(session__user=user).select_related("session__user")


def link_for(user: User, id: UUID) -> SharedLink:
    """Return the user's own link. Raises Http404."""
    found = links_of(user).filter(pk=id).first()
    if found is None:
        raise Http404("There is no such shared link.")
    return found


@transaction.atomic
def create_link(
    user: User, session_id: UUID, settings: LinkSettings, last_turn: UUID | None = None
) -> SharedLink:
    """Share the path on the screen, or the path to this turn. Raises Http404, SharingRefused."""
    policy, session = current_policy(), session_for(user, session_id)
    check_is_on(policy)
    _check_session(session)
    snapshot = take_snapshot(session, last_turn)
    link = SharedLink(
        session=session,
        name=default_name(session, snapshot),
        snapshot=snapshot.as_json(),
        taken_at=timezone.now(),
        ends_at=default_end(policy),
    )
    settings.apply(link)
    _check_audience(link)
    link.save(force_insert=True)
    _record(user, "share.create", link)
    return link


@transaction.atomic
def change_link(user: User, id: UUID, settings: LinkSettings) -> SharedLink:
    """Change what is given of a link. Raises Http404, SharingRefused."""
    link = link_for(user, id)
    before = {name: getattr(link, name) for name in _SETTINGS}
    changed = differences(before, settings.apply(link))
    _check_audience(link)
    link.save(update_fields=_SETTINGS)
    changed.pop("name", None)  # it is private text
    _record(user, "share.change", link, changes=changed)
    return link


@transaction.atomic
def update_link(user: User, id: UUID, last_turn: UUID | None = None) -> SharedLink:
    """Make the snapshot again, from the path on the screen or the path to this turn. The address stays.

    Raises Http404, SharingRefused.
    """
    link = link_for(user, id)
    link.snapshot, link.taken_at = take_snapshot(link.session, last_turn).as_json(), timezone.now()
    _check_audience(link)
    link.save(update_fields=["snapshot", "taken_at"])
    _record(user, "share.update", link)
    return link


@transaction.atomic
def revoke_links(by: User, links: QuerySet[SharedLink]) -> int:
    """Delete these links, which close at once, and return how many they were."""
    found = list(links)
    for link in found:
        _record(by, "share.revoke", link)
    SharedLink.objects.filter(pk__in=[link.pk for link in found]).delete()
    return len(found)


def revoke_link(user: User, id: UUID) -> None:
    """Delete the user's own link. Raises Http404."""
    revoke_links(user, SharedLink.objects.filter(pk=link_for(user, id).pk))


def open_link(token: str) -> SharedLink:
    """Return the link with this token. Raises Http404 if there is none, or if it shows nothing any more.

    A link that is unknown, revoked or ended, and one whose session or user is gone, cannot be told apart.
    """
    alive = SharedLink.objects.filter(ends_at__gt=timezone.now(), session__user__is_active=True)
    found = alive.select_related("session__user").filter(pk__in=filter(None, [id_of(token)])).first()
    if found is None or not current_policy().is_on:
        raise Http404("This link shows nothing.")
    return found


def needs_login(link: SharedLink) -> bool:
    return link.audience != SharedLink.Audience.ANYBODY or not current_policy().allows_anybody


def check_reader(reader: Reader, link: SharedLink) -> None:
    """Raise Http404 unless the link is for this reader. Its owner may always look at it."""
    if isinstance(reader, AnonymousUser):
        is_for_them = not needs_login(link)
    elif link.audience == SharedLink.Audience.MEMBERS and reader.pk != link.session.user_id:
        asked = Snapshot.from_json(link.snapshot).workspaces
        entered = workspaces_for(reader).filter(pk__in=asked).values_list("pk", flat=True)
        is_for_them = bool(asked) and asked == set(entered)
    else:
        is_for_them = True
    if not is_for_them:
        raise Http404("This link shows nothing.")


def forget_ended_links() -> Iterator[int]:
    """Delete the links that ended long ago. Yield after each transaction how many it deleted."""
    yield from delete_rows(SharedLink.objects.filter(ends_at__lt=timezone.now() - KEPT_AFTER_END))


# --- checks ---------------------------------------------------------------------------------------


def _checked_name(name: str) -> str:
    name, most = one_line(name), SharedLink._meta.get_field("name").max_length or 0
    if not name:
        raise SharingRefused("Give the link a name: readers see it as the heading.")
    if len(name) > most:
        raise SharingRefused(f"The name has {len(name):,} characters; the limit is {most}. Shorten it.")
    return name


def _check_session(session: Session) -> None:
    if session.is_temporary:
        raise SharingRefused("A temporary chat cannot be shared: it leaves nothing.")
    if session.preface is not None:
        raise SharingRefused("A conversation of a chat completions client cannot be shared.")
    if session.shared_links.count() >= MAX_LINKS:
        raise SharingRefused(f"This conversation already has {MAX_LINKS} links: revoke one of them.")


def _check_audience(link: SharedLink) -> None:
    """Raise SharingRefused if the link cannot be for these people."""
    snapshot = Snapshot.from_json(link.snapshot)
    if link.audience == SharedLink.Audience.MEMBERS and not snapshot.workspaces:
        raise SharingRefused(
            "No workspace was asked in this conversation, so it has no members: share it with people who are logged in."
        )
    if link.audience == SharedLink.Audience.ANYBODY:
        _check_open(link, snapshot)


def _check_open(link: SharedLink, snapshot: Snapshot) -> None:
    if not current_policy().allows_anybody:
        raise SharingRefused("This site does not allow links for anybody: an operator can allow them.")
    shown = snapshot.answers
    hidden = shown & set(withheld_from(AnonymousUser(), link).answers)
    if hidden:
        raise SharingRefused(
            f"{len(hidden)} of {len(shown)} answers rest on documents that are not open to anybody: share it with people "
            "who are logged in, or only up to an earlier answer."
        )


def _record(user: User, action: str, link: SharedLink, **detail: Any) -> None:
    told = {"audience": link.audience, "ends_at": link.ends_at.isoformat(), "session": str(link.session_id)}
    record(user, action, str(link), **told, **detail)
