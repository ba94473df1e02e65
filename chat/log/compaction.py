"""Log compaction: merges each run of delta or thinking events of an old log into one row.

Readers still get the same events.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection

AFTER = timedelta(days=1)  # since the answer ended
_BATCH_SIZE = 500  # answers in one statement

# The row of a run's last event stays, so that the log keeps its last sequence number.
_COMPACT = """
    WITH old AS (
        SELECT id FROM chat_answer
        WHERE ended_at < now() - make_interval(secs => %s) AND NOT has_compact_log ORDER BY ended_at LIMIT %s
        FOR NO KEY UPDATE SKIP LOCKED
    ), words AS (
        SELECT answer_id, seq, kind, data,
            seq - row_number() OVER (PARTITION BY answer_id, kind ORDER BY seq) AS run
        FROM chat_answerevent
        WHERE kind IN ('delta', 'thinking') AND NOT data ? 'takes_back' AND answer_id IN (SELECT id FROM old)
    ), runs AS (
        SELECT answer_id, kind, min(seq) AS first, max(seq) AS last, jsonb_agg(data -> 'text' ORDER BY seq) AS texts
        FROM words GROUP BY answer_id, kind, run HAVING count(*) > 1
    ), gone AS (
        DELETE FROM chat_answerevent AS e USING runs AS r
        WHERE e.answer_id = r.answer_id AND e.seq >= r.first AND e.seq < r.last
    ), kept AS (
        UPDATE chat_answerevent AS e SET kind = r.kind || 's', data = jsonb_build_object('texts', r.texts)
        FROM runs AS r WHERE e.answer_id = r.answer_id AND e.seq = r.last
    )
    UPDATE chat_answer AS a SET has_compact_log = true FROM old WHERE a.id = old.id
"""


def compact_in_parts() -> Iterator[int]:
    """Compact the logs of answers that ended a while ago. Yield after each statement how many answers it did.

    It is idempotent and safe to kill.
    """
    done = _BATCH_SIZE
    while done == _BATCH_SIZE:
        with connection.cursor() as cursor:
            cursor.execute(_COMPACT, [AFTER.total_seconds(), _BATCH_SIZE])
            done = cursor.rowcount
        yield done
