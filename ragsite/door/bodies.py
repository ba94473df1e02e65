"""Limits the body of a request while it arrives: its length by address and sender, and its time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import Resolver404, resolve

from accounts.errors import SignedOut
from accounts.identity.api_key import find_key
from accounts.identity.session import authenticate
from core.db.threads import to_thread
from core.errors import Busy

from .refusals import refusal_response

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_FORM_BYTES = 1024 * 1024  # of an upload's form, around its file
_FILES_AT_ONCE = 4  # files of the full size that the plain form may send together
_DISCONNECT = {"type": "http.disconnect"}
_SILENCE_S = 30.0  # without a further byte
_SLOWEST = 10_000  # bytes a second, on average
# The names of the addresses that take files
_TAKES_FILES = {
    "api-file-upload": 1,
    "api-upload-file": 1,
    "api-questions-file": 1,
    "workspace-add-pairs-file": 1,
    "workspace-add": _FILES_AT_ONCE,
}
_TAKES_IMPORTS = {"import", "api-imports"}


class BodyRefused(Exception):
    """The body is too long or too slow. `str(error)` is a sentence for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self._status = status

    def as_response(self, path: str) -> HttpResponse:
        return refusal_response(path, self._status, str(self))


class Body:
    """The body of one request, while it arrives."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._received, self._is_complete = 0, False
        self._deadline = time.monotonic() + _SILENCE_S + limit / _SLOWEST
        self.refusal: BodyRefused | None = None

    async def receive(self) -> Message:
        """Return the next message. If the body breaks a limit, note the refusal and pretend a disconnect."""
        if self._is_complete:  # Django waits here for the client to leave
            return await self._receive()
        try:
            async with asyncio.timeout(min(_SILENCE_S, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self.refusal = BodyRefused(408, "The request took too long to arrive. Send it again.")
            return _DISCONNECT
        self._received += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._received > self._limit:
            self.refusal = _too_long(self._limit)
            return _DISCONNECT
        return message


async def open_body(scope: Message, receive: Receive) -> Body:
    """Return the body with the limits of its address and sender. Raises BodyRefused if it announces too much."""
    headers = dict(scope["headers"])
    limit = await _limit_of(scope["path"], headers)
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_long(limit)
    return Body(receive, limit)


def _too_long(limit: int) -> BodyRefused:
    return BodyRefused(
        413,
        f"The request is larger than {filesizeformat(limit)}, the limit of this address. Send less at once.",
    )


async def _limit_of(path: str, headers: Mapping[bytes, bytes]) -> int:
    """Return how many bytes this address takes from this sender. Only a known sender may send files."""
    name = _name_of(path)
    most = settings.IMPORT_MAX_BYTES if name in _TAKES_IMPORTS else 0
    most += _TAKES_FILES.get(name, 0) * settings.UPLOAD_MAX_BYTES
    try:
        is_known = bool(most) and await _is_known(headers)
    except OperationalError as error:
        raise BodyRefused(503, str(Busy())) from error
    if is_known:
        return most + _FORM_BYTES
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + _FORM_BYTES


def _name_of(path: str) -> str:
    try:
        return resolve(path).url_name or ""
    except Resolver404:
        return ""


async def _is_known(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the request carries a valid session or API key. The view checks what it may do."""
    if credentials := headers.get(b"authorization"):
        return await to_thread(find_key)(credentials.decode("latin-1")) is not None
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
        await authenticate(cookies[settings.SESSION_COOKIE_NAME].value)
    except (CookieError, KeyError, SignedOut):
        return False
    return True
