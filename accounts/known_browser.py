"""Recognises the browsers in which a user has logged in before, so that a stranger's guesses do not lock them out.

A signed cookie names the user and the browser. With it, wrong passwords count for this browser only; a stolen or
copied cookie gives no more attempts than any browser has. Source: OWASP, "Slow Down Online Guessing Attacks with
Device Cookies".
"""

from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

COOKIE = "known_browser"
_LIFETIME = timedelta(days=365)
_SALT = "accounts.known_browser"


def remember(response: HttpResponse, username: str) -> None:
    """Set the cookie after a login."""
    response.set_cookie(
        COOKIE,
        signing.dumps([_normalise(username), uuid4().hex], salt=_SALT),
        max_age=_LIFETIME,
        path=reverse(settings.LOGIN_URL),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def id_for(request: HttpRequest, username: str) -> str:
    """Return the id of this browser, or "" if this user has not logged in with it before."""
    try:
        name, browser = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=_LIFETIME)
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return str(browser) if name == _normalise(username) else ""


def _normalise(username: str) -> str:
    return username.strip().lower()
