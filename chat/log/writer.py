"""Log first, then show: an event is committed before anyone sees it.

All answers of a process share one writer, which commits in groups (group commit): a commit costs the same for one
event as for a thousand, and a disk does only a few hundred in a second. Two commits are a tick apart; the tick is
longer when many answers are written. The first words of an attempt and its end never wait for a tick: they are
committed at once, without the other answers' events.

Every commit checks the fencing token of each answer in it while it holds the answer's row. A writer whose answer was
taken over cannot append another word. `follow` is the other side.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from chat.models import Answer, AnswerEvent
from core.async_tasks import cancel_and_wait
from core.db.statements import Plan, statement
from core.db.threads import to_thread
from core.leases import Superseded

from .events import TERMINAL, Delta, Event, Logged
from .fanout import EVENTS, POLL_INTERVAL_S, Committed, event_bus, publish, publish_from_thread
from .follow import last_seqs

logger = logging.getLogger(__name__)

TICK_S = 0.025
LARGE_COMMIT = 100  # answers in a commit: with so many, and more, the tick is twice as long
RETRY_INTERVAL_S = 0.25  # while the database does not answer
MAX_UNSENT = 2_000  # events for other processes; beyond that they read the log


class EventsRejected(Exception):
    """The database refused this answer's last events; the log stands as it was before them."""


@dataclass(slots=True)
class _Entry:
    """An event with its place in the log, not yet committed."""

    seq: int
    event: Event
    in_same_transaction: Callable[[], None] | None  # done in the transaction that commits the event
    final_row: Mapping[str, Any] | None  # of the last event: what the answer's row says from then on


class AnswerWriter:
    """Appends to the log of one answer, under one claim on it."""

    def __init__(self, writer: "LogWriter", answer_id: UUID, fence: int, seq: int) -> None:
        self.answer_id = answer_id
        self.fence = fence
        self._writer = writer
        self._seq = self._committed_seq = seq
        self._entries: list[_Entry] = []
        self._error: Exception | None = None
        self._settled = asyncio.Event()
        self._has_words = False

    def append(
        self,
        event: Event,
        in_same_transaction: Callable[[], None] | None = None,
        final_row: Mapping[str, Any] | None = None,
    ) -> None:
        """Put an event at the end; it is committed soon. `flush` waits for that.

        in_same_transaction: what belongs into the same transaction; it may run again if the commit fails.
        final_row: with the last event, the answer's ENDED_COLUMNS.
        Raises Superseded or EventsRejected for earlier events.
        """
        self._raise_error()
        last = self._entries[-1].event if self._entries else None
        # Words that wait for the same commit become one event.
        if isinstance(event, Delta) and isinstance(last, Delta):
            self._entries[-1].event = Delta(last.text + event.text)
            return
        self._seq += 1
        self._entries.append(_Entry(self._seq, event, in_same_transaction, final_row))
        are_first_words = isinstance(event, Delta) and not self._has_words
        self._has_words = self._has_words or are_first_words
        self._writer.schedule(self, is_urgent=are_first_words or event.kind in TERMINAL)

    async def flush(self) -> None:
        """Return when all is committed. Raises Superseded, EventsRejected."""
        while self._committed_seq < self._seq and self._error is None:
            self._settled.clear()
            await self._settled.wait()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is None:
            return
        error = self._error
        if isinstance(error, EventsRejected):  # what follows may be fit to write
            self._error = None
        raise error

    def _take(self) -> list[_Entry]:
        entries, self._entries = self._entries, []
        return entries

    def _note_committed(self, seq: int) -> None:
        self._committed_seq = seq
        self._settled.set()

    def _refuse(self, error: Exception) -> None:
        self._entries.clear()
        self._seq = self._committed_seq
        self._error = error
        self._settled.set()


_Batch = list[tuple[AnswerWriter, list[_Entry]]]


class LogWriter:
    """Commits the events of all answers of this process. Open one, as `async with`, in its event loop."""

    def __init__(self) -> None:
        self._changed: dict[AnswerWriter, None] = {}  # in order
        self._urgent: dict[AnswerWriter, None] = {}  # of these, those that must not wait
        self._news = asyncio.Event()
        self._urgent_news = asyncio.Event()
        self._unsent: dict[UUID, list[Logged]] = {}
        self._has_unsent = asyncio.Event()
        self.has_waiting_work = True  # for a claim, as the last commit of an answer's end saw it

    async def __aenter__(self) -> "LogWriter":
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._publish_unsent())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._tasks)

    def open(self, answer_id: UUID, fence: int, seq: int) -> AnswerWriter:
        """Return the writer for an answer whose log ends with `seq`."""
        return AnswerWriter(self, answer_id, fence, seq)

    def schedule(self, log: AnswerWriter, *, is_urgent: bool) -> None:
        self._changed[log] = None
        self._news.set()
        if is_urgent:
            self._urgent[log] = None
            self._urgent_news.set()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = 0.0  # by the loop's clock
        while True:
            await self._news.wait()
            if not await self._is_urgent_before(next_at):
                changed, self._changed = self._changed, {}
                next_at = loop.time() + TICK_S * min(1 + len(changed) / LARGE_COMMIT, 2)
            else:
                changed = self._urgent
                for log in changed:
                    del self._changed[log]
            self._urgent = {}
            self._urgent_news.clear()
            if not self._changed:
                self._news.clear()
            await self._write_batch([(log, entries) for log in changed if (entries := log._take())])

    async def _is_urgent_before(self, moment: float) -> bool:
        """Wait until this moment of the loop's clock, or return True when something cannot wait so long."""
        if (
            asyncio.get_running_loop().time() >= moment
        ):  # else who is urgent could hold up the others for ever
            return False
        try:
            async with asyncio.timeout_at(moment):
                return await self._urgent_news.wait()
        except TimeoutError:
            return False

    async def _write_batch(self, batch: _Batch) -> None:
        try:
            held, has_waiting_work = await self._commit(batch)
        except Exception as error:  # one answer's events must not keep the others' from being written
            await self._write_one_by_one(batch, error)
            return
        if has_waiting_work is not None:
            self.has_waiting_work = has_waiting_work
        committed = {}
        for log, entries in batch:
            if log.answer_id in held:
                log._note_committed(entries[-1].seq)
                committed[log.answer_id] = [Logged.of(each.seq, each.event) for each in entries]
            else:
                log._refuse(Superseded(f"Answer {log.answer_id} has another writer."))
        self.announce(committed)

    async def _commit(self, batch: _Batch) -> tuple[set[UUID], bool | None]:
        """Commit, and try until the database answers: all answers of the process wait for it."""
        while True:
            try:
                needs_thread = any(each.in_same_transaction for _, entries in batch for each in entries)
                return await (to_thread(_store)(batch) if needs_thread else _store_batch.aio(batch))
            except (OperationalError, InterfaceError) as error:
                logger.warning("The log waits for the database: %s", error)
                await asyncio.sleep(RETRY_INTERVAL_S)

    async def _write_one_by_one(self, batch: _Batch, error: Exception) -> None:
        if len(batch) > 1:
            for each in batch:
                await self._write_batch([each])
            return
        for log, _ in batch:
            logger.error("Answer %s cannot be written", log.answer_id, exc_info=error)
            log._refuse(EventsRejected(str(error)))

    def announce(self, committed: Committed) -> None:
        """Hand committed events to the followers here, and soon to those of other processes."""
        if not committed:
            return
        event_bus().deliver(committed)
        if event_bus().is_alone:
            return
        for answer_id, events in committed.items():
            self._unsent.setdefault(answer_id, []).extend(events)
        self._has_unsent.set()

    async def _publish_unsent(self) -> None:
        """Tell the other processes. On its own, so that a channel layer that hangs holds up nobody's words."""
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            unsent, self._unsent = self._unsent, {}
            is_small = sum(map(len, unsent.values())) <= MAX_UNSENT
            if is_small and not await publish(EVENTS, event_bus().pack_message(unsent)):
                await asyncio.sleep(POLL_INTERVAL_S)


# The answers that we still hold, locked until the commit. In the order of their ids, so that two statements
# of one process, the heartbeat's and the log's, cannot deadlock.
HELD_ANSWERS = """
    SELECT a.id FROM chat_answer AS a
    JOIN unnest(%s::uuid[], %s::int[]) AS mine (id, fence) ON a.id = mine.id AND a.fence = mine.fence
    WHERE a.status = 'running' ORDER BY a.id FOR NO KEY UPDATE OF a
"""
_STORED = f"""
    WITH held AS ({HELD_ANSWERS}), stored AS (
        INSERT INTO chat_answerevent (answer_id, seq, kind, data)
        SELECT e.answer_id, e.seq, e.kind, e.data
        FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::jsonb[]) AS e (answer_id, seq, kind, data)
        JOIN held ON held.id = e.answer_id
        ON CONFLICT DO NOTHING
    )
"""
_STORE = f"{_STORED} SELECT id, NULL FROM held"
ENDED_COLUMNS = (
    *("status", "error", "text", "grounding", "trace", "input_tokens", "output_tokens", "cost", "broken_off"),
    *("first_token_at", "ended_at"),
)
# Whoever waits may have waited for this end: who knows need not look for each.
_STORE_ENDS = f"""
    {_STORED}, ended AS (
        UPDATE chat_answer AS a SET {", ".join(f"{each} = e.{each}" for each in ENDED_COLUMNS)}
        FROM jsonb_populate_recordset(NULL::chat_answer, %s::jsonb) AS e JOIN held ON held.id = e.id
        WHERE a.id = e.id
    )
    SELECT id, EXISTS (SELECT FROM chat_answer WHERE status = 'queued')
        OR EXISTS (SELECT FROM chat_summary WHERE status = 'queued')
    FROM held
"""


@transaction.atomic
def _store(batch: _Batch) -> tuple[set[UUID], bool | None]:
    """Commit a batch together with what belongs into the same transaction."""
    held, has_waiting_work = _store_batch(batch)
    for log, entries in batch:
        for each in entries:
            if each.in_same_transaction and log.answer_id in held:
                each.in_same_transaction()
    return held, has_waiting_work


@statement
def _store_batch(batch: _Batch) -> Plan[tuple[set[UUID], bool | None]]:
    """Store a batch in one statement. Returns the answers that this process still holds.

    And, if an answer ends in it, whether somebody waits to be claimed. A conflict means that an earlier try was
    committed although its confirmation was lost: the fence makes sure that nobody else writes at this place.
    """
    rows = [(log.answer_id, each.seq, each.event) for log, entries in batch for each in entries]
    ends = [
        {"id": log.answer_id, **each.final_row}
        for log, entries in batch
        for each in entries
        if each.final_row
    ]
    values = [
        [log.answer_id for log, _ in batch],
        [log.fence for log, _ in batch],
        [answer_id for answer_id, _, _ in rows],
        [seq for _, seq, _ in rows],
        [event.kind for _, _, event in rows],
        [json.dumps(event.data) for _, _, event in rows],
        *([json.dumps(ends, default=str)] if ends else []),
    ]
    [found] = yield [(_STORE_ENDS if ends else _STORE, values)]
    return {id for id, _ in found}, found[0][1] if found else None


# The first event of the answers that a statement makes, as `answer (id, is_batch)`: how many wait before them.
FIRST_EVENTS = """
    INSERT INTO chat_answerevent (answer_id, seq, kind, data)
    SELECT id, 1, 'queued', jsonb_build_object('position', row_number() OVER () - 1 +
        (SELECT count(*) FROM chat_answer AS waiting
         WHERE waiting.status = 'queued' AND (answer.is_batch OR NOT waiting.is_batch)))
    FROM answer
"""


def append_unclaimed(answer: Answer, event: Event) -> None:
    """Write the last event of an answer that nobody writes; the caller's transaction holds its row."""
    seq = last_seqs([answer.pk])[answer.pk] + 1
    AnswerEvent.objects.create(answer=answer, seq=seq, kind=event.kind, data=event.data)
    transaction.on_commit(lambda: publish_from_thread(EVENTS, {"type": "look", "answer": str(answer.pk)}))
