"""Runs the chat spine and the relay that it is compared with, and measures their CPU and memory.

The relay and the web process share one core, which nothing else here may use; PostgreSQL, Valkey, the load
server and the load clients use the others.
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.installation import ROOT, Installation, Process, free_port, installed
from benchmarks.load_client import Reader, RelayReader, SpineReader
from ragsite.embedded.service import Service
from ragsite.processes import WEB_SOCKETS

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Side:
    name: str
    address: str
    pid: int
    reader: Callable[[str, str], Reader]


@dataclass(frozen=True)
class Stage:
    """All running processes of the comparison."""

    place: Installation
    relay: Side
    spine: Side
    load: str  # the load server's address

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.relay, self.spine

    def reader(self, side: Side) -> Reader:
        return side.reader(side.address, self.place.cookie)

    def sent(self) -> dict[str, int]:
        """Return how many tokens the model has sent per stream."""
        connection = HTTPConnection(self.load, timeout=10)
        connection.request("GET", "/sent")
        found: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return found


@contextmanager
def staged() -> Iterator[Stage]:
    cores = sorted(os.sched_getaffinity(0))
    pin(os.getpid(), cores[1:] or cores)
    load, relay = free_port(), free_port()
    upstream = f"http://127.0.0.1:{load}/v1"
    with ExitStack() as stack:
        place = stack.enter_context(installed(web_processes=1))
        deadlines = {"first_token_timeout_s": 10.0, "between_tokens_timeout_s": 3.0}
        place.offer("load", options={"base_url": upstream}, **deadlines)
        server = ("-m", "uvicorn", "benchmarks.relay:application", "--port", str(relay), *WEB_SOCKETS)
        for process in (
            Process(lambda: service("load", load, ("-m", "benchmarks.load_server", "--port", str(load)))),
            relay_process := Process(
                lambda: service("relay", relay, (*server, "--no-access-log"), RELAY_FROM=upstream)
            ),
        ):
            process.start()
            stack.callback(process.stop)
        [(address, web)] = place.webs.items()
        for each in (relay_process, web):
            pin(each.pid, cores[:1])
        yield Stage(
            place,
            Side("bare relay", f"ws://127.0.0.1:{relay}/socket", relay_process.pid, RelayReader),
            Side("chat spine", address, web.pid, SpineReader),
            f"127.0.0.1:{load}",
        )


def service(name: str, port: int, argv: tuple[str, ...], **environment: str) -> Service:
    """Return a Python process that is ready once it listens on the port."""
    return Service(
        name=name,
        argv=(sys.executable, *argv),
        env=os.environ | environment,
        cwd=ROOT,
        is_ready=lambda: _listens(port),
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- resources of a process ----------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, including those that have ended."""
    try:
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended; its parent counts it
        return 0.0
    return sum(map(float, own[11:15])) / TICKS + sum(map(cpu_s, children))


def cpu_ticks() -> tuple[int, int]:
    """Return the CPU ticks of all cores so far, and those that the host stole (proc(5), "steal")."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return user + nice + system + irq + softirq, steal


class Host:
    """The virtualization host, which sometimes gives this machine less than whole cores (CPU steal)."""

    POLL_INTERVAL_S = 0.05

    def __init__(self) -> None:
        # Moment on the monotonic clock, and the ticks stolen until then.
        self._stolen: list[tuple[float, int]] = []

    async def watch(self) -> None:
        while True:
            self._stolen.append((time.monotonic(), cpu_ticks()[1]))
            await asyncio.sleep(self.POLL_INTERVAL_S)

    def left_us_alone(self, began: float, ended: float) -> bool:
        """Tell whether no hundredth of a second was stolen between these moments, with some margin."""
        about = 2 * self.POLL_INTERVAL_S
        stolen = [ticks for at, ticks in self._stolen if began - about <= at <= ended + about]
        return len(stolen) > 1 and stolen[0] == stolen[-1]


@asynccontextmanager
async def watched() -> AsyncIterator[Host]:
    host = Host()
    watching = asyncio.create_task(host.watch())
    yield host
    watching.cancel()


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def pin(pid: int, cores: Iterable[int]) -> None:
    """Pin a process, and those that it starts, to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), set(cores))


@dataclass
class Took:
    """CPU time between two moments."""

    side_s: float = 0.0
    postgres_s: float = 0.0


@contextmanager
def taken(stage: Stage, side: Side) -> Iterator[Took]:
    took = Took()
    before = cpu_s(side.pid), cpu_s(stage.place.postgres.pid)
    yield took
    took.side_s, took.postgres_s = cpu_s(side.pid) - before[0], cpu_s(stage.place.postgres.pid) - before[1]
