"""What it costs to store every word before it is shown, against a relay that stores nothing.

    python -m benchmarks.spine [--streams 100] [--tokens 200] [--gap-ms 20]

Starts PostgreSQL, Valkey, a fake model, the relay and the web process, all on this machine; N sockets ask at
once. Costs are CPU time of the web process (and of PostgreSQL), so that they hold on a busy machine too;
latencies do not. Writes benchmarks/results/spine.md.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import django
import websockets

_scratch = tempfile.TemporaryDirectory(prefix="ragsite-bench-")
DATA = Path(_scratch.name)
os.environ |= {"RAGSITE_DATA_DIR": str(DATA), "DJANGO_SETTINGS_MODULE": "ragsite.settings"}
django.setup()

# What follows needs the settings, and they the directory.
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.models import User  # noqa: E402
from models_registry.models import Endpoint  # noqa: E402
from ragsite.embedded import postgres, valkey  # noqa: E402
from ragsite.embedded.processes import WEB_SOCKETS  # noqa: E402
from ragsite.embedded.service import running  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "spine.md"
FIRST_TOKEN_MS = 100
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    streams: int
    tokens: int
    gap_ms: float

    @property
    def model(self) -> str:
        """A model id that tells the fake how to answer."""
        return (
            f"fake?tokens={self.tokens}&first_token_s={FIRST_TOKEN_MS / 1000}"
            f"&between_tokens_s={self.gap_ms / 1000}&text=token%20"
        )


@dataclass(frozen=True)
class Stream:
    first_word_ms: float  # beyond the model's own
    words: int
    frames: int
    is_whole: bool  # nothing lost, doubled or out of order


@dataclass(frozen=True)
class Row:
    name: str
    load: Load
    streams: list[Stream]
    web_cpu_s: float
    postgres_cpu_s: float

    def as_markdown(self) -> str:
        words = sum(stream.words for stream in self.streams)
        firsts = [stream.first_word_ms for stream in self.streams]
        cells = [
            self.name,
            self.load.streams,
            self.load.tokens,
            f"{self.web_cpu_s / words * 1e6:.0f}",
            f"{self.postgres_cpu_s / words * 1e6:.0f}",
            f"{self.web_cpu_s / self.load.streams * 1e3:.1f}",
            f"{median(firsts):.0f} / {quantiles(firsts, n=20)[-1]:.0f}",
            f"{sum(stream.frames for stream in self.streams) / words:.2f}",
            sum(not stream.is_whole for stream in self.streams),
        ]
        return f"| {' | '.join(map(str, cells))} |"


# --- the load ------------------------------------------------------------------------------------


async def ask_relay(address: str, cookie: str, load: Load) -> Stream:
    async with websockets.connect(address) as connection:
        started, first, texts = time.perf_counter(), 0.0, []
        await connection.send(json.dumps({"text": "What is a pump?", "model": load.model}))
        while "done" not in (said := json.loads(await connection.recv())):
            first = first or time.perf_counter()
            texts.append(said["text"])
        return _measured(load, started, first, texts, is_ordered=True)


async def ask_spine(address: str, cookie: str, load: Load) -> Stream:
    headers = {"Cookie": cookie, "Origin": "http://localhost"}
    async with websockets.connect(address, additional_headers=headers) as connection:
        started, first, texts, seqs = time.perf_counter(), 0.0, [], [0]
        data = {"messageId": uuid4().hex, "text": "What is a pump?", "modelName": load.model}
        await connection.send(json.dumps({"action": "run", "data": data}))
        is_over = False
        while not is_over:
            for event in json.loads(await connection.recv())["data"].get("events", ()):
                seqs.append(event["seq"])
                if event["kind"] == "delta":
                    first = first or time.perf_counter()
                    texts.append(event["data"]["text"])
                is_over = event["kind"] in ("finished", "failed", "stopped")
        return _measured(load, started, first, texts, is_ordered=seqs == list(range(len(seqs))))


def _measured(load: Load, started: float, first: float, texts: list[str], *, is_ordered: bool) -> Stream:
    words = "".join(texts).split()
    first_word_ms = (first - started) * 1000 - FIRST_TOKEN_MS
    return Stream(first_word_ms, len(words), len(texts), is_ordered and len(words) == load.tokens)


async def measure(name: str, ask: Any, address: str, cookie: str, load: Load, pids: tuple[int, int]) -> Row:
    await asyncio.gather(*[ask(address, cookie, load) for _ in range(2)])  # warm
    web, postgres = (cpu_s(pid) for pid in pids)

    async def later(delay_s: float) -> Stream:
        await asyncio.sleep(delay_s)
        result: Stream = await ask(address, cookie, load)
        return result

    streams = await asyncio.gather(*[later(0.5 * n / load.streams) for n in range(load.streams)])
    return Row(name, load, streams, cpu_s(pids[0]) - web, cpu_s(pids[1]) - postgres)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, with those of its children, living and dead."""
    own = _stat(pid)
    children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task)]
    return sum(map(float, own[13:17])) / TICKS + sum(map(cpu_s, children))


def _stat(pid: int) -> list[str]:
    return ["", "", *Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()]


def _children(task: Path) -> list[int]:
    return [int(pid) for pid in (task / "children").read_text().split()]


# --- what is measured ----------------------------------------------------------------------------


@contextmanager
def started(*argv: str, port: int, **environment: str) -> Iterator[int]:
    """Keep a Python process that listens on a port; yields its pid."""
    process = subprocess.Popen([sys.executable, *argv], env=os.environ | environment, cwd=ROOT)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.05)
    raise SystemExit(f"Nothing listens on {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare(fake: int, loads: list[Load]) -> str:
    """Make the tables, a model for each load, and a user who is logged in. Returns the cookie."""
    call_command("migrate", verbosity=0)
    for load in loads:
        Endpoint.objects.create(
            name=load.model[:80],
            kind="chat",
            provider="openai_compat",
            model=load.model,
            options={"base_url": f"http://127.0.0.1:{fake}/v1"},
        )
    client = Client()
    client.force_login(User.objects.create(username="load"))
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def run(load: Load) -> list[Row]:
    short = Load(load.streams, 1, load.gap_ms)
    fake, relay, web = free_port(), free_port(), free_port()
    server = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning", *WEB_SOCKETS, "--port")
    with ExitStack() as stack:
        postgres_process = stack.enter_context(running(postgres.service(DATA), DATA / "postgres.log"))
        stack.enter_context(running(valkey.service(DATA), DATA / "valkey.log"))
        cookie = prepare(fake, [load, short])
        stack.enter_context(started("-m", "tests.fakes.openai_server", "--port", str(fake), port=fake))
        upstream = f"http://127.0.0.1:{fake}/v1"
        relay_argv = (*server, str(relay), "benchmarks.relay:application")
        relay_pid = stack.enter_context(started(*relay_argv, port=relay, RELAY_FROM=upstream))
        web_argv = (*server, str(web), "ragsite.asgi:application")
        at_once = str(load.streams + 2)
        limits = {"RAGSITE_ANSWERS_AT_ONCE": at_once, "RAGSITE_ANSWERS_PER_USER": at_once}
        web_pid = stack.enter_context(started(*web_argv, port=web, **limits))
        return [
            asyncio.run(measure(name, ask, f"ws://127.0.0.1:{port}/socket", cookie, each, pids))
            for each in (load, short)
            for name, ask, port, pids in (
                ("bare relay", ask_relay, relay, (relay_pid, postgres_process.pid)),
                ("through the log", ask_spine, web, (web_pid, postgres_process.pid)),
            )
        ]


def us_per_further_token(long: Row, short: Row) -> float:
    """Return what one more token costs the web process, without what a turn costs anyway."""
    tokens = (long.load.tokens - short.load.tokens) * long.load.streams
    return (long.web_cpu_s - short.web_cpu_s) / tokens * 1e6


def report(rows: list[Row]) -> str:
    long, short = rows[:2], rows[2:]
    relay_us, log_us = (us_per_further_token(*pair) for pair in zip(long, short, strict=True))
    return "\n".join(
        [
            "# The chat spine: what it costs to store every word before it is shown",
            "",
            f"Made by `python -m benchmarks.spine` on {date.today()}; {os.cpu_count()} cores, "
            f"one token each {long[0].load.gap_ms:.0f} ms, load average {os.getloadavg()[0]:.1f}.",
            "",
            "CPU is that of the web process, and of PostgreSQL beside it. The first word is measured beyond the "
            "model's own time. Broken: streams with a word lost, doubled or out of order.",
            "",
            "| | streams | tokens | web us/token | postgres us/token | web ms/turn | first word p50 / p95 ms"
            " | frames/token | broken |",
            "|---|---|---|---|---|---|---|---|---|",
            *[row.as_markdown() for row in rows],
            "",
            f"Each further token: {relay_us:.0f} us through the relay, {log_us:.0f} us through the log, "
            f"{log_us / relay_us:.2f} times as much.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the chat spine against a bare relay.")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--gap-ms", type=float, default=20)
    chosen = parser.parse_args()
    text = report(run(Load(chosen.streams, chosen.tokens, chosen.gap_ms)))
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)


if __name__ == "__main__":
    main()
