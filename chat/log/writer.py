"""Log first, then show: an event is committed before anyone sees it.

All answers of a process share one writer, which commits in groups (group commit): a commit costs the same for
one event as for a thousand, and a disk does only a few hundred in a second. Two commits are a tick apart; the
tick is longer when many answers are being written. The first words of an attempt and its end never wait for a
tick: they are committed at once, without the other answers' events.

Every commit checks the fencing token of each answer in it while it holds the answer's row. A writer whose
answer was taken over cannot append another word. `follow` is the other side.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, transaction

from chat.models import Answer, AnswerEvent
from core.async_tasks import cancel_and_wait
from core.db.statements import Plan, statement
from core.db.threads import to_thread
from core.leases import Superseded
from core.outages import is_database_out

from .events import TERMINAL, Delta, Event, Logged, Thinking
from .fanout import EVENTS, POLL_INTERVAL_S, Committed, event_bus, publish, publish_from_thread
from .follow import last_seqs

logger = logging.getLogger(__name__)

TICK_S = 0.025
LARGE_COMMIT = 100  # answers in a commit; with this many or more, the tick is twice as long
RETRY_INTERVAL_S = 0.25  # while the database is down
MAX_UNSENT = 2_000  # events in one message to other processes; with more, they read the log instead


class EventsRejected(Exception):
    """The database rejected the latest events of this answer. The log is as it was before them."""


@dataclass(slots=True)
class _Entry:
    """An event with its sequence number, not yet committed."""

    seq: int
    event: Event
    in_same_transaction: Callable[[], None] | None  # called in the transaction that commits the event
    final_row: Mapping[str, Any] | None  # with the last event: the final columns of the answer's row


class AnswerWriter:
    """Appends to the log of one answer under one claim (fencing token)."""

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
        """Append an event. The next group commit stores it; `flush` waits for that.

        in_same_transaction: a function to run in the same transaction. It may run again if the commit fails.
        final_row: with the last event, the values of the answer's ENDED_COLUMNS.
        Raises Superseded or EventsRejected if earlier events failed.
        """
        self._raise_error()
        last = self._entries[-1].event if self._entries else None
        if merged := _merge(last, event):
            self._entries[-1].event = merged
            return
        self._seq += 1
        self._entries.append(_Entry(self._seq, event, in_same_transaction, final_row))
        are_first_words = isinstance(event, Delta) and not self._has_words
        self._has_words = self._has_words or are_first_words
        self._writer.schedule(self, is_urgent=are_first_words or event.kind in TERMINAL)

    async def flush(self) -> None:
        """Wait until all events are committed. Raises Superseded, EventsRejected."""
        while self._committed_seq < self._seq and self._error is None:
            self._settled.clear()
            await self._settled.wait()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is None:
            return
        error = self._error
        if isinstance(error, EventsRejected):  # later events may be valid
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


def _merge(last: Event | None, event: Event) -> Event | None:
    """Return one event for two texts that wait for the same commit, or None if they stay apart."""
    match last, event:
        case Delta(before, None), Delta(text, None):
            return Delta(before + text)
        case Thinking(before, takes_back), Thinking(text, None):
            return Thinking(before + text, takes_back)
    return None


class LogWriter:
    """Commits the events of all answers of this process in groups.

    Open one with `async with` in its event loop.
    """

    def __init__(self) -> None:
        self._changed: dict[AnswerWriter, None] = {}  # an ordered set
        self._urgent: dict[AnswerWriter, None] = {}  # the subset that must not wait for a tick
        self._news = asyncio.Event()
        self._urgent_news = asyncio.Event()
        self._unsent: dict[UUID, list[Logged]] = {}
        self._has_unsent = asyncio.Event()
        self.has_waiting_work = True  # whether the queue had work at the last commit that ended an answer

    async def __aenter__(self) -> "LogWriter":
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._publish_unsent())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(self._tasks)

    def open(self, answer_id: UUID, fence: int, seq: int) -> AnswerWriter:
        """Return a writer for an answer whose log ends with `seq`."""
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
        """Wait until this moment of the loop's clock. Return True earlier if an urgent event arrives."""
        # If the moment has passed, do not wait: urgent events could starve the others for ever.
        if asyncio.get_running_loop().time() >= moment:
            return False
        try:
            async with asyncio.timeout_at(moment):
                return await self._urgent_news.wait()
        except TimeoutError:
            return False

    async def _write_batch(self, batch: _Batch) -> None:
        try:
            held, has_waiting_work = await self._commit(batch)
        except Exception as error:  # one answer's invalid events must not block the others
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
                log._refuse(Superseded(f"Another process has claimed answer {log.answer_id}."))
        self.announce(committed)

    async def _commit(self, batch: _Batch) -> tuple[set[UUID], bool | None]:
        """Commit the batch, and retry until the database responds: all answers of the process wait for it."""
        while True:
            try:
                needs_thread = any(each.in_same_transaction for _, entries in batch for each in entries)
                return await (to_thread(_store)(batch) if needs_thread else _store_batch.aio(batch))
            except (DatabaseError, InterfaceError) as error:
                if not is_database_out(error):
                    raise
                logger.warning("The log waits for the database: %s", error)
                await asyncio.sleep(RETRY_INTERVAL_S)

    async def _write_one_by_one(self, batch: _Batch, error: Exception) -> None:
        if len(batch) > 1:
            for each in batch:
                await self._write_batch([each])
            return
        for log, _ in batch:
            logger.error("The events of answer %s were rejected", log.answer_id, exc_info=error)
            log._refuse(EventsRejected(str(error)))

    def announce(self, committed: Committed) -> None:
        """Deliver committed events to this process's subscribers, and soon to those of other processes."""
        if not committed:
            return
        event_bus().deliver(committed)
        if event_bus().is_alone:
            return
        for answer_id, events in committed.items():
            self._unsent.setdefault(answer_id, []).extend(events)
        self._has_unsent.set()

    async def _publish_unsent(self) -> None:
        """Send events to other processes, in its own task: a channel layer that hangs delays no stream."""
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            unsent, self._unsent = self._unsent, {}
            is_small = sum(map(len, unsent.values())) <= MAX_UNSENT
            if is_small and not await publish(EVENTS, event_bus().pack_message(unsent)):
                await asyncio.sleep(POLL_INTERVAL_S)


# Lock the answers that this process still holds until the commit. They are locked in the order of their ids,
# so that two statements of one process, the heartbeat's and the log's, cannot deadlock.
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
# A queued answer may wait for the room that this end frees. Reading the queue here saves the runner a claim
# that finds nothing.
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
    """Commit a batch, and run its `in_same_transaction` functions in the same transaction."""
    held, has_waiting_work = _store_batch(batch)
    for log, entries in batch:
        for each in entries:
            if each.in_same_transaction and log.answer_id in held:
                each.in_same_transaction()
    return held, has_waiting_work


@statement
def _store_batch(batch: _Batch) -> Plan[tuple[set[UUID], bool | None]]:
    """Store a batch in one statement. Return the answers that this process still holds.

    Also return whether an answer or a summary waits to be claimed, or None if no answer ends in the batch.
    The statement is idempotent: a conflict means that an earlier try was committed although its confirmation
    was lost. The fence ensures that no other process has written this sequence number.
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


# Insert the first event of the new answers in `answer (id, is_batch)`: how many answers wait before each.
FIRST_EVENTS = """
    INSERT INTO chat_answerevent (answer_id, seq, kind, data)
    SELECT id, 1, 'queued', jsonb_build_object('position', row_number() OVER () - 1 +
        (SELECT count(*) FROM chat_answer AS waiting
         WHERE waiting.status = 'queued' AND (answer.is_batch OR NOT waiting.is_batch)))
    FROM answer
"""


def append_unclaimed(answer: Answer, event: Event) -> None:
    """Append the last event of an answer that no process has claimed.

    The caller's transaction has locked its row.
    """
    seq = last_seqs([answer.pk])[answer.pk] + 1
    AnswerEvent.objects.create(answer=answer, seq=seq, kind=event.kind, data=event.data)
    transaction.on_commit(lambda: publish_from_thread(EVENTS, {"type": "look", "answer": str(answer.pk)}))
