"""Reads an answer's log from any event on, at any time and in any process: first stored, then live events."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from chat.models import Answer, AnswerEvent
from core.db.statements import Plan, prepared_cursor, statement
from core.db.threads import retry_on_disconnect

from .events import Delta, Event, Logged, Restarted, Thinking, read_event
from .fanout import event_bus

_COMPACTED: dict[str, type[Delta] | type[Thinking]] = {"deltas": Delta, "thinkings": Thinking}
PAGE = 500  # rows per read of the log


_LAST_SEQS = "SELECT answer_id, max(seq) FROM chat_answerevent WHERE answer_id = ANY(%s) GROUP BY answer_id"


def last_seqs(answer_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the last sequence number of each log that is not empty."""
    with prepared_cursor() as cursor:
        cursor.execute(_LAST_SEQS, [list(answer_ids)])
        return dict(cursor.fetchall())


def read_log(answer_id: UUID) -> list[Event]:
    """Return the log of an answer that has not ended, and so is not compacted."""
    rows = AnswerEvent.objects.filter(answer_id=answer_id).order_by("seq").values_list("kind", "data")
    return [read_event(*row) for row in rows]


def read_shown(answer_id: UUID) -> Sequence[Event]:
    """Return the events that clients show for an answer that has not ended: those since its last restart."""
    return since_restart(read_log(answer_id))


def since_restart(events: Sequence[Event]) -> Sequence[Event]:
    restarted = max((place for place, event in enumerate(events) if isinstance(event, Restarted)), default=-1)
    return events[restarted + 1 :]


async def follow(answer_id: UUID, after_seq: int = 0) -> AsyncGenerator[Logged]:
    """Yield each event after `after_seq` once, in order: first from the log, then live, until the last.

    It works in any process, whether the answer is queued, in progress, or ended long ago. Close it with
    `aclosing`.
    """
    async with aclosing(follow_in_batches(answer_id, after_seq)) as batches:
        async for events in batches:
            for event in events:
                yield event


async def follow_in_batches(
    answer_id: UUID, after_seq: int = 0, first_events: Sequence[Logged] = ()
) -> AsyncGenerator[Sequence[Logged]]:
    """Do the same as `follow`, but yield events that are available at the same time as one batch.

    first_events: the whole content of a new log, from a caller that has just created it. It saves the first
    read.
    """
    # Attach to the bus first, then read the log: an event committed in between arrives twice and is
    # deduplicated by its sequence number.
    async with event_bus().attach(answer_id, after_seq) as subscriber:
        events, is_over = first_events, False
        while True:
            if not events:
                events, is_over = await retry_on_disconnect(_read.aio)(answer_id, subscriber.seq)
            if events:
                subscriber.seq = events[-1].seq
                yield events
            if is_over or (events and events[-1].is_last):
                return
            count, events = len(events), ()
            if count >= PAGE:
                continue
            while live := await subscriber.take():
                yield live
                if live[-1].is_last:
                    return


_IS_DELETED = "SELECT NOT EXISTS (SELECT FROM chat_answer WHERE id = %s)"


@statement
def is_deleted(answer_id: UUID) -> Plan[bool]:
    """Tell whether the answer is gone, with its question or its session."""
    [rows] = yield [(_IS_DELETED, [answer_id])]
    return bool(rows[0][0])


_READ = """
    SELECT a.status, e.seq, e.kind, e.data FROM chat_answer AS a LEFT JOIN LATERAL (
        SELECT * FROM chat_answerevent WHERE answer_id = a.id AND seq > %s ORDER BY seq LIMIT %s
    ) AS e ON true WHERE a.id = %s ORDER BY e.seq
"""


@statement
def _read(answer_id: UUID, after_seq: int) -> Plan[tuple[list[Logged], bool]]:
    """Return the next events in the log, from at most PAGE rows, and whether no more will follow."""
    [rows] = yield [(_READ, [after_seq, PAGE, answer_id])]
    events = [each for _, seq, kind, data in rows if seq for each in _events_of(seq, kind, json.loads(data))]
    missed = [each for each in events if each.seq > after_seq]
    return missed, not rows or (len(rows) < PAGE and rows[0][0] in Answer.ENDED)


def _events_of(seq: int, kind: str, data: dict[str, Any]) -> list[Logged]:
    """Return the events of a row. In a compacted log, one row holds a whole run of texts."""
    if (made := _COMPACTED.get(kind)) is None:
        return [Logged(seq, kind, data)]
    texts = data["texts"]
    first = seq - len(texts) + 1
    return [Logged.of(first + place, made(text)) for place, text in enumerate(texts)]
