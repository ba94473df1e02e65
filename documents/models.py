"""What people put in, and the ledger of how it became searchable."""

import uuid
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models.functions import Now
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from workspaces.models import Reindex, Workspace


def _media_path(document: "Document", filename: str) -> str:
    """Name the stored file by ids only: what people call their files never becomes a path."""
    return f"workspaces/{document.workspace_id}/{document.id}"


_Work = TypeVar("_Work", bound="Work")


class WorkQuerySet(models.QuerySet[_Work]):
    def due(self) -> Self:
        """What somebody should work on now: never started, its pause is over, or its worker is gone."""
        now = timezone.now()
        waiting = models.Q(status=Work.Status.PENDING, next_attempt_at__lte=now)
        abandoned = models.Q(status=Work.Status.PROCESSING, lease_until__lt=Now())  # see claims.py
        return self.filter(waiting | abandoned)

    def unqueued(self) -> Self:
        """Return what is due and no worker was asked for, or so long ago that the message may be lost."""
        lost = timezone.now() - Work.QUEUE_PATIENCE
        return self.due().filter(models.Q(queued_at=None) | models.Q(queued_at__lt=lost))

    def restart(self, **more: Any) -> int:
        """Begin the work again from the start. Returns how many rows. more: other columns to change."""
        return self.update(**Work.restart_values(), **more)


class Work(models.Model):
    """What a worker takes under a lease and brings to an end: always says where it stands, and what is next."""

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        PROCESSING = "processing", "Working"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"  # the dead-letter list: Replay or Discard

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
    QUEUE_PATIENCE = timedelta(minutes=10)
    LOST_AFTER = timedelta(seconds=10)  # of a reminder in an empty queue
    MAX_ATTEMPTS = 5

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
    moved_at = models.DateTimeField(default=timezone.now)  # when its stage or its progress changed last
    ready_at = models.DateTimeField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    page_count = models.PositiveIntegerField(null=True)
    character_count = models.PositiveIntegerField(default=0)
    summary = models.TextField(blank=True)  # a model's words on the whole, where the workspace has one for it
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    @staticmethod
    def restart_values() -> dict[str, Any]:
        """Return the values of work that waits for a worker as if it had never been tried."""
        now = timezone.now()
        return {
            "status": Work.Status.PENDING, "stage": Work.Stage.QUEUED, "attempt": 0, "error": "",
            "progress_done": 0, "progress_total": 0, "lease_until": None, "next_attempt_at": now,
            "queued_at": None, "updated_at": now,
        }  # fmt: skip

    @property
    def percent(self) -> int:
        """How far embedding is, 0 to 100."""
        return 100 * self.progress_done // self.progress_total if self.progress_total else 0


class DocumentQuerySet(WorkQuerySet["Document"]):
    def with_settings(self) -> "DocumentQuerySet":
        return self.select_related("workspace__embedder", "workspace__summarizer")


class Document(Work):
    """One thing somebody added."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        TEXT = "text", "Text"
        QA = "qa", "Question and answer"
        SITE = "site", "Website"
        PAGE = "page", "Web page"  # of a website
        FEED = "feed", "Feed"
        POST = "post", "Post"  # of a feed

    WRITTEN = (Kind.TEXT, Kind.QA)  # here, by somebody who may change it here

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
    is_language_chosen = models.BooleanField(default=False)  # by somebody; else what reading it finds
    # Of the workspace's fields, by name: values as they are shown, in the form that is compared, and the names
    # of those that were found in the file and not said by anybody.
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    facts = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    found_fields = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    access_level = models.PositiveSmallIntegerField(
        default=0, db_default=0
    )  # into Workspace.access_levels; its parent's
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

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


class ReindexItemQuerySet(WorkQuerySet["ReindexItem"]):
    def due(self) -> Self:
        return super().due().filter(reindex__status=Reindex.Status.RUNNING)

    def with_settings(self) -> "ReindexItemQuerySet":
        return self.select_related("document", "reindex__embedder", "reindex__workspace__summarizer")


class ReindexItem(Work):
    """One document's way into the index that is being built."""

    reindex = models.ForeignKey(Reindex, on_delete=models.CASCADE, related_name="items")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="reindex_items")
    of_ready_at = models.DateTimeField()  # Document.ready_at of the version it is about
    language = models.CharField(max_length=2, blank=True)  # as reading it found

    objects = ReindexItemQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reindex", "document"], name="one_item_per_document")]
        indexes = [models.Index(fields=["reindex", "status", "next_attempt_at"])]  # due()

    def __str__(self) -> str:
        return f"{self.document_id} for {self.reindex}"

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace as it will be."""
        return self.reindex.target()


class LiveSections(models.Manager["Section"]):
    """Those of the index that answers now; `Section.every` has those of one being built, too."""

    def get_queryset(self) -> models.QuerySet["Section"]:
        return super().get_queryset().filter(index_number=models.F("document__workspace__index_number"))


class Section(models.Model):
    """A stretch of a document with one place in its structure. Replaced as a whole when it is ingested."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sections")
    index_number = models.PositiveIntegerField(default=0)  # of the workspace's index whose parser found it
    position = models.PositiveIntegerField()  # from 0, in reading order
    text = models.TextField()  # begins with its own heading, if it has one
    title_path = models.JSONField(default=list)  # headings from the outermost in
    page = models.PositiveIntegerField(null=True)  # from 1, where the format has pages

    objects = LiveSections()
    every = models.Manager()  # noqa: DJ012 - it is a manager

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(
                fields=["document", "index_number", "position"], name="one_section_per_place"
            )
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
    index_number = models.PositiveIntegerField(default=0)  # of the workspace's index it was done for
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
    """One batch of chunks of one document, by content: written in the transaction that stages them."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="batches")
    index_number = models.PositiveIntegerField(default=0)  # of the workspace's index it was done for
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


class Search(models.Model):
    """A search that somebody made by itself, without an answer, with all that came of it; kept for a while."""

    class Outcome(models.TextChoices):
        FOUND = "found", "Passages found"
        NOTHING_RELEVANT = "nothing_relevant", "Nothing relevant found"
        EMPTY = "empty", "The workspace is empty"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="searches")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="searches")
    question = models.TextField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    error = models.TextField(blank=True)  # in words, for people
    trace = models.JSONField(default=dict)  # retrieval.Trace
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "searches"
        indexes = [models.Index(fields=["created_at"])]  # those to be forgotten

    def __str__(self) -> str:
        return f"{self.pk}: {self.outcome}"


class Upload(models.Model):
    """A file that somebody is about to send: where it goes, and what became of it."""

    LIFETIME = timedelta(hours=24)  # what did not become a document by then is thrown away

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=300)  # as its owner calls the file
    size_bytes = models.BigIntegerField()  # as announced
    language = models.CharField(max_length=2)
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    access_level = models.PositiveSmallIntegerField(default=0, db_default=0)
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


from documents.sources.models import Address, Source  # noqa: E402, F401 (they belong to this app, and need Document)
