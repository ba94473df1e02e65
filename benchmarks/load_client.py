"""Load client: thousands of readers that check every token, through the chat spine or through the relay.

It uses raw asyncio without a WebSocket library, so that the client is not the bottleneck.
"""

import asyncio
import base64
import json
import os
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

from .load_server import Wanted

_OVER = frozenset({"finished", "failed", "stopped"})


class Socket(asyncio.Protocol):
    """A WebSocket client for text frames."""

    def __init__(self, address: str, cookie: str, hear: Callable[[Any], None]) -> None:
        self._address = urlsplit(address)
        self._cookie = cookie
        self._hear = hear
        self._received = b""
        self._is_open = False
        self.opened = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, address: str, cookie: str, hear: Callable[[Any], None]) -> "Socket":
        host, _, port = urlsplit(address).netloc.partition(":")
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(address, cookie, hear), host, int(port))
        await self.opened
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        lines = (
            f"GET {self._address.path} HTTP/1.1",
            f"Host: {self._address.netloc}",
            f"Origin: http://{self._address.netloc}",
            f"Cookie: {self._cookie}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        )
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.opened, self.lost):
            if not future.done():
                future.set_result(None) if future is self.lost else future.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_open:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(head.decode(errors="replace"))
            self._is_open, self._received = True, rest
            self.opened.set_result(None)
        self._read_frames()

    def _read_frames(self) -> None:
        received, place = self._received, 0
        while len(received) >= place + 2:
            length, start = received[place + 1], place + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                if len(received) < start + size:
                    break
                length, start = int.from_bytes(received[start : start + size]), start + size
            if len(received) < start + length:
                break
            self._take(received[place] & 0x0F, received[start : start + length])
            place = start + length
        self._received = received[place:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            self._hear(json.loads(payload))
        elif opcode == 9:
            self._write(0x8A, payload)  # pong

    def say(self, frame: Any) -> None:
        self._write(0x81, json.dumps(frame).encode())

    def _write(self, head: int, payload: bytes) -> None:
        """Write a frame. Clients must mask their frames; a mask of zeros leaves the payload unchanged."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else struct.pack("!BH", 0xFE, length)
        self._transport.write(bytes([head]) + size + b"\0\0\0\0" + payload)

    def cut(self) -> None:
        self._transport.abort()


@dataclass
class Stream:
    """One answer as its reader receives it; every token is checked on arrival."""

    wanted: Wanted
    began: float = 0.0  # when the question was sent, on the monotonic clock
    first_added_ms: float = 0.0  # from the question to the first token, beyond the model's own time
    first_came: float = 0.0
    # Arrival of a frame, and the time since the previous one.
    gaps_ms: list[tuple[float, float]] = field(default_factory=list)
    tokens: int = 0
    frames: int = 0
    doubled: int = 0
    reordered: int = 0
    why: str = ""  # error message, if it failed
    leaked: int = 0  # tokens of other streams
    last_came: float = 0.0
    over: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _seen: set[int] = field(default_factory=set)
    _next: int = 0

    def ask(self) -> str:
        self.began = time.monotonic()
        return f"What is a pump? {self.wanted}"

    def read(self, text: str) -> None:
        now = time.monotonic()
        self.frames += 1
        if self.last_came:
            self.gaps_ms.append((now, (now - self.last_came) * 1000))
        self.last_came = now
        for token in text.split():
            self._check(token, now)

    def _check(self, token: str, now: float) -> None:
        tag, place, age_us = token.split(".")
        if tag != self.wanted.tag:
            self.leaked += 1
            return
        number = int(place)
        if number in self._seen:
            self.doubled += 1
        elif number < self._next:
            self.reordered += 1
        if not self.tokens:
            self.first_came = now
            self.first_added_ms = (now - self.began) * 1000 - int(age_us) / 1000
        self._seen.add(number)
        self._next = max(self._next, number + 1)
        self.tokens = len(self._seen)

    def begin_anew(self) -> None:
        """Reset the stream: another process writes the answer again, so what was shown is void."""
        self._seen, self._next, self.tokens = set(), 0, 0

    def end(self, how: str, why: str = "") -> None:
        self.why = why
        if not self.over.done():
            self.over.set_result(how)


class Reader(ABC):
    """A client with a socket that reads one stream after the other."""

    def __init__(self, address: str, cookie: str) -> None:
        self._address, self._cookie = address, cookie
        self._stream: Stream | None = None

    async def open(self) -> None:
        self._socket = await Socket.connect(self._address, self._cookie, self._hear)

    def close(self) -> None:
        self._socket.cut()

    @abstractmethod
    def ask(self, stream: Stream, **fields: str) -> None: ...

    @abstractmethod
    def _hear(self, said: Any) -> None: ...


class RelayReader(Reader):
    def ask(self, stream: Stream, **fields: str) -> None:
        self._stream = stream
        self._socket.say({"text": stream.ask()})

    def _hear(self, said: Any) -> None:
        assert self._stream
        if "text" in said:
            self._stream.read(said["text"])
        else:
            self._stream.end("finished")


class SpineReader(Reader):
    """A client on the chat socket, which may lose it and reconnect."""

    def ask(self, stream: Stream, **fields: str) -> None:
        self._stream, self._seq, self._answer_id = stream, 0, ""
        data = {"messageId": uuid4().hex, "modelName": "load", "text": stream.ask(), **fields}
        self._socket.say({"action": "run", "data": data})

    async def cut_and_return(self, away_s: float) -> float:
        """Return how many milliseconds after the reconnect the first missed event arrived."""
        self._socket.cut()
        await asyncio.sleep(away_s)
        await self.open()
        opened = time.monotonic()
        self._back = asyncio.get_running_loop().create_future()
        self._socket.say({"action": "follow", "data": {"answerId": self._answer_id, "afterSeq": self._seq}})
        return (await self._back - opened) * 1000

    _back: asyncio.Future[float] | None = None

    def _hear(self, said: Any) -> None:
        assert self._stream
        match said["action"]:
            case "event" if said["data"]["answerId"] == self._answer_id:
                self._read(said["data"]["events"])
            case "accepted":
                self._answer_id = said["data"]["answers"][0]["answerId"]
            case "error":
                self._stream.end(said["data"]["message"])

    def _read(self, events: Iterable[Any]) -> None:
        assert self._stream
        if self._back and not self._back.done():
            self._back.set_result(time.monotonic())
        for event in events:
            self._stream.reordered += event["seq"] != self._seq + 1
            self._seq = event["seq"]
            if event["kind"] == "delta":
                self._stream.read(event["data"]["text"])
            elif event["kind"] == "restarted":
                self._stream.begin_anew()
            elif event["kind"] in _OVER:
                self._stream.end(event["kind"], event["data"].get("error", ""))
