"""A worker's hold on one piece of work: taken by a conditional update, kept by a heartbeat, proved at each write.

The work is a document, or a document's way into an index that is being built. Every claim raises its fence.
Whoever lost its claim (its lease ran out, the document was deleted, another worker took over) finds no row
to update, and stops with Superseded before it harms. Leases go by the clock of the database, for those of two
machines differ.
"""

import json
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from documents.models import Document, LedgerEntry, ReindexItem, Work

log = logging.getLogger(__name__)

_S = Work.Status
_FIRST_PAUSE_S = 5  # then three times as long each time: 5, 15, 45, 135 s

# Each document passes four of these, and a small one is little else: one statement costs a quarter of four.
_NEXT_STAGE = """
WITH mine AS (
    UPDATE {work} SET stage = %(stage)s, progress_total = coalesce(%(progress_total)s, progress_total),
        lease_until = statement_timestamp() + %(lease)s, moved_at = %(now)s, updated_at = %(now)s
    WHERE id = %(id)s AND fence = %(fence)s AND status = 'processing' RETURNING id
), closed AS (
    UPDATE documents_ledgerentry SET outcome = 'done', detail = %(detail)s, finished_at = %(now)s
    WHERE id = %(ended)s AND EXISTS (SELECT FROM mine)
)
INSERT INTO documents_ledgerentry (document_id, index_number, attempt, stage, outcome, detail, started_at)
SELECT %(document_id)s, %(index_number)s, %(attempt)s, %(stage)s, 'running', '{{}}', %(now)s FROM mine
RETURNING id
"""


class Superseded(Exception):
    """Somebody else has the document now, or it is gone."""


def claim_work(id: Any, of: type[Document] | type[ReindexItem] = Document) -> "Claim | None":
    """Return a claim to the work with this key if it is due and free, else None."""
    now = timezone.now()
    with transaction.atomic():
        taken = of.objects.due().filter(pk=id).update(
            status=_S.PROCESSING, stage=Work.Stage.QUEUED, progress_done=0, progress_total=0, error="",
            attempt=F("attempt") + 1, fence=F("fence") + 1, lease_until=Now() + Work.LEASE,
            next_attempt_at=None, queued_at=None, moved_at=now, updated_at=now,
        )  # fmt: skip
        if not taken:
            return None
        claim = Claim(of.objects.with_settings().get(pk=id))
        if not claim.is_first:
            claim.close_what_a_dead_worker_left()
    if claim.work.attempt > Work.MAX_ATTEMPTS:
        claim.fail(
            f"Its worker stopped {Work.MAX_ATTEMPTS} times while it was at work, perhaps for lack of memory. "
            "Look at the worker's log, then retry."
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
        self.work = work  # as it was when it was claimed, and so the rest
        self.document = work if isinstance(work, Document) else work.document
        self.workspace = work.workspace  # with the settings to work by
        self.is_first = work.fence == 1  # nobody had it before, and left anything
        self.is_lost = threading.Event()
        self._ended: Step | None = None  # well, and open in the ledger until the next stage begins

    @contextmanager
    def guarded(self, **fields: Any) -> Iterator[None]:
        """Hold the work's row for a transaction, after changing `fields`. Raises Superseded."""
        now = timezone.now()
        with transaction.atomic():
            self._update(lease_until=Now() + Work.LEASE, moved_at=now, **fields)
            yield

    @contextmanager
    def stage(self, stage: Work.Stage, progress_total: int | None = None) -> Iterator[Step]:
        """Show the stage on the work, and write in the ledger how it went. Raises Superseded."""
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
        """Return what a row of the ledger says of this attempt."""
        return {
            "document_id": self.document.pk,
            "index_number": self.workspace.index_number,
            "attempt": self.work.attempt,
        }

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew the lease from a thread, so that a long step is not taken for a dead worker."""
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(done,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self, done: threading.Event) -> None:
        while not done.wait(Work.LEASE.total_seconds() / 3):
            try:
                self._change(lease_until=Now() + Work.LEASE)
            except Superseded:
                self.is_lost.set()
                return
            except Error:
                log.warning("%s: the lease could not be renewed.", self, exc_info=True)
            finally:
                connection.close()

    # --- how it ends --------------------------------------------------------------------------

    def finish(self, **fields: Any) -> None:
        """Mark the work done. Call it in the transaction that publishes its chunks."""
        now = timezone.now()
        self._update(status=_S.READY, stage=Work.Stage.DONE, lease_until=None, ready_at=now, **fields)

    def fail(self, reason: str) -> None:
        """Put the work on the dead-letter list."""
        self._update(status=_S.FAILED, error=reason, lease_until=None)

    def postpone(self, reason: str, least_s: float = 0) -> None:
        """Have it tried again after a pause, or fail it when that was the last attempt.

        least_s: how long the other side asked us to wait.
        """
        attempt = self.work.attempt
        if attempt >= Work.MAX_ATTEMPTS:
            self.fail(f"{reason} It was tried {attempt} times. Retry when the cause is gone.")
            return
        pause_s = _FIRST_PAUSE_S * 3 ** (attempt - 1) * random.uniform(0.8, 1.2)
        then = timezone.now() + timedelta(seconds=max(pause_s, least_s))
        sentence = f"{reason} It will be tried again at {_clock(then)} (attempt {attempt + 1} of {Work.MAX_ATTEMPTS})."
        self._update(
            status=_S.PENDING,
            stage=Work.Stage.QUEUED,
            error=sentence,
            lease_until=None,
            next_attempt_at=then,
        )

    def pause(self, until: datetime) -> None:
        """Give it back for others to have a turn; there is more to do, and it went well so far."""
        self._update(
            status=_S.PENDING,
            stage=Document.Stage.QUEUED,
            lease_until=None,
            next_attempt_at=until,
            attempt=0,
        )

    def release(self) -> None:
        """Give it back untouched: we were told to stop."""
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
            detail={"error": "Its worker stopped before the end."},
            finished_at=timezone.now(),
        )

    def __str__(self) -> str:
        building = "" if self.document is self.work else ", for the next index"
        return f"Document {self.document.pk}{building}"

    def _update(self, **fields: Any) -> None:
        self._change(**fields)
        if self._ended:
            self._ended.close()

    def _change(self, **fields: Any) -> None:
        work = type(self.work).objects.filter(pk=self.work.pk)
        mine = work.filter(fence=self.work.fence, status=_S.PROCESSING)
        if not mine.update(updated_at=timezone.now(), **fields):
            raise Superseded


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
