"""Chooses the next document to ingest: users and workspaces take turns, and large files leave room for others.

Messages come in the order in which documents were added. Taken as they come, a folder of a hundred thousand files
would keep everybody else waiting for a day. So a message only says that some document is due, and the worker takes
one of the user whom it has served longest ago.
"""

import time
from uuid import UUID

from django.conf import settings
from django.db import connection

from core.leases import lease_expired
from documents.models import Document

LARGE_BYTES = 20 * 1024 * 1024
# One row per user of a workspace with waiting documents, by a loose index scan: it reads an entry or two per user,
# however many documents wait (https://wiki.postgresql.org/wiki/Loose_indexscan).
_FIRST_OF_EACH = """
WITH RECURSIVE waiting AS (
    (SELECT workspace_id, coalesce(created_by_id, workspace_id) AS user_id FROM documents_document WHERE status = 'pending'
     ORDER BY workspace_id, coalesce(created_by_id, workspace_id) LIMIT 1)
    UNION ALL
    SELECT further.* FROM waiting, LATERAL (
        SELECT workspace_id, coalesce(created_by_id, workspace_id) FROM documents_document WHERE status = 'pending'
        AND (workspace_id, coalesce(created_by_id, workspace_id)) > (waiting.workspace_id, waiting.user_id)
        ORDER BY workspace_id, coalesce(created_by_id, workspace_id) LIMIT 1) AS further
)
SELECT waiting.workspace_id, waiting.user_id, first.id FROM waiting, LATERAL (
    SELECT id, next_attempt_at FROM documents_document
    WHERE status = 'pending' AND workspace_id = waiting.workspace_id AND coalesce(created_by_id, workspace_id) = waiting.user_id
    AND next_attempt_at <= statement_timestamp() AND kind NOT IN ('site', 'feed') AND size_bytes <= %s
    ORDER BY next_attempt_at LIMIT 1) AS first
ORDER BY first.next_attempt_at
"""
_served: dict[tuple[UUID, UUID], float] = {}  # when this process last chose a document of this user
_MOST_KNOWN = 10_000


def choose_document(asked: UUID) -> UUID:
    """Return the document to ingest now, on a message about this one. It is this one if no other is due."""
    if Document.objects.filter(lease_expired(), pk=asked, status=Document.Status.PROCESSING).exists():
        return asked  # its worker died
    largest = LARGE_BYTES if _large_are_busy() else 2**62
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_OF_EACH, [largest])
        due: list[tuple[tuple[UUID, UUID], UUID]] = [
            ((workspace, user), document) for workspace, user, document in cursor.fetchall()
        ]
    if not due:
        return asked
    who, chosen = min(due, key=lambda each: _served.get(each[0], 0.0))
    if len(_served) > _MOST_KNOWN:
        _served.clear()
    _served[who] = time.monotonic()
    return chosen


def _large_are_busy() -> bool:
    """Return whether as many large files are being ingested as may be at once."""
    large = Document.objects.filter(
        ~lease_expired(), status=Document.Status.PROCESSING, size_bytes__gt=LARGE_BYTES
    )
    return large.count() >= settings.LARGE_FILES_AT_ONCE
