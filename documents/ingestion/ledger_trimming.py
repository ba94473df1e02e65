"""Trims the ledger: a document that is ingested again and again keeps its last stages and the first of each kind."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import connection
from django.db.models import Count

from documents.models import BatchEntry, LedgerEntry

KEPT = 200  # stages of a document; an attempt has fewer than ten, so none in progress loses any
BATCHES_KEPT = 1_000  # of a document; only the speed of recent ones is read
_SLACK = 50  # more rows than these are kept before a document is trimmed again
_AT_ONCE = 5_000  # rows of one statement

_TRIM_STAGES = """
    DELETE FROM documents_ledgerentry WHERE id IN (
        SELECT id FROM (
            SELECT id, outcome, row_number() OVER (ORDER BY id DESC) AS newest,
                row_number() OVER (PARTITION BY stage, outcome ORDER BY id) AS first_of_its_kind
            FROM documents_ledgerentry WHERE document_id = %s
        ) AS entry
        WHERE newest > %s AND first_of_its_kind > 1 AND outcome <> 'running' ORDER BY id LIMIT %s
    )
"""
_TRIM_BATCHES = """
    DELETE FROM documents_batchentry WHERE id IN (
        SELECT id FROM documents_batchentry WHERE document_id = %s AND id <= (
            SELECT id FROM documents_batchentry WHERE document_id = %s ORDER BY id DESC OFFSET %s LIMIT 1
        ) ORDER BY id LIMIT %s
    )
"""


def trim_ledgers() -> Iterator[int]:
    """Yield after each statement how many rows it deleted."""
    for document_id in _long(LedgerEntry, KEPT):
        yield from _repeat(_TRIM_STAGES, [document_id, KEPT, _AT_ONCE])
    for document_id in _long(BatchEntry, BATCHES_KEPT):
        yield from _repeat(_TRIM_BATCHES, [document_id, document_id, BATCHES_KEPT, _AT_ONCE])


def _long(model: type[LedgerEntry] | type[BatchEntry], kept: int) -> list[UUID]:
    """Return the documents with many more rows than are kept."""
    counted = model.objects.order_by().values("document").annotate(rows=Count("pk"))
    return list(counted.filter(rows__gt=kept + _SLACK).values_list("document", flat=True))


def _repeat(statement: str, values: Sequence[UUID | int]) -> Iterator[int]:
    deleted = _AT_ONCE
    while deleted == _AT_ONCE:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            deleted = cursor.rowcount
        yield deleted
