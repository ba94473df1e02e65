"""In-process fan-out (pub/sub): delivers committed events of an answer to its subscribers.

The process that wrote an event delivers it to its own subscribers directly, and to other processes through
the channel layer: one message per commit, however many answers are in it, because one group_send costs more
than five tokens. Delivery of such a message is best effort (at most once). Nothing depends on it: a
subscriber that misses events reads the log, and once a second the bus looks for subscribers that missed some.

Each bus sends a heartbeat once a second. A bus that hears only its own heartbeats sends no events.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.db import Error
from redis.exceptions import RedisError

from core.async_tasks import cancel_and_wait
from core.db.statements import Plan, statement
from core.db.threads import calling_loop
from core.waiting import wait_for

from .events import Logged

logger = logging.getLogger(__name__)

EVENTS = "answers"  # the channel layer group of all buses
RUNNERS = "runners"  # the channel layer group of all runners
POLL_INTERVAL_S = 1.0
DELIVERY_GRACE_S = 0.25  # in which events that were just committed may still reach their subscribers
PEER_TIMEOUT_S = 3.0  # without a heartbeat, until another bus counts as gone
_NEVER = 2**31 - 1  # a sequence number that no log reaches
MAX_BACKLOG = 200  # undelivered events of one subscriber

Committed = Mapping[UUID, Sequence[Logged]]


class Subscriber:
    """The bounded queue of one subscriber.

    A subscriber that falls behind reads the log instead (backpressure).
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq  # of the last event taken
        self._waiting: list[Logged] = []
        self._is_behind = False
        self._news = asyncio.Event()

    @property
    def reached(self) -> int:
        """The sequence number of the last event that it took or that waits for it."""
        return self._waiting[-1].seq if self._waiting else self.seq

    def put(self, events: Sequence[Logged]) -> None:
        self._waiting.extend(events)
        if len(self._waiting) > MAX_BACKLOG:
            self.mark_behind()
        self._news.set()

    def mark_behind(self) -> None:
        self._waiting.clear()
        self._is_behind = True
        self._news.set()

    async def take(self) -> list[Logged]:
        """Wait for the next events and return them. An empty list means that the caller must read the log."""
        while True:
            await self._news.wait()
            self._news.clear()
            is_behind, self._is_behind = self._is_behind, False
            waiting, self._waiting = self._waiting, []
            events = [event for event in waiting if event.seq > self.seq]
            if is_behind or (events and events[-1].seq - self.seq != len(events)):
                return []
            if events:
                self.seq = events[-1].seq
                return events


class EventBus:
    """The subscribers of one event loop.

    It listens to the channel layer while it has subscribers or is kept open.
    """

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._subscribers: dict[UUID, set[Subscriber]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._users = 0
        self._self_heard_at = self._peer_heard_at = 0.0  # by the loop's clock

    @asynccontextmanager
    async def attach(self, answer_id: UUID, seq: int) -> AsyncIterator[Subscriber]:
        subscriber = Subscriber(seq)
        self._subscribers.setdefault(answer_id, set()).add(subscriber)
        try:
            async with self.open():
                yield subscriber
        finally:
            self._subscribers[answer_id].discard(subscriber)
            if not self._subscribers[answer_id]:
                del self._subscribers[answer_id]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep the bus listening: starting it for each subscriber costs more than the subscriber itself."""
        self._users += 1
        if not self._tasks:
            # Assume that there is a peer until we have listened long enough to know.
            self._peer_heard_at = asyncio.get_running_loop().time()
            listening = subscribe(EVENTS, self._handle_message, self._resync)
            self._tasks = [
                asyncio.create_task(each)
                for each in (listening, self._find_missed_events(), self._send_heartbeats())
            ]
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                tasks, self._tasks = self._tasks, []
                await cancel_and_wait(tasks)

    @property
    def is_alone(self) -> bool:
        """Whether there is no other bus. It is never true while we might have missed a peer's heartbeats."""
        now = asyncio.get_running_loop().time()
        return now - self._self_heard_at < PEER_TIMEOUT_S < now - self._peer_heard_at

    def deliver(self, committed: Committed) -> None:
        """Deliver events to the subscribers in this process."""
        for answer_id, events in committed.items():
            for subscriber in self._subscribers.get(answer_id, ()):
                subscriber.put(events)

    def pack_message(self, committed: Committed) -> dict[str, Any]:
        """Return the channel layer message that carries events to the other buses."""
        events = {
            str(id): [(each.seq, each.kind, each.data) for each in some] for id, some in committed.items()
        }
        return {"type": "events", "from": self._id, "events": events}

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "look":
                for subscriber in self._subscribers.get(UUID(message["answer"]), ()):
                    subscriber.mark_behind()
            case "here":
                now = asyncio.get_running_loop().time()
                if message["from"] == self._id:
                    self._self_heard_at = now
                else:
                    self._peer_heard_at = now
            case "events" if message["from"] != self._id:
                self.deliver({UUID(id): _unpack(some) for id, some in message["events"].items()})

    def _resync(self) -> None:
        """Make all subscribers read the log: it has the events that were committed before we could listen."""
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.mark_behind()

    async def _send_heartbeats(self) -> None:
        while True:
            await publish(EVENTS, {"type": "here", "from": self._id})
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _find_missed_events(self) -> None:
        """Once a second, find subscribers that missed events, and make them read the log."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            seen = {id: min(each.reached for each in some) for id, some in self._subscribers.items()}
            try:
                longer = await _find_longer_logs.aio(seen) if seen else {}
            except Error as error:
                logger.warning("Cannot check the log for missed events: %s", error)
                continue
            # Wait first: a hundred subscribers that read the log in vain would delay all streams.
            await asyncio.sleep(DELIVERY_GRACE_S if longer else 0)
            for answer_id, last in longer.items():
                for subscriber in self._subscribers.get(answer_id, ()):
                    if subscriber.reached < last:
                        subscriber.mark_behind()


def _unpack(events: Sequence[Any]) -> list[Logged]:
    return [Logged(seq, kind, data) for seq, kind, data in events]


_LONGER = """
    SELECT seen.id, coalesce(log.last, %s) FROM unnest(%s::uuid[], %s::int[]) AS seen (id, seq)
    CROSS JOIN LATERAL (SELECT max(seq) AS last FROM chat_answerevent WHERE answer_id = seen.id) AS log
    WHERE log.last > seen.seq OR NOT EXISTS (SELECT FROM chat_answer AS a WHERE a.id = seen.id)
"""


@statement
def _find_longer_logs(seen: Mapping[UUID, int]) -> Plan[dict[UUID, int]]:
    """Return the last sequence number of each log that is longer than seen. A deleted answer gets _NEVER."""
    [rows] = yield [(_LONGER, [_NEVER, list(seen), list(seen.values())])]
    return dict(rows)


_buses: WeakKeyDictionary[asyncio.AbstractEventLoop, EventBus] = WeakKeyDictionary()


def event_bus() -> EventBus:
    """Return the bus of the running event loop. A web process has only one."""
    loop = asyncio.get_running_loop()
    if loop not in _buses:
        _buses[loop] = EventBus()
    return _buses[loop]


# --- the channel layer ---------------------------------------------------------------------------


async def subscribe(group: str, hear: Callable[[Mapping[str, Any]], None], begin: Callable[[], None]) -> None:
    """Receive the messages of a group for ever and pass each to `hear`. Reconnect after errors.

    begin: called after each connect, because messages may have been lost before.
    """
    layer = get_channel_layer()
    while True:
        channel = None
        try:
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            begin()
            while True:
                hear(await layer.receive(channel))
        except (RedisError, OSError) as error:
            logger.warning("The channel layer does not respond: %s", error)
            await asyncio.sleep(POLL_INTERVAL_S)
        finally:
            if channel:
                await _leave(group, channel)


async def _leave(group: str, channel: str) -> None:
    try:
        await get_channel_layer().group_discard(group, channel)
    except (RedisError, OSError):
        logger.debug("The channel layer does not respond")


async def publish(group: str, message: Mapping[str, Any]) -> bool:
    """Send a message to a group.

    Return whether it was sent: a lost message is safe, because receivers also poll.
    """
    try:
        await get_channel_layer().group_send(group, message)
    except (RedisError, OSError) as error:
        logger.warning("The channel layer does not respond: %s", error)
        return False
    return True


def publish_from_thread(group: str, message: Mapping[str, Any]) -> None:
    if loop := calling_loop():
        asyncio.run_coroutine_threadsafe(publish(group, message), loop)
    else:
        wait_for(publish, None)(group, message)
