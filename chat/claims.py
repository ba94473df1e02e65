"""Who writes which answer, and in which order answers get their turn.

Claims of all processes come one after the other, under one lock of the database: only so do they count right
what is being written already. In this order: each user's first answer, then each one's second, and so on, so
that somebody who asks a hundred questions holds up nobody else. An endpoint has as many answers at once as
its operator allows, a user as many as RAGSITE_ANSWERS_PER_USER says, over all processes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from .events import Logged
from .history import Exchange, histories_before
from .log import HELD, last_seqs
from .models import Answer

_LOCK = 7_262_011  # of the queue, among PostgreSQL's advisory locks

# own: what this process writes. After a pause of the database our leases have run out as well as those of the
# dead; the next heartbeat renews them, if nobody was quicker.
_WAITING = """
    WITH asked AS (
        SELECT a.id, a.status, a.created_at, a.endpoint_id, s.user_id,
            a.status = 'running' AND (a.lease_until >= now() OR a.id = ANY(%(own)s)) AS is_written
        FROM chat_answer AS a
        JOIN chat_turn AS t ON t.id = a.turn_id
        JOIN chat_session AS s ON s.id = t.session_id
        WHERE a.status IN ('queued', 'running')
    ), of_user AS (
        SELECT *, row_number() OVER (
            PARTITION BY user_id ORDER BY is_written DESC, created_at, id) AS nth_of_user
        FROM asked
    ), waiting AS (
        SELECT *, row_number() OVER (
            PARTITION BY endpoint_id ORDER BY is_written DESC, nth_of_user, created_at, id) AS nth_of_endpoint
        FROM of_user WHERE is_written OR nth_of_user <= %(of_user)s
    )
"""
# Most looks find nothing, and need not wait for one another.
_LOCK_IF_ANY = """
    WITH work AS MATERIALIZED (
        SELECT FROM chat_answer WHERE status IN ('queued', 'running')
            AND (status = 'queued' OR lease_until < now() AND id <> ALL(%s)) LIMIT 1
    )
    SELECT pg_advisory_xact_lock(%s) FROM work
"""
_CLAIM = f"""
    {_WAITING}, chosen AS (
        SELECT a.id FROM waiting AS w
        JOIN chat_answer AS a ON a.id = w.id
        LEFT JOIN models_registry_endpoint AS e ON e.id = w.endpoint_id
        WHERE NOT w.is_written AND a.status IN ('queued', 'running')
            AND (e.max_concurrent IS NULL OR w.nth_of_endpoint <= e.max_concurrent)
        ORDER BY w.nth_of_user, w.created_at, w.id LIMIT %(room)s
        FOR NO KEY UPDATE OF a SKIP LOCKED
    )
    UPDATE chat_answer AS a SET status = 'running', fence = a.fence + 1,
        lease_until = now() + make_interval(secs => %(lease_s)s), started_at = coalesce(a.started_at, now())
    FROM chosen WHERE a.id = chosen.id
    RETURNING a.id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    answer: Answer
    seq: int  # of the last event in its log
    history: Sequence[Exchange]


@transaction.atomic
def claimed(room: int, own: Sequence[UUID]) -> list[Claim]:
    """Take at most `room` answers that nobody writes, besides `own`."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_IF_ANY, [list(own), _LOCK])
        if cursor.fetchone() is None:
            return []
        limits = {"of_user": settings.ANSWERS_PER_USER, "lease_s": Answer.LEASE.total_seconds()}
        cursor.execute(_CLAIM, {"room": room, "own": list(own), **limits})
        ids = [id for (id,) in cursor.fetchall()]
    if not ids:
        return []
    # The rows are locked now, so that no earlier writer adds to their logs any more.
    answers = Answer.objects.filter(pk__in=ids).select_related("endpoint", "turn__session")
    seqs, histories = last_seqs(ids), histories_before([each.turn for each in answers])
    return [Claim(each, seqs[each.pk], histories[each.turn_id]) for each in answers]


_RENEW = f"""
    WITH held AS ({HELD})
    UPDATE chat_answer SET lease_until = statement_timestamp() + make_interval(secs => %s)
    FROM held WHERE chat_answer.id = held.id
    RETURNING chat_answer.id, stop_requested
"""


def renewed(fences: Mapping[UUID, int]) -> dict[UUID, bool]:
    """Renew leases. Returns those that we still hold, and whether they are to stop."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [list(fences), list(fences.values()), Answer.LEASE.total_seconds()])
        return dict(cursor.fetchall())


def released(fences: Mapping[UUID, int]) -> None:
    """End leases now, so that another runner need not wait for them."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [list(fences), list(fences.values()), 0])


_MOVED_UP = f"""
    {_WAITING}, placed AS (
        SELECT id, row_number() OVER (ORDER BY nth_of_user, created_at, id) - 1 AS position
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


@transaction.atomic
def moved_up() -> dict[UUID, list[Logged]]:
    """Log the new place of those who wait, where it has changed, for each at most once in a second."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:  # somebody claims: then a second later
            return {}
        cursor.execute(_MOVED_UP, {"own": [], "of_user": settings.ANSWERS_PER_USER})
        return {id: [Logged(seq, "queued", {"position": place})] for id, seq, place in cursor.fetchall()}
