"""Who in this process follows which answer, and how committed events reach them.

The process that wrote an event hands it to its own subscribers directly, and to all others through the channel
layer: one message for each commit, whatever the number of answers in it, because one group_send costs more
than five tokens. Such a message may be lost. Nothing depends on it: a subscriber who misses events reads the
log, and the bus looks once a second who has missed some.

Once a second each bus says that it is here. One that hears nobody but itself sends no events.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import Error
from redis.exceptions import RedisError

from core.async_tasks import cancel_and_wait
from core.db.statements import Plan, statement
from core.db.threads import calling_loop

from .events import Logged

logger = logging.getLogger(__name__)

EVENTS = "answers"  # the group of all buses
RUNNERS = "runners"  # the group of all runners
POLL_INTERVAL_S = 1.0
DELIVERY_GRACE_S = 0.25  # what was committed just now may still come to its subscribers
PEER_TIMEOUT_S = 3.0  # a bus that did not say that it is here
_NEVER = 2**31 - 1  # no log is so long
MAX_BACKLOG = 200  # events of one subscriber

Committed = Mapping[UUID, Sequence[Logged]]


class Subscriber:
    """What one subscriber has not taken yet. Bounded: who falls behind reads the log instead."""

    def __init__(self, seq: int) -> None:
        self.seq = seq  # the last one taken
        self._waiting: list[Logged] = []
        self._is_behind = False
        self._news = asyncio.Event()

    @property
    def reached(self) -> int:
        """The last event that it took, or that waits for it."""
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
        """Return the next events, as soon as there are some; none when the log must be read."""
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
    """All subscribers of one event loop. It listens while somebody follows, or keeps it open."""

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
        """Keep the bus listening: to begin anew for each subscriber would cost more than he does."""
        self._users += 1
        if not self._tasks:
            self._peer_heard_at = asyncio.get_running_loop().time()  # perhaps: we could not hear them yet
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
        """There is no other bus. Never said while we might not hear one."""
        now = asyncio.get_running_loop().time()
        return now - self._self_heard_at < PEER_TIMEOUT_S < now - self._peer_heard_at

    def deliver(self, committed: Committed) -> None:
        """Hand events to the subscribers in this process."""
        for answer_id, events in committed.items():
            for subscriber in self._subscribers.get(answer_id, ()):
                subscriber.put(events)

    def pack_message(self, committed: Committed) -> dict[str, Any]:
        """Return the message that brings events to all other buses."""
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
        """Whatever was committed before we could hear of it stands in the log."""
        for subscribers in self._subscribers.values():
            for subscriber in subscribers:
                subscriber.mark_behind()

    async def _send_heartbeats(self) -> None:
        while True:
            await publish(EVENTS, {"type": "here", "from": self._id})
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _find_missed_events(self) -> None:
        """Once a second, find the subscribers who missed something."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            seen = {id: min(each.reached for each in some) for id, some in self._subscribers.items()}
            try:
                longer = await _find_longer_logs.aio(seen) if seen else {}
            except Error as error:
                logger.warning("Cannot look at the log: %s", error)
                continue
            # A hundred who read the log for nothing would hold up everybody's words
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
    """Return the end of each log that holds more than was seen of it: of an answer that is gone, one never reached."""
    [rows] = yield [(_LONGER, [_NEVER, list(seen), list(seen.values())])]
    return dict(rows)


_buses: WeakKeyDictionary[asyncio.AbstractEventLoop, EventBus] = WeakKeyDictionary()


def event_bus() -> EventBus:
    """Return the bus of the running loop: in a web process, the only one."""
    loop = asyncio.get_running_loop()
    if loop not in _buses:
        _buses[loop] = EventBus()
    return _buses[loop]


# --- the channel layer ---------------------------------------------------------------------------


async def subscribe(group: str, hear: Callable[[Mapping[str, Any]], None], begin: Callable[[], None]) -> None:
    """Pass on what is said in a group, for ever. `begin` is called when we can hear, again and again."""
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
            logger.warning("The channel layer does not answer: %s", error)
            await asyncio.sleep(POLL_INTERVAL_S)
        finally:
            if channel:
                await _leave(group, channel)


async def _leave(group: str, channel: str) -> None:
    try:
        await get_channel_layer().group_discard(group, channel)
    except (RedisError, OSError):
        logger.debug("The channel layer does not answer")


async def publish(group: str, message: Mapping[str, Any]) -> bool:
    """Tell a group, and whether that worked: whoever does not hear finds out by looking."""
    try:
        await get_channel_layer().group_send(group, message)
    except (RedisError, OSError) as error:
        logger.warning("The channel layer does not answer: %s", error)
        return False
    return True


def publish_from_thread(group: str, message: Mapping[str, Any]) -> None:
    if loop := calling_loop():
        asyncio.run_coroutine_threadsafe(publish(group, message), loop)
    else:
        async_to_sync(publish)(group, message)
