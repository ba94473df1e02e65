"""uvicorn's HTTP protocol with the deadlines that it lacks: for the head of a request, and for a stalled reader.

Without them, a connection that never finishes its headers, or never reads its response, is held without end
(the slowloris attack). The body has its own limits: ragsite/door/bodies.py.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 20.0  # for the request line and all headers
HEAD_BYTES = 128 * 1024
STALLED_S = 60.0  # in which a client reads nothing although there is something to read


class Protocol(HttpToolsProtocol):
    _head_deadline: asyncio.TimerHandle | None = None
    _read_deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadlines()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:  # also after empty lines between two requests
            self._expect_head()
        super().data_received(data)
        if self._head_deadline:  # the head is not complete, so this was no part of a body
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.abort()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        self._cancel_deadlines()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_deadline = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_deadline:
            self._read_deadline.cancel()

    def _expect_head(self) -> None:
        if not self._head_deadline:
            self._head_deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _end_head(self) -> None:
        if self._head_deadline:
            self._head_deadline.cancel()
        self._head_deadline, self._head_bytes = None, 0

    def _cancel_deadlines(self) -> None:
        self._end_head()
        if self._read_deadline:
            self._read_deadline.cancel()
