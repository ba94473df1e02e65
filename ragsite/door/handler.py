"""Django's ASGI handler with admission control: limits on bodies, on requests at once, and on connections.

Django reads a whole body before it looks at the request, starts a thread for each request, and returns a
request's database connection only after its last byte was sent. So a stranger could fill the disk, the memory
and the connection pool without a login. Here a body is limited by its address and by its sender, requests wait
for a place, and the connection returns to the pool before the response is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from core.errors import Busy
from core.waiting import release_connection

from .bodies import BodyRefused, open_body
from .refusals import busy_response

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LINGER_S = 5.0  # a client that still sends may otherwise see a reset connection instead of the reply
_UNLIMITED = ("/health", "/health/")  # cost nothing, and a load balancer must get an answer under load, too
_WAITS_FOR_ANSWERS = "/v1/"  # such a request may wait as long as an answer takes: it has places of its own


class Handler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, asyncio.Semaphore]] = (
            WeakKeyDictionary()
        )

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            body = await open_body(scope, receive)
            await super().handle(scope, body.receive, send)
            if body.refusal:
                raise body.refusal
        except BodyRefused as refusal:
            await _refuse(self, refusal.as_response(scope["path"]), receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            async with self._admit(request.path):
                response = await super().get_response_async(request)
        except Busy as busy:
            return busy_response(request.path, busy)
        # Without this, each client that reads slowly would hold a connection until it has read everything.
        await sync_to_async(release_connection)()
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            # Django would first read all of it into memory.
            response.streaming_content = _read_in_thread(iter(response))
        return response

    @asynccontextmanager
    async def _admit(self, path: str) -> AsyncIterator[None]:
        if path in _UNLIMITED:
            yield
            return
        places = self._places_of_loop()[path.startswith(_WAITS_FOR_ANSWERS)]
        try:
            async with asyncio.timeout(settings.BUSY_AFTER_S):
                await places.acquire()
        except TimeoutError as error:
            raise Busy from error
        try:
            yield
        finally:
            places.release()

    def _places_of_loop(self) -> dict[bool, asyncio.Semaphore]:
        """Return the semaphores of the running loop: a semaphore belongs to one event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._places:
            self._places[loop] = {
                each: asyncio.Semaphore(settings.REQUESTS_AT_ONCE) for each in (False, True)
            }
        return self._places[loop]


async def _read_in_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    def read() -> bytes | None:
        return next(parts, None)

    while (part := await sync_to_async(read)()) is not None:  # a part may be empty
        yield part


async def _refuse(handler: Handler, response: Any, receive: Receive, send: Send) -> None:
    """Send the response, and discard what the client still sends for a moment (a lingering close)."""
    response["Connection"] = "close"
    response["Content-Length"] = str(len(response.content))

    async def send_without_end(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await handler.send_response(response, send_without_end)
    try:
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
