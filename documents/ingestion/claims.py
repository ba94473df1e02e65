"""A worker's claim to one piece of work: taken by a conditional update, kept by a heartbeat, checked at each write.

The work is a document, or the ingestion of a document into an index that is being built. Every claim
increments the fencing token `fence`. A worker that lost its claim (its lease expired, the document was
deleted, another worker took over) finds no row to update, and stops with Superseded before it does harm.
Leases use the database's clock, because the clocks of two machines differ.
"""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from core.leases import Lease, Superseded, lease_end
from documents.models import Document, LedgerEntry, ReindexItem, Work
from models_registry.models import Endpoint

log = logging.getLogger(__name__)

_S = Work.Status
_FIRST_PAUSE_S = 5  # exponential back-off by a factor of three: 5, 15, 45, 135 s

# Each document passes through four stages, and a small one takes little else: one statement instead of four
# costs a quarter.
_NEXT_STAGE = """
WITH mine AS (
    UPDATE {work} SET stage = %(stage)s, progress_total = coalesce(%(progress_total)s, progress_total),
        lease_until = statement_timestamp() + %(lease)s, moved_at = statement_timestamp(), updated_at = statement_timestamp()
    WHERE id = %(id)s AND fence = %(fence)s AND status = 'processing' RETURNING id
), closed AS (
    UPDATE documents_ledgerentry SET outcome = 'done', detail = %(detail)s, finished_at = %(now)s
    WHERE id = %(ended)s AND EXISTS (SELECT FROM mine)
)
INSERT INTO documents_ledgerentry (document_id, index_number, attempt, stage, outcome, detail, started_at)
SELECT %(document_id)s, %(index_number)s, %(attempt)s, %(stage)s, 'running', '{{}}', %(now)s FROM mine
RETURNING id
"""


def claim_work(id: Any, of: type[Document] | type[ReindexItem] = Document) -> "Claim | None":
    """Return a claim to the work with this key if it is due and free, else None."""
    with transaction.atomic():
        taken = of.objects.due().filter(pk=id).update(
            status=_S.PROCESSING, stage=Work.Stage.QUEUED, progress_done=0, progress_total=0, error="", waits_for=None,
            attempt=F("attempt") + 1, fence=F("fence") + 1, lease_until=lease_end(Work.LEASE),
            next_attempt_at=None, queued_at=None, moved_at=Now(), updated_at=Now(),
        )  # fmt: skip
        if not taken:
            return None
        claim = Claim(of.objects.with_settings().get(pk=id))
        if not claim.is_first:
            claim.close_what_a_dead_worker_left()
    if claim.work.attempt > Work.MAX_ATTEMPTS:
        claim.fail(
            f"The worker stopped {Work.MAX_ATTEMPTS} times while it worked on this, perhaps for lack of memory. "
            "Check the worker's log, then retry."
        )
        return None
    return claim


class Step:
    """One stage of one attempt, in the ledger."""

    def __init__(self, entry_id: int) -> None:
        self.entry_id = entry_id
        self.is_open = True
        self.detail: dict[str, Any] = {}

    def close(self, outcome: LedgerEntry.Outcome = LedgerEntry.Outcome.DONE, **detail: Any) -> None:
        if self.is_open:
            self.is_open = False
            LedgerEntry.objects.filter(pk=self.entry_id).update(
                outcome=outcome, detail=self.detail | detail, finished_at=timezone.now()
            )


class Claim:
    def __init__(self, work: Document | ReindexItem) -> None:
        self.work = work  # as of the claim, like the attributes below
        self.document = work if isinstance(work, Document) else work.document
        self.workspace = work.workspace  # with the settings to use
        self.is_first = work.fence == 1  # no earlier worker can have left anything
        rows = type(work).objects.filter(pk=work.pk)
        self.lease = Lease(rows.filter(fence=work.fence, status=_S.PROCESSING), Work.LEASE)
        self._ended: Step | None = None  # succeeded; stays open in the ledger until the next one begins

    @contextmanager
    def hold_row(self, **fields: Any) -> Iterator[None]:
        """Update `fields` and hold the lock on the work's row for a transaction. Raises Superseded."""
        with transaction.atomic():
            self._update(lease_until=lease_end(Work.LEASE), moved_at=Now(), **fields)
            yield

    @contextmanager
    def stage(self, stage: Work.Stage, progress_total: int | None = None) -> Iterator[Step]:
        """Store the stage on the work, and its outcome in the ledger. Raises Superseded."""
        step = self._next_stage(stage, progress_total)
        try:
            yield step
        except Exception as error:
            step.close(LedgerEntry.Outcome.FAILED, error=str(error) or type(error).__name__)
            raise
        self._ended = step

    def _next_stage(self, stage: Work.Stage, progress_total: int | None) -> Step:
        now = timezone.now()
        ended = self._ended if self._ended and self._ended.is_open else None
        values = {
            "id": self.work.pk, "fence": self.work.fence, "stage": stage, "progress_total": progress_total,
            "lease": Work.LEASE, "now": now, "ended": ended and ended.entry_id,
            "detail": json.dumps(ended.detail if ended else {}), **self.entry(),
        }  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(_NEXT_STAGE.format(work=self.work._meta.db_table), values)
            if not (row := cursor.fetchone()):
                raise Superseded
        self._ended = None
        return Step(row[0])

    def entry(self) -> dict[str, Any]:
        """Return the columns that identify this attempt in the ledger."""
        return {
            "document_id": self.document.pk,
            "index_number": self.workspace.index_number,
            "attempt": self.work.attempt,
        }

    def keep_alive(self) -> AbstractContextManager[None]:
        """Renew the lease in the background while the work runs."""
        return self.lease.keep_alive()

    @property
    def is_last_attempt(self) -> bool:
        return self.work.attempt >= Work.MAX_ATTEMPTS

    @property
    def is_lost(self) -> bool:
        return self.lease.is_lost.is_set()

    # --- the end of a claim -------------------------------------------------------------------

    def finish(self, **fields: Any) -> None:
        """Mark the work as ready. Call it in the transaction that publishes its chunks."""
        self._update(
            status=_S.READY,
            stage=Work.Stage.DONE,
            lease_until=None,
            ready_at=timezone.now(),
            resumptions=0,
            **fields,
        )

    def fail(self, reason: str) -> None:
        """Put the work on the dead-letter list."""
        self._update(status=_S.FAILED, error=reason, lease_until=None)

    def wait_for(self, endpoint: Endpoint, reason: str, *, resumptions: int) -> None:
        """Put the work on the dead-letter list until the endpoint is well again (endpoint_waits.resume)."""
        sentence = f"{reason} It goes on by itself when {endpoint.name} is well again."
        self._update(
            status=_S.FAILED, error=sentence, lease_until=None, waits_for=endpoint, resumptions=resumptions
        )

    def postpone(self, reason: str, least_s: float = 0) -> None:
        """Schedule a retry with back-off, or fail the work after its last attempt.

        least_s: how long the other side asked us to wait.
        """
        attempt = self.work.attempt
        if self.is_last_attempt:
            self.fail(f"{reason} It was tried {attempt} times. Retry when the cause is fixed.")
            return
        pause_s = _FIRST_PAUSE_S * 3 ** (attempt - 1) * random.uniform(0.8, 1.2)
        then = timezone.now() + timedelta(seconds=max(pause_s, least_s))
        # Pages show `next_attempt_at` after it, in the reader's words for a time.
        sentence = f"{reason} It will be tried again (attempt {attempt + 1} of {Work.MAX_ATTEMPTS})."
        self._update(
            status=_S.PENDING,
            stage=Work.Stage.QUEUED,
            error=sentence,
            lease_until=None,
            next_attempt_at=then,
        )

    def pause(self, until: datetime) -> None:
        """Release the work until then, so that other work gets a turn.

        It went well so far, and there is more to do.
        """
        self._update(
            status=_S.PENDING,
            stage=Document.Stage.QUEUED,
            lease_until=None,
            next_attempt_at=until,
            attempt=0,
        )

    def release(self) -> None:
        """Release the work without counting the attempt, because this worker was told to stop."""
        self._update(
            status=_S.PENDING, stage=Work.Stage.QUEUED, lease_until=None, next_attempt_at=timezone.now(),
            attempt=F("attempt") - 1,
        )  # fmt: skip

    def close_what_a_dead_worker_left(self) -> None:
        LedgerEntry.objects.filter(
            document=self.document,
            index_number=self.workspace.index_number,
            outcome=LedgerEntry.Outcome.RUNNING,
        ).update(
            outcome=LedgerEntry.Outcome.FAILED,
            detail={"error": "The worker stopped before the end."},
            finished_at=timezone.now(),
        )

    def __str__(self) -> str:
        building = "" if self.document is self.work else ", for the next index"
        return f"Document {self.document.pk}{building}"

    def _update(self, **fields: Any) -> None:
        self.lease.update(updated_at=Now(), **fields)
        if self._ended:
            self._ended.close()
