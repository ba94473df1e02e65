"""Streams an answer's events as server-sent events (SSE), as the HTML standard defines them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID
from weakref import finalize

from django.http import StreamingHttpResponse

from accounts.identity.credential import Credential
from chat.errors import NotAllowed
from core.async_tasks import cancel_and_wait
from core.db.threads import retry_on_disconnect, to_thread

from .events import Logged
from .follow import follow_in_batches

PING_INTERVAL_S = 15.0  # keepalive: a load balancer closes a connection that is silent for a minute
PING = ": ping\n\n"  # an SSE comment: clients ignore it
CHECK_INTERVAL_S = 3.0  # a reader who loses access is cut off within five seconds, as on sockets
Batch = Sequence[Logged]


class _Stream(StreamingHttpResponse):
    def __init__(self, parts: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(parts, content_type="text/event-stream", headers=headers)


class _LeftStream(_Stream):
    def __init__(self, parts: AsyncIterator[str], leave: Callable[[], None]) -> None:
        super().__init__(parts)
        self._leave = leave
        loop = asyncio.get_running_loop()
        # If the client disconnects while a middleware holds the response, Django drops it without closing it.
        self._dropped = finalize(self, lambda: asyncio.run_coroutine_threadsafe(to_thread(leave)(), loop))
        self._dropped.atexit = False  # type: ignore[misc]  # typeshed knows only its __slots__

    def close(self) -> None:  # Django calls it in a thread, at the end and when the client disconnects
        if self._dropped.detach():
            self._leave()
        super().close()


def stream(parts: AsyncIterator[str], leave: Callable[[], None] | None = None) -> StreamingHttpResponse:
    """Return a response that streams these parts as they arrive.

    leave: called in a thread when the response ends, even if the client disconnected. With it, call this
    function in an event loop.
    """
    return _LeftStream(parts, leave) if leave else _Stream(parts)


def format_message(data: Any, *, kind: str = "", id: int | None = None) -> str:
    """Return one message in the SSE format."""
    fields = {"id": id, "event": kind or None, "data": json.dumps(data)}
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None) + "\n"


async def stream_events(answer_id: UUID, after_seq: int, credential: Credential) -> AsyncGenerator[str]:
    """Yield an answer's events after `after_seq` as SSE messages, with keepalive pings, until the last."""
    with suppress(NotAllowed):
        async with aclosing(follow_with_checks(answer_id, after_seq, credential)) as batches:
            async for batch in batches:
                yield (
                    "".join(format_message(each.data, kind=each.kind, id=each.seq) for each in batch) or PING
                )


async def follow_with_checks(
    answer_id: UUID, after_seq: int, credential: Credential
) -> AsyncGenerator[Batch]:
    """Follow an answer, and yield an empty batch if no event arrives for PING_INTERVAL_S.

    credential: checked every CHECK_INTERVAL_S, in a thread. Raises NotAllowed when it is no longer valid.
    """
    checked_at = heard_at = time.monotonic()
    async with aclosing(_with_pauses(answer_id, after_seq)) as batches:
        async for batch in batches:
            now = time.monotonic()
            if now >= checked_at + CHECK_INTERVAL_S:
                if not await retry_on_disconnect(to_thread(credential.is_valid))():
                    raise NotAllowed
                checked_at = now
            if batch or now >= heard_at + PING_INTERVAL_S:
                heard_at = now
                yield batch


async def _with_pauses(answer_id: UUID, after_seq: int) -> AsyncGenerator[Batch]:
    pause_s = min(CHECK_INTERVAL_S, PING_INTERVAL_S)
    async with aclosing(follow_in_batches(answer_id, after_seq)) as batches:
        while True:
            coming = asyncio.ensure_future(anext(batches, None))
            try:
                while not (await asyncio.wait([coming], timeout=pause_s))[0]:
                    yield ()
            finally:
                await cancel_and_wait([coming])
            if (batch := coming.result()) is None:
                return
            yield batch
