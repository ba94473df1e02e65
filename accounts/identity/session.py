"""Login sessions of sockets and streams, validated with each message and every few seconds in between."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.errors import SignedOut
from accounts.models import User
from core.db.statements import Plan, columns, row_of, statement
from core.db.threads import to_thread


@dataclass(frozen=True, slots=True)
class Login:
    """A valid login session, with the stored data that it was validated against."""

    session_key: str
    session_data: str  # as stored
    user: User

    def is_valid(self) -> bool:
        try:
            return bool(still_valid([self]) or load_session(self.session_key))
        except SignedOut:
            return False


class _Loaded(SessionStore):
    """A session whose row is already loaded."""

    def __init__(self, stored: Session) -> None:
        super().__init__(stored.session_key)
        self._stored = stored

    def load(self) -> dict[str, Any]:
        return self._stored.get_decoded()


def load_session(session_key: str) -> Login:
    """Return the login of this session after all of Django's own checks. Raises SignedOut."""
    stored = Session.objects.filter(pk=session_key, expire_date__gt=Now()).first()
    request = HttpRequest()
    request.session = _Loaded(stored) if stored else SessionStore()
    user = get_user(request)
    if stored is None or not isinstance(user, User) or not user.is_active:
        raise SignedOut
    return Login(session_key, stored.session_data, user)


_found: dict[str, Login] = {}  # cache by session key, oldest first
_MAX_FOUND = 10_000


async def authenticate(session_key: str) -> Login:
    """Return the login of this session, with the current rights of its user. Raises SignedOut.

    A cached login is only compared with the stored data, which costs one statement.
    """
    before = _found.pop(session_key, None)
    user = (await still_valid.aio([before])).get(session_key) if before else None
    if before and user:
        login = replace(before, user=user)
    else:
        login = await to_thread(load_session)(session_key)
    _found[session_key] = login
    if len(_found) > _MAX_FOUND:
        del _found[next(iter(_found))]
    return login


_STILL_VALID = f"""
    SELECT mine.session_key, {columns(User, "u")}
    FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[]) AS mine (session_key, data, user_id, password)
    JOIN django_session AS s ON s.session_key = mine.session_key AND s.session_data = mine.data
    JOIN accounts_user AS u ON u.id = mine.user_id AND u.password = mine.password
    WHERE s.expire_date > now() AND u.is_active
"""


@statement
def still_valid(logins: Collection[Login]) -> Plan[dict[str, User]]:
    """Return the users whose logins are unchanged, by session key, with one statement for all logins.

    A login that is missing here may still be valid, with other data in its session: `load_session` tells.
    """
    rows = [(each.session_key, each.session_data, each.user.pk, each.user.password) for each in logins]
    [found] = yield [(_STILL_VALID, [[row[place] for row in rows] for place in range(4)])]
    return {key: row_of(User, values) for key, *values in found}
