"""Incremental parser for server-sent events, as the WHATWG's "EventSource" standard defines them.

Bytes are split into lines before they are decoded, so a piece may end anywhere: inside a character, a line
ending or a field. Ids and retry times are only for reconnecting. We never reconnect, so they are ignored.

Bytes that are not UTF-8 are decoded with "surrogateescape": a server may have cut a character in two.
"""

import re
from typing import NamedTuple

from inference.errors import BadReply

_LINE_END = re.compile(rb"\r\n|\r|\n")
_IGNORED = frozenset([b"", b"id", b"retry"])
_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 2**20


class ServerSentEvent(NamedTuple):
    data: str
    event: str = "message"


class SseReader:
    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._most = max_event_bytes
        self._rest = bytearray()  # the unfinished line
        self._was_cr = False  # the last piece ended with CR, so a leading LF belongs to it
        self._is_start = True  # no more than a part of a byte order mark was read
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._other = bytearray()

    @property
    def other_text(self) -> bytes:
        """The lines that are no fields of events, such as a JSON document in place of a stream."""
        return bytes(self._other)

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Return the events that end in this piece. Raises BadReply when an event exceeds max_event_bytes."""
        if self._was_cr and piece:
            piece = piece.removeprefix(b"\n")
        self._was_cr = piece.endswith(b"\r") or (self._was_cr and not piece)
        first, *others = _LINE_END.split(piece) if b"\r" in piece else piece.split(b"\n")
        self._rest += first
        self._check_size()
        if not others:
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        return [event for line in lines if (event := self._take(line))]

    def close(self) -> list[ServerSentEvent]:
        """Return the last event if the stream ended without the blank line after it, which some servers omit."""
        line, self._rest = bytes(self._rest), bytearray()
        return [event for line in (line, b"") if (event := self._take(line))]

    def _check_size(self) -> None:
        if self._size + len(self._rest) + len(self._other) > self._most:
            raise BadReply(f"The model's server sent a single event of more than {self._most:,} bytes.")

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._is_start:
            line, self._is_start = line.removeprefix(_BOM), False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._size += len(value)
            self._check_size()
            self._data.append(value.removeprefix(b" ").decode(errors="surrogateescape"))
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode(errors="replace")
        elif name not in _IGNORED:
            self._other += line + b"\n"
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data, event = self._data, self._event or "message"
        self._data, self._size, self._event = [], 0, ""
        return ServerSentEvent("\n".join(data), event) if data else None
