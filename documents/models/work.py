"""Work that a worker claims under a lease: its state, its queue and its fencing token."""

from datetime import timedelta
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from core.leases import lease_expired

_Work = TypeVar("_Work", bound="Work")


class WorkQuerySet(models.QuerySet[_Work]):
    def due(self) -> Self:
        """Return work that a worker can claim now: it waits and its pause is over, or its lease expired."""
        waiting = models.Q(status=Work.Status.PENDING, next_attempt_at__lte=Now())
        abandoned = lease_expired() & models.Q(status=Work.Status.PROCESSING)
        return self.filter(waiting | abandoned)

    def unqueued(self) -> Self:
        """Return due work that has no message on the broker, or one so old that it may be lost."""
        lost = timezone.now() - Work.QUEUE_TIMEOUT
        return self.due().filter(models.Q(queued_at=None) | models.Q(queued_at__lt=lost))

    def waiting_for_endpoint(self) -> Self:
        """Return failed work that restarts when a check finds its endpoint well (endpoint_waits.resume)."""
        return self.filter(status=Work.Status.FAILED, waits_for__isnull=False)

    def restart(self, **more: Any) -> int:
        """Restart the work from the beginning. Return the number of rows. more: other columns to change."""
        return self.update(**Work.restart_values(), **more)


class Work(models.Model):
    """Work that a worker claims under a lease. The row always shows its status, stage and next attempt."""

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        PROCESSING = "processing", "Working"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"  # a dead letter: Replay or Discard

    class Stage(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        FETCH = "fetch", "Fetching"
        EXTRACT = "extract", "Reading"
        CHUNK = "chunk", "Cutting into chunks"
        SUMMARISE = "summarise", "Summarising"
        EMBED = "embed", "Embedding"
        PUBLISH = "publish", "Publishing"
        DONE = "done", "Searchable"

    LEASE = timedelta(seconds=15)
    QUEUE_TIMEOUT = timedelta(minutes=10)
    LOST_AFTER = timedelta(seconds=10)  # a message this old is lost if the broker's queue is empty
    MAX_ATTEMPTS = 5

    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.QUEUED)
    progress_done = models.PositiveIntegerField(default=0)  # chunks embedded
    progress_total = models.PositiveIntegerField(default=0)  # chunks in all, 0 until they are counted
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)  # a sentence for people
    # It failed because of this endpoint, and restarts when a check finds the endpoint well
    waits_for = models.ForeignKey(
        "models_registry.Endpoint", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # How often that happened after failures that may be the document's fault
    resumptions = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    queued_at = models.DateTimeField(null=True)  # when its message was last sent; null after a claim
    lease_until = models.DateTimeField(null=True)
    # The fencing token: it grows with each claim, so a stale worker's write fails
    fence = models.PositiveBigIntegerField(default=0)
    moved_at = models.DateTimeField(default=timezone.now)  # when its stage or progress last changed
    ready_at = models.DateTimeField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    page_count = models.PositiveIntegerField(null=True)
    character_count = models.PositiveIntegerField(default=0)
    # What was read and what was not: `Extraction.report`; {} for a document that was read before this was kept
    reading = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    summary = models.TextField(blank=True)  # by the workspace's summarizer, if it has one
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    @staticmethod
    def restart_values() -> dict[str, Any]:
        """Return the column values that make work wait for a worker as if it had never been tried."""
        return {
            "status": Work.Status.PENDING, "stage": Work.Stage.QUEUED, "attempt": 0, "error": "",
            "progress_done": 0, "progress_total": 0, "lease_until": None, "next_attempt_at": Now(),
            "queued_at": None, "updated_at": Now(), "waits_for": None, "resumptions": 0,
        }  # fmt: skip

    @property
    def percent(self) -> int:
        """Return how much is embedded, in percent."""
        return 100 * self.progress_done // self.progress_total if self.progress_total else 0
