"""What people put in, and the ledger of how it became searchable."""

import uuid
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from accounts.models import User
from workspaces.models import Workspace


def _media_path(document: "Document", filename: str) -> str:
    """Name the stored file by ids only: what people call their files never becomes a path."""
    return f"workspaces/{document.workspace_id}/{document.id}"


class DocumentQuerySet(models.QuerySet["Document"]):
    def due(self) -> "DocumentQuerySet":
        """What somebody should work on now: never started, its pause is over, or its worker is gone."""
        now = timezone.now()
        waiting = models.Q(status=Document.Status.PENDING, next_attempt_at__lte=now)
        abandoned = models.Q(status=Document.Status.PROCESSING, lease_until__lt=now)
        return self.filter(waiting | abandoned)

    def unqueued(self) -> "DocumentQuerySet":
        """Return what is due and no worker was asked for, or so long ago that the message may be lost."""
        lost = timezone.now() - Document.QUEUE_PATIENCE
        return self.due().filter(models.Q(queued_at=None) | models.Q(queued_at__lt=lost))


class Document(models.Model):
    """One thing somebody added."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        TEXT = "text", "Text"
        QA = "qa", "Question and answer"
        SITE = "site", "Website"
        PAGE = "page", "Web page"  # of a website
        FEED = "feed", "Feed"
        POST = "post", "Post"  # of a feed

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        PROCESSING = "processing", "Working"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"  # the dead-letter list: Retry or Delete

    class Stage(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        FETCH = "fetch", "Fetching"
        EXTRACT = "extract", "Reading"
        CHUNK = "chunk", "Cutting into chunks"
        EMBED = "embed", "Embedding"
        PUBLISH = "publish", "Publishing"
        DONE = "done", "Searchable"

    WRITTEN = (Kind.TEXT, Kind.QA)  # here, by somebody who may change it here
    LEASE = timedelta(seconds=30)
    QUEUE_PATIENCE = timedelta(minutes=10)
    MAX_ATTEMPTS = 5

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FILE)
    # What it was found through: a page's website, a post's feed
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    url = models.URLField(max_length=2000, blank=True)  # where it lives on the web, in canonical form
    # What `manage.py ingest` found it in: a folder of the machine it ran on, and the way down from there
    folder = models.CharField(max_length=300, blank=True)
    path = models.CharField(max_length=500, blank=True)
    title = models.CharField(
        max_length=300
    )  # the file's name, as its owner calls it; of a pair, the question
    file = models.FileField(upload_to=_media_path, max_length=200)
    media_type = models.CharField(max_length=100)  # as found by content, not by name
    size_bytes = models.BigIntegerField()
    content_sha256 = models.CharField(max_length=64)
    language = models.CharField(max_length=2)  # one of the workspace's
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # The ledger's summary of this document: always says where it stands and what happens next
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.QUEUED)
    progress_done = models.PositiveIntegerField(default=0)  # chunks embedded
    progress_total = models.PositiveIntegerField(default=0)  # chunks in all, 0 until they are counted
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)  # in words, for people
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    queued_at = models.DateTimeField(null=True)  # when a worker was last asked; null once one has taken it
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)  # grows with each claim; a stale worker's write fails
    ready_at = models.DateTimeField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    page_count = models.PositiveIntegerField(null=True)
    character_count = models.PositiveIntegerField(default=0)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "title", "content_sha256"],
                name="same_file_once_per_workspace",
                condition=models.Q(parent=None, folder=""),
            ),
            models.UniqueConstraint(
                fields=["workspace", "folder", "path"],
                name="one_document_per_path",
                condition=~models.Q(folder=""),
            ),
            models.UniqueConstraint(
                fields=["parent", "url"],
                name="one_child_per_address",
                condition=models.Q(parent__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"]),  # the workspace's list
            models.Index(fields=["status", "next_attempt_at"]),  # due()
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def web_address(self) -> str:
        """Where it can be opened on the web, or "". No other scheme ever becomes a link."""
        return self.url if self.url.startswith(("http://", "https://")) else ""

    @property
    def percent(self) -> int:
        """How far embedding is, 0 to 100."""
        return 100 * self.progress_done // self.progress_total if self.progress_total else 0


class Section(models.Model):
    """A stretch of a document with one place in its structure. Replaced as a whole when it is ingested."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sections")
    position = models.PositiveIntegerField()  # from 0, in reading order
    text = models.TextField()  # begins with its own heading, if it has one
    title_path = models.JSONField(default=list)  # headings from the outermost in
    page = models.PositiveIntegerField(null=True)  # from 1, where the format has pages

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="one_section_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.document_id}#{self.position}"


class LedgerEntry(models.Model):
    """One stage of one attempt at one document: what happened, how long it took, what it said."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="ledger")
    attempt = models.PositiveIntegerField()
    stage = models.CharField(max_length=10, choices=Document.Stage)
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
    """One batch of chunks of one document, by content: written in the transaction that stages them."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="batches")
    attempt = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField()  # from 0
    content_sha256 = models.CharField(max_length=64)  # of the batch's chunk hashes
    chunk_count = models.PositiveIntegerField()
    embedded_count = models.PositiveIntegerField()  # the rest was found embedded already
    took_ms = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "batch entries"

    def __str__(self) -> str:
        return f"{self.document_id} batch {self.ordinal}"


class Upload(models.Model):
    """A file that somebody is about to send: where it goes, and what became of it."""

    LIFETIME = timedelta(hours=24)  # what did not become a document by then is thrown away

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=300)  # as its owner calls the file
    size_bytes = models.BigIntegerField()  # as announced
    language = models.CharField(max_length=2)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    document = models.ForeignKey(Document, null=True, on_delete=models.CASCADE, related_name="+")
    refusal = models.TextField(blank=True)  # why it became none, in words

    class Meta:
        indexes = [models.Index(fields=["created_at"])]  # those to be thrown away

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Its name in the storage until it is a document's: made by us, so nobody chooses where they write."""
        return f"uploads/{self.id}"


@receiver(post_delete, sender=Upload)
def _remove_upload(instance: Upload, **_: Any) -> None:
    """Remove what was sent. A document has a copy of its own."""
    transaction.on_commit(lambda: default_storage.delete(instance.key))


@receiver(post_delete, sender=Document)
def _remove_file(instance: Document, **_: Any) -> None:
    """Remove the stored file once the row is really gone, also when the whole workspace was deleted."""
    storage, name = instance.file.storage, instance.file.name
    if name:
        transaction.on_commit(lambda: storage.delete(name))


from .sources.models import Address, Source  # noqa: E402, F401 (they belong to this app, and need Document)
