"""The ledger records how each document became searchable, stage by stage and batch by batch."""

from django.db import models
from django.utils import timezone

from .document import Document
from .work import Work


class LedgerEntry(models.Model):
    """One stage of one attempt to ingest one document, with its outcome, its duration and its details."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="ledger")
    index_number = models.PositiveIntegerField(default=0)  # the workspace's index that this was done for
    attempt = models.PositiveIntegerField()
    stage = models.CharField(max_length=10, choices=Work.Stage)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.RUNNING)
    detail = models.JSONField(default=dict)  # counts, parser, error
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.document_id} {self.stage} {self.outcome}"


class BatchEntry(models.Model):
    """One batch of a document's chunks, identified by content. The transaction that stages it writes it."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="batches")
    index_number = models.PositiveIntegerField(default=0)  # the workspace's index that this was done for
    attempt = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField()  # from 0
    content_sha256 = models.CharField(max_length=64)  # over the batch's chunk hashes
    chunk_count = models.PositiveIntegerField()
    embedded_count = models.PositiveIntegerField()  # the other chunks had their vectors already
    took_ms = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "batch entries"

    def __str__(self) -> str:
        return f"{self.document_id} batch {self.ordinal}"
