"""The measurements: load clients query the relay or the chat spine, and every token is counted."""

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

from benchmarks.load_client import Reader, SpineReader, Stream
from benchmarks.load_server import Wanted
from benchmarks.stage import Side, Stage, memory_bytes, taken, watched

# isort: split
# The imports below need the settings, which the installation creates.
from accounts.models import User
from chat.models import Answer, Session, Turn

STREAMS = 100
GAP_MS = 20  # between tokens: 50 per second
PAGES = 200  # open pages, which ask one after the other
IDLE_SOCKETS = 1000
LADDER = (200, 300, 400, 500)  # concurrent streams
MAX_GAP_MS = 100  # p95 between two frames of a stream
FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "drop", "after": 40},
    {"fault": "stall", "after": 20},
    {"fault": "500"},
)


def wanted(**how: Any) -> Wanted:
    return Wanted(uuid4().hex[:8], **{"gap_ms": GAP_MS, **how})


async def asked(stage: Stage, side: Side, stream: Stream) -> Stream:
    """Ask over a new socket, and read to the end."""
    reader = stage.reader(side)
    await reader.open()
    reader.ask(stream)
    await stream.over
    reader.close()
    return stream


async def arriving(count: int, every_s: float, begin: Callable[[int], Awaitable[Stream]]) -> list[Stream]:
    """Start `count` streams, one after the other at this pace. Return them when all have ended."""

    async def later(place: int) -> Stream:
        await asyncio.sleep(place * every_s)
        return await begin(place)

    return await asyncio.gather(*map(later, range(count)))


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


@dataclass
class Counted:
    """Counts of tokens and their faults. All except the first two must be 0."""

    streams: int = 0
    tokens: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    leaked: int = 0
    wrong_ends: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # reasons of wrong ends, without their numbers

    def add(self, streams: Iterable[Stream], sent: dict[str, int]) -> None:
        for each in streams:
            self.streams += 1
            self.tokens += each.tokens
            self.lost += sent.get(each.wanted.tag, 0) - each.tokens
            self.doubled += each.doubled
            self.reordered += each.reordered
            self.leaked += each.leaked
            if each.over.result() != ("failed" if each.wanted.fault else "finished"):
                self.wrong_ends += 1
                self.reasons[re.sub(r"\d+", "N", each.why) or each.over.result()] += 1

    @property
    def broken(self) -> int:
        return self.lost + self.doubled + self.reordered + self.leaked + self.wrong_ends


# --- measurements --------------------------------------------------------------------------------


@dataclass
class Steady:
    """Measurements while streams are running."""

    streams: int = STREAMS
    us_per_token: list[float] = field(default_factory=list)
    postgres_us: list[float] = field(default_factory=list)
    frames_per_token: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)  # of users who arrive meanwhile
    alone_ms: list[float] = field(default_factory=list)  # those without CPU steal
    gaps_ms: list[float] = field(default_factory=list)


async def steady(stage: Stage, side: Side, into: Steady, count: int = STREAMS) -> list[Stream]:
    """Start `count` streams, then measure the CPU per token, then add short streams of other users."""
    ramp_s, look_s, probes, every_s = 5.0, 8.0, 50, 0.2
    tokens = int((ramp_s + look_s + probes * every_s + 3) * 1000 / GAP_MS)
    streams = [Stream(wanted(tokens=tokens)) for _ in range(count)]
    running = asyncio.create_task(
        arriving(count, ramp_s / count, lambda place: asked(stage, side, streams[place]))
    )
    await asyncio.sleep(ramp_s + 1)
    before, began = [(each.tokens, each.frames) for each in streams], time.monotonic()
    with taken(stage, side) as took:
        await asyncio.sleep(look_s)
    words = sum(each.tokens - tokens for each, (tokens, _) in zip(streams, before, strict=True))
    frames = sum(each.frames - frames for each, (_, frames) in zip(streams, before, strict=True))
    into.us_per_token.append(took.side_s / words * 1e6)
    into.postgres_us.append(took.postgres_s / words * 1e6)
    into.frames_per_token.append(frames / words)
    into.gaps_ms += [gap for each in streams for at, gap in each.gaps_ms if began <= at < began + look_s]
    async with watched() as host:
        visits = await arriving(probes, every_s, lambda _: asked(stage, side, Stream(wanted(tokens=10))))
    into.first_ms += [each.first_added_ms for each in visits]
    into.alone_ms += [
        each.first_added_ms for each in visits if host.left_us_alone(each.began, each.first_came)
    ]
    return [*visits, *await running]


async def burst(stage: Stage, side: Side, into: list[float]) -> list[Stream]:
    """Let a hundred open pages ask simultaneously."""
    async with open_pages(stage, side, STREAMS) as readers:
        streams = [Stream(wanted(tokens=50)) for _ in readers]
        for reader, stream in zip(readers, streams, strict=True):
            reader.ask(stream)
        await asyncio.gather(*[each.over for each in streams])
    into += [each.first_added_ms for each in streams]
    return streams


@dataclass
class PerTurn:
    turns: int = 0
    side_s: float = 0.0
    postgres_s: float = 0.0

    @property
    def ms(self) -> float:
        return self.side_s / self.turns * 1000

    @property
    def postgres_ms(self) -> float:
        return self.postgres_s / self.turns * 1000


@asynccontextmanager
async def open_pages(stage: Stage, side: Side, count: int) -> AsyncIterator[list[Reader]]:
    readers = [stage.reader(side) for _ in range(count)]
    for some in range(0, count, 20):
        await asyncio.gather(*[reader.open() for reader in readers[some : some + 20]])
    await asyncio.sleep(0.5)
    yield readers
    for reader in readers:
        reader.close()


async def turns(
    stage: Stage, side: Side, into: PerTurn, *, count: int = 200, sessions: Sequence[UUID] = ()
) -> list[Stream]:
    """Ask for one word, on open pages, twenty times per second: the cost of a turn without its tokens."""
    async with open_pages(stage, side, PAGES) as readers:
        free = list(readers)

        async def ask(place: int) -> Stream:
            stream = Stream(wanted(tokens=1, first_ms=5))
            fields = {"sessionId": str(sessions[place % len(sessions)])} if sessions else {}
            reader = free.pop(0)
            reader.ask(stream, **fields)
            await stream.over
            free.append(reader)
            return stream

        with taken(stage, side) as took:
            streams = await arriving(count, 0.05, ask)
            await asyncio.sleep(0.2)
    into.turns += count
    into.side_s += took.side_s
    into.postgres_s += took.postgres_s
    return streams


@dataclass
class Idle:
    kb: float  # of memory per socket
    connect_ms: float  # CPU to open and close one


async def idle(stage: Stage, side: Side) -> Idle:
    before = memory_bytes(side.pid)
    with taken(stage, side) as took:
        async with open_pages(stage, side, IDLE_SOCKETS):
            after = memory_bytes(side.pid)
        await asyncio.sleep(1)  # until all are closed
    return Idle((after - before) / 1024 / IDLE_SOCKETS, took.side_s / IDLE_SOCKETS * 1000)


@dataclass
class Rung:
    """The measurements with one number of streams on one core."""

    streams: int
    tokens_per_s: float
    gap_ms: tuple[float, float]  # p50, p95
    core: float  # share of the core that the process uses; 1 is all of it
    postgres_core: float
    late_ms: float  # p95 delay of the streams, beyond the model's own time, at the end of the measurement

    @property
    def is_carried(self) -> bool:
        return self.gap_ms[1] < MAX_GAP_MS and self.tokens_per_s > 0.97 * self.streams * 1000 / GAP_MS


async def ladder(stage: Stage, side: Side, into: list[Rung]) -> list[Stream]:
    """Add streams, and measure some seconds at each rung."""
    a_second, look_s = 20, 5.0
    ends_s = LADDER[-1] / a_second + (look_s + 1) * len(LADDER) + 5
    began, streams, running = time.monotonic(), list[Stream](), list[asyncio.Task[Stream]]()
    for rung in LADDER:
        while len(streams) < rung:
            left_s = ends_s - (time.monotonic() - began)
            streams.append(Stream(wanted(tokens=max(50, int(left_s * 1000 / GAP_MS)))))
            running.append(asyncio.create_task(asked(stage, side, streams[-1])))
            await asyncio.sleep(1 / a_second)
        await asyncio.sleep(1)
        into.append(await _rung(stage, side, streams, look_s))
    return await asyncio.gather(*running)


async def _rung(stage: Stage, side: Side, streams: Sequence[Stream], look_s: float) -> Rung:
    before, began = sum(each.tokens for each in streams), time.monotonic()
    with taken(stage, side) as took:
        await asyncio.sleep(look_s)
    ended = time.monotonic()
    seconds = ended - began
    gaps = [gap for each in streams for at, gap in each.gaps_ms if began <= at < ended]
    running = [each for each in streams if not each.over.done()]
    gaps += [
        (ended - max(each.last_came, began)) * 1000 for each in running if each.last_came < began
    ]  # silent streams
    return Rung(
        len(streams),
        (sum(each.tokens for each in streams) - before) / seconds,
        (percentile(gaps, 0.5), percentile(gaps, 0.95)),
        took.side_s / seconds,
        took.postgres_s / seconds,
        percentile([(ended - each.began) * 1000 - 100 - each.tokens * GAP_MS for each in running], 0.95),
    )


async def resume(stage: Stage, side: Side, into: list[float]) -> list[Stream]:
    """Cut the sockets of twenty running streams, about five times each."""

    async def cut(place: int) -> Stream:
        reader = SpineReader(side.address, stage.place.cookie)
        await reader.open()
        stream = Stream(wanted(tokens=400))
        reader.ask(stream)
        while not stream.over.done():
            await asyncio.sleep(1)
            if stream.tokens and not stream.over.done():
                into.append(await reader.cut_and_return(away_s=0.3))
        reader.close()
        return stream

    return await arriving(20, 0.05, cut)


async def faults(stage: Stage, side: Side, count: int = 1000) -> list[Stream]:
    """Run a thousand concurrent streams, three in ten of a model that drops, stalls or fails."""

    def how(place: int) -> dict[str, Any]:
        return FAULTS[place % 10] if place % 10 < len(FAULTS) else {}

    return await arriving(
        count,
        0.025,
        lambda place: asked(stage, side, Stream(wanted(tokens=140, gap_ms=200, **how(place)))),
    )


def session_of(turns: int, user: User) -> UUID:
    """Create a session with `turns` messages, each answered."""
    session = Session.objects.create(user=user, title=f"{turns} messages")
    made = [
        Turn(session=session, message_id=str(number), text=f"What is pump {number}? " * 20)
        for number in range(turns)
    ]
    for before, turn in pairwise(made):
        turn.parent = before
    Turn.objects.bulk_create(made)
    Answer.objects.bulk_create(
        Answer(turn=turn, endpoint_name="load", status="finished", text="It moves water. " * 40)
        for turn in made
    )
    return session.pk
