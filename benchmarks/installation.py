"""A complete installation in a temporary directory, with services to kill, and simulated users.

Importing this module sets Django up in that directory, for this process and its children.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import django
import websockets
from websockets.asyncio.client import ClientConnection

_scratch = tempfile.TemporaryDirectory(prefix="ragsite-benchmark-")
DATA = Path(_scratch.name)
os.environ |= {"RAGSITE_DATA_DIR": str(DATA), "DJANGO_SETTINGS_MODULE": "ragsite.settings"}
os.environ.setdefault("RAGSITE_LOG_LEVEL", "WARNING")
# One user sends everything here, which the limits for a person would slow down.
os.environ |= {
    "RAGSITE_FRAMES_PER_SECOND": "100000",
    "RAGSITE_CALLS_PER_SECOND": "10000",
    "RAGSITE_REQUESTS_AT_ONCE": "10000",
}
django.setup()

# The imports below need the settings, and the settings need the directory.
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.identity.api_key import issue  # noqa: E402
from accounts.models import User  # noqa: E402
from chat.log.events import TERMINAL  # noqa: E402
from models_registry.models import Endpoint  # noqa: E402
from ragsite.embedded import postgres, valkey  # noqa: E402
from ragsite.embedded.processes import answers  # noqa: E402
from ragsite.embedded.service import Service, running  # noqa: E402
from ragsite.processes import WEB_SOCKETS  # noqa: E402
from tests.fakes.openai_server import OpenAIServer, running_in_thread  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
AGAIN_S = 0.3  # a client's pause before it reconnects or resends
GRACE_S = 5  # uvicorn's, for open connections


class Process:
    """A service that can be stopped, killed and restarted."""

    def __init__(self, make: Callable[[], Service]) -> None:
        self._make = make

    def start(self) -> None:
        service = self._make()
        self._stack = ExitStack()
        self._popen = self._stack.enter_context(running(service, DATA / "logs" / f"{service.name}.log"))

    def stop(self) -> None:
        self._stack.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill it and its children, as the kernel does when memory runs out."""
        os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def terminate(self) -> float:
        """Send SIGTERM, as a deployment does, and return how many seconds the shutdown took, at most 60."""
        asked = time.monotonic()
        self._popen.send_signal(signal.SIGTERM)
        self._popen.wait(60)
        return time.monotonic() - asked


@dataclass
class Installation:
    model: OpenAIServer
    postgres: Process
    valkey: Process
    webs: dict[str, Process]  # by socket address
    user: User
    cookie: str  # of that user's login session
    key: str  # API key of the same user

    @property
    def addresses(self) -> list[str]:
        return list(self.webs)

    def offer(self, model: str, **fields: Any) -> str:
        """Create a chat model whose id tells the fake how to behave. Return its name."""
        name = model[:80]
        Endpoint.objects.get_or_create(
            name=name,
            defaults={
                "kind": "chat",
                "provider": "openai_compat",
                "model": model,
                "options": {"base_url": self.model.base_url},
                **fields,
            },
        )
        return name

    def begin_session(self) -> str:
        return str(self.user.sessions.create().pk)


@contextmanager
def installed(web_processes: int = 2) -> Iterator[Installation]:
    """Run an installation, with a fake model on the loopback interface."""
    ports = [free_port() for _ in range(web_processes)]
    webs = {f"ws://127.0.0.1:{port}/socket": Process(partial(_web, port)) for port in ports}
    with ExitStack() as stack:
        data = stack.enter_context(stored())
        model = stack.enter_context(running_in_thread())
        with ThreadPoolExecutor() as pool:
            list(pool.map(Process.start, webs.values()))
        for process in webs.values():
            stack.callback(process.stop)
        user = User.objects.create(username="benchmark")
        _, key = issue(user, "benchmark")
        yield Installation(model, *data, webs, user, _cookie(user), key)


@contextmanager
def stored() -> Iterator[tuple[Process, Process]]:
    """Run PostgreSQL with our tables, and Valkey."""
    data = Process(lambda: postgres.service(DATA)), Process(lambda: valkey.service(DATA))
    with ExitStack() as stack:
        for process in data:
            process.start()
            stack.callback(process.stop)
        call_command("migrate", verbosity=0)
        yield data


def _web(port: int) -> Service:
    address = ("--host", "127.0.0.1", "--port", str(port))
    server = ("-m", "uvicorn", "ragsite.asgi:application", *address, *WEB_SOCKETS)
    return Service(
        name=f"web-{port}",
        argv=(sys.executable, *server, "--no-access-log", "--timeout-graceful-shutdown", str(GRACE_S)),
        env=os.environ | {"RAGSITE_ANSWERS_AT_ONCE": "1000", "RAGSITE_ANSWERS_PER_USER": "1000"},
        cwd=ROOT,
        is_ready=lambda: answers(f"http://127.0.0.1:{port}/health/"),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def forget_connections() -> None:
    """Drop this process's database connections, which a restart has cut."""
    connection.close()
    connection.close_pool()  # provided by Django's PostgreSQL backend


# --- users ---------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What one client received of one turn, over all its sockets."""

    message_id: str = field(default_factory=lambda: uuid4().hex)
    session_id: str = ""
    answer_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    disorder: int = 0  # events that arrived twice, or after a gap
    complaints: list[str] = field(default_factory=list)

    @property
    def last_seq(self) -> int:
        return self.events[-1]["seq"] if self.events else 0

    @property
    def is_over(self) -> bool:
        return bool(self.events) and self.events[-1]["kind"] in TERMINAL

    @property
    def has_words(self) -> bool:
        return any(event["kind"] == "delta" for event in self.events)

    @property
    def text(self) -> str:
        begun = max((n for n, event in enumerate(self.events) if event["kind"] == "restarted"), default=0)
        return "".join(each["data"]["text"] for each in self.events[begun:] if each["kind"] == "delta")

    def take(self, said: dict[str, Any]) -> None:
        match said["action"]:
            case "accepted":
                self.answer_id = said["data"]["answers"][0]["answerId"]
            case "error":
                self.complaints.append(said["data"]["message"])
            case "event":
                for event in said["data"]["events"]:
                    self.disorder += event["seq"] != self.last_seq + 1
                    self.events.append(event)


@dataclass
class Person:
    """A user with a browser, who sends until the turn is accepted, and reconnects until the answer ends."""

    installation: Installation
    limit_s: float = 60.0

    async def ask(
        self, model: str, *, seen: Seen | None = None, cut_every_s: float = 0, times: int = 1
    ) -> Seen:
        """Send the question `times` times, and follow the answer. cut_every_s: mean time between cuts."""
        seen = seen or Seen()
        run = {"action": "run", "data": _message(seen, model) | {"sessionId": seen.session_id}}
        return await self._see(seen, [run] * times, cut_every_s)

    async def ask_over_rest(self, model: str, seen: Seen) -> Seen:
        """Ask with an API key, and follow the answer on a socket to the end."""
        address = (
            random.choice(self.installation.addresses).replace("ws://", "http://").removesuffix("/socket")
        )
        url = f"{address}/api/v1/sessions/{seen.session_id}/turns"
        headers = {"Authorization": f"Bearer {self.installation.key}", "Host": "localhost"}
        async with (
            aiohttp.ClientSession() as client,
            client.post(url, json=_message(seen, model), headers=headers) as reply,
        ):
            turn = await reply.json()
        seen.answer_id = turn["answers"][0]["id"]
        return await self._see(seen, [], 0)

    async def watch(self, answer_id: str) -> Seen:
        """Follow another user's answer from its beginning."""
        return await self._see(Seen(answer_id=answer_id), [], 0)

    async def _see(self, seen: Seen, runs: Sequence[dict[str, Any]], cut_every_s: float) -> Seen:
        addresses = random.sample(self.installation.addresses, len(self.installation.addresses))
        try:
            async with asyncio.timeout(self.limit_s):
                while not seen.is_over:
                    addresses.append(addresses.pop(0))  # after losing one process, try the next
                    try:
                        await self._sit(addresses[-1], seen, runs, cut_every_s)
                    except (OSError, websockets.WebSocketException):
                        await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            seen.complaints.append(f"No end within {self.limit_s:g} s")
        return seen

    async def _sit(
        self, address: str, seen: Seen, runs: Sequence[dict[str, Any]], cut_every_s: float
    ) -> None:
        """Stay on one socket until it breaks, or until the answer has ended."""
        async with self._connected(address) as connection:
            follow = {"action": "follow", "data": {"answerId": seen.answer_id, "afterSeq": seen.last_seq}}
            for frame in [follow] if seen.answer_id else runs:
                await connection.send(json.dumps(frame))
            leaving = time.monotonic() + random.uniform(0, 2 * cut_every_s) if cut_every_s else None
            while not seen.is_over:
                limit_s = max(0, leaving - time.monotonic()) if leaving else None
                try:
                    said = json.loads(await asyncio.wait_for(connection.recv(), limit_s))
                except TimeoutError:
                    connection.transport.abort()
                    return
                seen.take(said)
                if said["action"] == "error":
                    await asyncio.sleep(AGAIN_S)
                    return

    @asynccontextmanager
    async def _connected(self, address: str) -> AsyncIterator[ClientConnection]:
        headers = {"Cookie": self.installation.cookie, "Origin": f"http://{urlsplit(address).netloc}"}
        async with websockets.connect(address, additional_headers=headers, close_timeout=1) as connection:
            yield connection


def _message(seen: Seen, model: str) -> dict[str, Any]:
    return {
        "messageId": seen.message_id,
        "text": f"What is a pump? {seen.message_id}",
        "modelName": model,
    }
