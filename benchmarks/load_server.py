"""Load server: OpenAI's chat completions as streams at a requested speed, for thousands of clients.

    python -m benchmarks.load_server --port 9100

The last word of the question is the request: "s17?tokens=200&first_ms=100&gap_ms=20". Every token contains
its stream, its position and its age, "s17.4.180021 ". So the client can detect lost, duplicated, reordered
and leaked tokens, and how long a token took beyond the model's own time. `GET /sent` returns the number of
tokens sent per stream. Faults: `fault=drop`, `fault=stall` or `fault=500`, after some tokens (`after=5`).

It uses raw asyncio without a framework, so that the server is not the bottleneck: 10 us per token.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ROLE = '{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}'
_STOP = '{"index": 0, "delta": {}, "finish_reason": "stop"}'


@dataclass(frozen=True)
class Wanted:
    """How one stream should behave, as its question requests."""

    tag: str
    tokens: int = 200
    first_ms: float = 100
    gap_ms: float = 20
    fault: Literal["", "drop", "stall", "500"] = ""
    after: int = 0  # tokens before the fault

    def __str__(self) -> str:
        knobs = f"tokens={self.tokens}&first_ms={self.first_ms:g}&gap_ms={self.gap_ms:g}"
        return f"{self.tag}?{knobs}" + (f"&fault={self.fault}&after={self.after}" if self.fault else "")

    @classmethod
    def read(cls, question: str) -> "Wanted":
        tag, _, query = question.split()[-1].partition("?")
        knobs = dict(parse_qsl(query))
        return cls(
            tag=tag,
            tokens=int(knobs.get("tokens", cls.tokens)),
            first_ms=float(knobs.get("first_ms", cls.first_ms)),
            gap_ms=float(knobs.get("gap_ms", cls.gap_ms)),
            fault=knobs.get("fault", ""),  # type: ignore[arg-type]
            after=int(knobs.get("after", cls.after)),
        )


sent: dict[str, int] = {}  # tokens per stream


class _Connection(asyncio.Protocol):
    """One client, with one request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        length = _content_length(head)
        if not end or len(rest) < length:
            return
        self._received = rest[length:]
        if head.startswith(b"GET /sent"):
            self._reply(200, json.dumps(sent))
        elif head.startswith(b"GET"):
            self._reply(200, "{}")
        else:
            self._begin(json.loads(rest[:length]))

    def _reply(self, status: int, body: str) -> None:
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write((head + body).encode())

    def _begin(self, request: dict[str, list[dict[str, str]]]) -> None:
        self._wanted = wanted = Wanted.read(request["messages"][-1]["content"])
        sent.setdefault(wanted.tag, 0)
        if wanted.fault == "500":
            self._reply(500, '{"error": {"message": "The load server was told to fail."}}')
            return
        self._place = 0
        self._began = time.monotonic()
        self._transport.write(_HEAD + _chunk(_ROLE))
        self._sleep_until(wanted.first_ms)

    def _sleep_until(self, ms: float) -> None:
        """Schedule by the stream's own clock, so that a late token does not delay later ones."""
        delay_s = self._began + ms / 1000 - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, delay_s), self._go_on)

    def _go_on(self) -> None:
        wanted, place = self._wanted, self._place
        if wanted.fault and place == wanted.after:
            if wanted.fault == "drop":
                self._transport.close()
            return
        if place == wanted.tokens:
            self._transport.write(_chunk(_STOP) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            return
        age_us = (time.monotonic() - self._began) * 1e6
        delta = f'{{"content": "{wanted.tag}.{place}.{age_us:.0f} "}}'
        self._transport.write(_chunk(f'{{"index": 0, "delta": {delta}, "finish_reason": null}}'))
        self._place = sent[wanted.tag] = place + 1
        self._sleep_until(wanted.first_ms + self._place * wanted.gap_ms)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _chunk(choice: str) -> bytes:
    head = '{"id": "load", "object": "chat.completion.chunk", "created": 0, "model": "load", "choices": '
    event = f"data: {head}[{choice}]}}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A fake model that streams at a requested speed.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
