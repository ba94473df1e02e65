"""The queue of answers: fair scheduling, concurrency limits, and claims with leases and fencing tokens.

An advisory lock serialises the claims of all processes. Only then is the count of running answers right, on
which the limits depend. The order is fair (round robin): each user's first answer, then each user's second,
and so on. Among equals, the user goes first whose turn was longest ago. So a user who asks a hundred
questions does not delay the others, even where one answer is written at a time. An endpoint runs as many
answers at once as its operator allows, and a user as many as RAGSITE_ANSWERS_PER_USER says, over all
processes.

Batch answers and summaries have low priority: they come after all interactive answers. But they never starve:
even a busy endpoint begins one of them every BATCH_INTERVAL.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.conf import settings

from chat.answering.history import History, history_query, load_histories, read_histories
from chat.log.events import Logged, Queued, Started
from chat.log.writer import HELD_ANSWERS
from chat.models import Answer, Session, Summary, Turn
from core.db.pool import Query, Rows
from core.db.statements import M, Plan, columns, row_of, statement
from core.leases import lease_end_sql
from models_registry.models import Endpoint

from .record import FirstEvents, SubmittedTurn

BATCH_INTERVAL = timedelta(seconds=30)
_LOCK = 7_262_011  # the key of the queue's PostgreSQL advisory lock

# own: the answers that this process writes. After a pause of the database, our leases have expired like those
# of dead processes. The next heartbeat renews them, unless another process claims them first.
#
# A summary is identified by its session's id. If its writer died, it is taken over only if it owes the session a title:
# the next answer enqueues a summary again, but no title.
_WAITING = """
    WITH asked AS (
        SELECT a.id, a.status, a.created_at, a.endpoint_id, s.user_id, a.is_batch, false AS is_summary,
            a.status = 'running' AND (a.lease_until >= now() OR a.id = ANY(%(own)s)) AS is_written
        FROM chat_answer AS a
        JOIN chat_turn AS t ON t.id = a.turn_id
        JOIN chat_session AS s ON s.id = t.session_id AND s.user_id IS NOT NULL
        WHERE a.status IN ('queued', 'running')
        UNION ALL
        SELECT m.session_id, m.status, m.queued_at, m.endpoint_id, s.user_id, true, true,
            m.status = 'running' AND m.lease_until >= now()
        FROM chat_summary AS m
        JOIN chat_session AS s ON s.id = m.session_id AND s.user_id IS NOT NULL
        WHERE m.status = 'queued' OR (m.status = 'running' AND (m.lease_until >= now() OR m.is_title_due))
    ), of_user AS (
        SELECT asked.*, last.at AS last_turn_at, row_number() OVER (
            PARTITION BY user_id ORDER BY is_written DESC, is_batch, created_at, id) AS nth_of_user
        FROM asked LEFT JOIN chat_lastturn AS last USING (user_id)
    )
"""
_FAIR = "nth_of_user, last_turn_at NULLS FIRST, created_at, id"
# Take the lock only if there is work: most polls find none and need not wait for each other.
_LOCK_IF_ANY = """
    WITH work AS MATERIALIZED (
        SELECT FROM chat_answer WHERE status IN ('queued', 'running')
            AND (status = 'queued' OR lease_until < now() AND id <> ALL(%s))
        UNION ALL SELECT FROM chat_summary
            WHERE status = 'queued' OR (status = 'running' AND is_title_due AND lease_until < now())
        LIMIT 1
    )
    SELECT pg_advisory_xact_lock(%s) FROM work
"""
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
# For a claim that is sent in the same pipeline: it takes nothing if the lock is not free.
_NOTE_LOCK = "SELECT set_config('ragsite.may_claim', pg_try_advisory_xact_lock(%s)::text, true)"
# lease_until: counted from now, not from the start of the transaction, which has waited for the lock since.
#
# turns_taken: written only while other users wait; otherwise no later claim needs to know whose turn was
# longest ago.
#
# started: the "started" event of a first claim, so that it needs no commit of its own. The log holds only
# queue positions so far, and the process that writes those holds the same lock. A later claim does not log it
# here, because its writer has to read the log first.
#
# place: 0 for the batch answer whose turn it is on its endpoint, 1 for interactive answers, 2 for the rest.
_CLAIM = f"""
    {_WAITING}, allowed AS (
        SELECT *, row_number() OVER (
            PARTITION BY endpoint_id, is_batch, is_written ORDER BY {_FAIR}) AS nth_of_kind
        FROM of_user WHERE is_written OR nth_of_user <= %(of_user)s
    ), placed AS (
        SELECT *, CASE WHEN NOT is_batch THEN 1 WHEN nth_of_kind > 1 OR is_written OR EXISTS (
            SELECT FROM chat_answer AS b
            WHERE b.is_batch AND b.endpoint_id = allowed.endpoint_id
                AND b.started_at > now() - make_interval(secs => %(batch_every_s)s)
        ) OR EXISTS (
            SELECT FROM chat_summary AS b
            WHERE b.endpoint_id = allowed.endpoint_id
                AND b.started_at > now() - make_interval(secs => %(batch_every_s)s)
        ) THEN 2 ELSE 0 END AS place
        FROM allowed
    ), waiting AS (
        SELECT *, row_number() OVER (
            PARTITION BY endpoint_id ORDER BY is_written DESC, place, {_FAIR}
        ) AS nth_of_endpoint
        FROM placed
    ), chosen AS (
        SELECT w.id, w.is_summary, w.user_id FROM waiting AS w
        LEFT JOIN (SELECT id AS endpoint_id, max_concurrent FROM models_registry_endpoint) AS e
            USING (endpoint_id)
        WHERE coalesce(current_setting('ragsite.may_claim', true), '') <> 'false'
            AND NOT w.is_written AND (e.max_concurrent IS NULL OR w.nth_of_endpoint <= e.max_concurrent)
        ORDER BY place, {_FAIR} LIMIT %(room)s
    ), free AS (
        SELECT a.id FROM chat_answer AS a JOIN chosen ON chosen.id = a.id AND NOT chosen.is_summary
        WHERE a.status IN ('queued', 'running') FOR NO KEY UPDATE OF a SKIP LOCKED
    ), answers AS (
        UPDATE chat_answer AS a SET status = 'running', fence = a.fence + 1,
            lease_until = {lease_end_sql("%(lease_s)s")},
            started_at = coalesce(a.started_at, now())
        FROM free WHERE a.id = free.id
        RETURNING a.id, a.fence, a.endpoint_name
    ), turns_taken AS (
        INSERT INTO chat_lastturn (user_id, at)
        SELECT DISTINCT user_id, statement_timestamp() FROM answers JOIN chosen USING (id)
        WHERE EXISTS (SELECT FROM waiting AS w WHERE NOT w.is_written AND w.user_id <> chosen.user_id)
        ON CONFLICT (user_id) DO UPDATE SET at = excluded.at
    ), started AS (
        INSERT INTO chat_answerevent (answer_id, seq, kind, data)
        SELECT id, 1 + (SELECT max(seq) FROM chat_answerevent WHERE answer_id = answers.id), 'started',
            jsonb_build_object('model', endpoint_name, 'fence', fence)
        FROM answers WHERE fence = 1
    ), summaries AS (
        UPDATE chat_summary AS m SET status = 'running', fence = m.fence + 1,
            lease_until = {lease_end_sql("%(lease_s)s")}, started_at = now()
        FROM chosen WHERE m.session_id = chosen.id AND chosen.is_summary AND (
            m.status = 'queued' OR (m.status = 'running' AND m.is_title_due AND m.lease_until < now())
        )
        RETURNING m.session_id
    )
    SELECT id, false FROM answers UNION ALL SELECT session_id, true FROM summaries
"""


@dataclass(frozen=True, slots=True)
class Claim:
    answer: Answer
    seq: int  # of the last event in its log
    history: History


@statement(atomic=True)
def claim_next(room: int, own: Sequence[UUID]) -> Plan[list[Claim | Summary]]:
    """Claim at most `room` answers and summaries that no process is writing.

    own: the answers of this process.
    """
    [is_work] = yield [(_LOCK_IF_ANY, [list(own), _LOCK])]
    if not is_work:
        return []
    [rows] = yield [_claim(room, own)]
    return (yield from _claims_of(rows))


@dataclass(frozen=True, slots=True)
class Admitted:
    first_events: FirstEvents
    claims: list[Claim | Summary]
    has_looked: bool  # False: no claim was tried, because another process holds the lock


@statement
def admit_and_claim(records: Sequence[SubmittedTurn], room: int, own: Sequence[UUID]) -> Plan[Admitted]:
    """Record questions, and claim answers in the same transaction as far as there is room.

    Two commits would take twice as long as one. The order of claims is the same as in `claim_next`: a new
    question does not overtake one that waits longer.
    """
    turns = [each.turn for each in records]
    # Take the advisory lock last: recording may wait for the row lock of a session, and no process could
    # claim meanwhile.
    asked = [*chain(*(each.queries() for each in records)), history_query(turns), (_NOTE_LOCK, [_LOCK])]
    found = yield [*asked, *([_claim(room, own)] if room else [])]
    [*stored, exchanges, [(may_claim,)]], claimed = found[: len(asked)], found[len(asked) :]
    begun = {
        id: events
        for each, rows in zip(records, stored[1::2], strict=True)  # after each session its turn
        for id, events in each.read_first_events(rows).items()
    }
    rows = [row for each in claimed for row in each]
    claims: list[Claim | Summary] = []
    claims += _claims_here(records, {id for id, _ in rows}, read_histories(exchanges, turns), begun)
    # With this commit the former writers lose these answers and can no longer append to their logs.
    claims += yield from _claims_of([row for row in rows if row[0] not in begun])
    return Admitted(begun, claims, has_looked=may_claim == "true")


def _claims_here(
    records: Sequence[SubmittedTurn],
    claimed: Collection[UUID],
    histories: Mapping[UUID, History],
    begun: FirstEvents,
) -> Iterator[Claim]:
    """Yield the claims on answers that were just recorded: their rows need not be read.

    Add their events to `begun`.
    """
    for answer in (answer for each in records for answer in each.answers if answer.pk in claimed):
        answer.status, answer.fence = Answer.Status.RUNNING, 1
        begun[answer.pk].append(Logged.of(2, started_event(answer)))
        yield Claim(answer, 2, histories[answer.turn_id])


def _claim(room: int, own: Sequence[UUID]) -> Query:
    return _CLAIM, {
        "room": room,
        "own": list(own),
        "of_user": settings.ANSWERS_PER_USER,
        "lease_s": Answer.LEASE.total_seconds(),
        "batch_every_s": BATCH_INTERVAL.total_seconds(),
    }


def _claims_of(rows: Rows) -> Plan[list[Claim | Summary]]:
    """Return the claims of these rows.

    The rows are locked, so no earlier writer can append to their logs any more.
    """
    answers, summaries = ([id for id, is_summary in rows if is_summary == kind] for kind in (False, True))
    claims: list[Claim | Summary] = []
    if answers:
        [found] = yield [(_CLAIMED, [answers, answers])]
        read = [_read_answer(values) for values in found]
        histories = yield from load_histories.plan([answer.turn for answer, _ in read])
        claims += [Claim(answer, seq, histories[answer.turn_id]) for answer, seq in read]
    if summaries:
        [found] = yield [(_CLAIMED_SUMMARIES, [summaries])]
        claims += map(_read_summary, found)
    return claims


_MODELS = (Answer, Turn, Session, Endpoint)
_CLAIMED = f"""
    SELECT {", ".join(map(columns, _MODELS, ("a", "t", "s", "e")))},
        (SELECT max(seq) FROM chat_answerevent WHERE answer_id = a.id)
    FROM chat_answer AS a
    JOIN chat_turn AS t ON t.id = a.turn_id
    JOIN chat_session AS s ON s.id = t.session_id
    LEFT JOIN models_registry_endpoint AS e ON e.id = a.endpoint_id
    WHERE a.id = ANY(%s) ORDER BY array_position(%s, a.id)
"""
_CLAIMED_SUMMARIES = f"""
    SELECT {", ".join(map(columns, (Summary, Endpoint), ("m", "e")))}
    FROM chat_summary AS m LEFT JOIN models_registry_endpoint AS e ON e.id = m.endpoint_id
    WHERE m.session_id = ANY(%s)
"""


def _read_answer(values: Sequence[Any]) -> tuple[Answer, int]:
    """Return a claimed answer, with its turn, session and endpoint, and its log's last sequence number."""
    left = iter(values)
    answer, turn, session = _next(Answer, left), _next(Turn, left), _next(Session, left)
    endpoint = _next(Endpoint, left)
    answer.turn, turn.session = turn, session
    answer.endpoint = endpoint if answer.endpoint_id else None
    return answer, next(left)


def _next(model: type[M], values: Iterator[Any]) -> M:
    return row_of(model, list(islice(values, len(model._meta.concrete_fields))))


def _read_summary(values: Sequence[Any]) -> Summary:
    left = iter(values)
    summary, endpoint = _next(Summary, left), _next(Endpoint, left)
    summary.endpoint = endpoint if summary.endpoint_id else None
    return summary


def started_event(answer: Answer) -> Started:
    """Return the first event of a claim.

    The SQL of a first claim has already logged it, at the claim's `seq`.
    """
    return Started(answer.endpoint_name, answer.fence)


_RENEW = f"""
    WITH held AS ({HELD_ANSWERS})
    UPDATE chat_answer SET lease_until = {lease_end_sql("%s")}
    FROM held WHERE chat_answer.id = held.id
    RETURNING chat_answer.id, stop_requested
"""


@statement
def renew_leases(
    fences: Mapping[UUID, int], lease_s: float = Answer.LEASE.total_seconds()
) -> Plan[dict[UUID, bool]]:
    """Renew the leases of answers. Return those that this process still holds, with their `stop_requested`.

    lease_s: 0 ends the leases now, so that another runner can take over at once.
    """
    [rows] = yield [(_RENEW, [list(fences), list(fences.values()), lease_s])]
    return dict(rows)


_MOVED_UP = f"""
    {_WAITING}, placed AS (
        SELECT id, row_number() OVER (ORDER BY is_batch, {_FAIR}) - 1 AS position
        FROM of_user WHERE status = 'queued'
    ), held AS (
        SELECT a.id, placed.position FROM placed JOIN chat_answer AS a ON a.id = placed.id
        WHERE a.status = 'queued' FOR NO KEY UPDATE OF a SKIP LOCKED
    )
    INSERT INTO chat_answerevent (answer_id, seq, kind, data)
    SELECT held.id, last.seq + 1, 'queued', jsonb_build_object('position', held.position)
    FROM held CROSS JOIN LATERAL (
        SELECT seq, data, at FROM chat_answerevent WHERE answer_id = held.id ORDER BY seq DESC LIMIT 1
    ) AS last
    WHERE last.at < now() - interval '1 second' AND (last.data ->> 'position')::int <> held.position
    ON CONFLICT DO NOTHING
    RETURNING answer_id, seq, (data ->> 'position')::int
"""


@statement(atomic=True)
def publish_queue_positions() -> Plan[dict[UUID, list[Logged]]]:
    """Log the queue position of each waiting answer that has moved, at most once a second for each."""
    [[(is_locked,)]] = yield [(_TRY_LOCK, [_LOCK])]
    if not is_locked:  # another process is claiming: the next heartbeat tries again
        return {}
    [rows] = yield [(_MOVED_UP, {"own": [], "of_user": settings.ANSWERS_PER_USER})]
    return {id: [Logged.of(seq, Queued(place))] for id, seq, place in rows}
