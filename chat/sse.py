"""An answer's events for a client that only reads: server-sent events, as HTML defines them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse

from .events import Logged
from .hub import cancelled
from .log import follow_in_batches
from .threads import in_thread

PING_EVERY_S = 15.0  # a load balancer cuts what is silent for a minute
PING = ": ping\n\n"  # a comment: clients pass over it
CHECK_EVERY_S = 5.0
Batch = Sequence[Logged]


class NotAllowed(Exception):
    """Whoever reads this may not any more: the user was disabled, or the key revoked."""


class _Stream(StreamingHttpResponse):
    def __init__(self, parts: AsyncIterator[str], leave: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(parts, content_type="text/event-stream", headers=headers)
        self._leave = leave

    def close(self) -> None:  # Django calls it in any case: at the end, and when the client is gone
        self._leave()
        super().close()


def stream(parts: AsyncIterator[str], leave: Callable[[], None] = lambda: None) -> StreamingHttpResponse:
    """Return the response that sends these parts as they come.

    leave: called when the response is over, also because its client went away.
    """
    return _Stream(parts, leave)


def message(data: Any, *, kind: str = "", id: int | None = None) -> str:
    """Return one message of the stream."""
    fields = {"id": id, "event": kind or None, "data": json.dumps(data)}
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None) + "\n"


async def events(answer_id: UUID, after_seq: int, may_go_on: Callable[[], bool]) -> AsyncGenerator[str]:
    """Yield an answer's events after `after_seq` as messages, and pings between them, until the last."""
    with suppress(NotAllowed):
        async with aclosing(followed(answer_id, after_seq, may_go_on)) as batches:
            async for batch in batches:
                yield "".join(message(each.data, kind=each.kind, id=each.seq) for each in batch) or PING


async def followed(answer_id: UUID, after_seq: int, may_go_on: Callable[[], bool]) -> AsyncGenerator[Batch]:
    """Follow an answer, and yield an empty batch whenever nothing came for PING_EVERY_S.

    may_go_on: asked before a batch, in a thread, if it was not for CHECK_EVERY_S. If not, raises NotAllowed.
    """
    checked_at = time.monotonic()
    async with aclosing(_with_pauses(answer_id, after_seq)) as batches:
        async for batch in batches:
            if time.monotonic() >= checked_at + CHECK_EVERY_S:
                if not await in_thread(may_go_on)():
                    raise NotAllowed
                checked_at = time.monotonic()
            yield batch


async def _with_pauses(answer_id: UUID, after_seq: int) -> AsyncGenerator[Batch]:
    async with aclosing(follow_in_batches(answer_id, after_seq)) as batches:
        while True:
            coming = asyncio.ensure_future(anext(batches, None))
            try:
                while not (await asyncio.wait([coming], timeout=PING_EVERY_S))[0]:
                    yield ()
            finally:
                await cancelled([coming])
            if (batch := coming.result()) is None:
                return
            yield batch
