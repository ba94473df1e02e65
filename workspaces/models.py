"""Workspaces: their members, the settings of their indexes and searches, and their metadata fields."""

import uuid
from copy import copy

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from core.db.folded_text import Folded
from models_registry.models import Endpoint

from .languages import AUTO, CHOICES


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer"  # asks, searches, reads
    EDITOR = "editor", "Editor"  # and adds and removes documents
    MANAGER = "manager", "Manager"  # and changes settings and members, and deletes

    @property
    def level(self) -> int:
        return list(Role).index(self)


class Metric(models.TextChoices):
    COSINE = "cosine", "Cosine"
    L2 = "l2", "Euclidean (L2)"
    INNER_PRODUCT = "inner_product", "Inner product"


MAX_INDEXED_DIMENSIONS = 4000  # limit of a halfvec in an index (pgvector README)


class IndexKind(models.TextChoices):
    AUTO = "auto", "As suits the size"
    EXACT = "exact", "None: exact searches"
    HNSW = "hnsw", "HNSW"
    IVFFLAT = "ivfflat", "IVFFlat"

    @property
    def sentence(self) -> str:
        """Return what this kind does and when to choose it, for the settings pages."""
        return _INDEX_KINDS[self]


_INDEX_KINDS = {
    IndexKind.AUTO: "Compares a question with every passage while there are few, and builds HNSW once there "
    "are many and none were added for a while. Suits nearly every workspace.",
    IndexKind.EXACT: "Compares a question with every passage. Misses nothing, and adding documents costs the "
    "same at any size; searches get slower as the workspace grows.",
    IndexKind.HNSW: "Searches stay fast with millions of passages, and find nearly all that exact searches "
    "find. Adding documents costs several times as much.",
    IndexKind.IVFFLAT: "Built several times as fast as HNSW, and adding documents costs hardly any more; "
    "searches take longer. Suits large workspaces that change all the time.",
}


class ChunkingStrategy(models.TextChoices):
    RECURSIVE = "recursive", "At paragraphs and sentences"
    LAYOUT = "layout", "Along headings, tables and code"
    SEMANTIC = "semantic", "Where the topic changes"
    ADAPTIVE = "adaptive", "As suits each document"

    @property
    def sentence(self) -> str:
        """Return what this strategy does and when to choose it, for the settings pages."""
        return _STRATEGIES[self]


_STRATEGIES = {
    ChunkingStrategy.RECURSIVE: "Recursive. Splits at the strongest break that keeps a passage long enough, "
    "and lets neighbours overlap. Suits any text.",
    ChunkingStrategy.LAYOUT: "Layout-aware. Keeps tables, code and paragraphs whole if they fit, and finds "
    "them by their headings too. Suits manuals, web pages and spreadsheets.",
    ChunkingStrategy.SEMANTIC: "Semantic. Asks the embedding model which sentences belong together. Suits long texts "
    "without headings; adding one takes several times as long.",
    ChunkingStrategy.ADAPTIVE: "Adaptive. Layout-aware for documents with headings, tables or code, recursive for "
    "the others. Suits a mixture.",
}


class Parser(models.TextChoices):
    FAST = "fast", "Fast (kreuzberg)"
    LAYOUT = "layout", "Layout-aware (unstructured)"


class IndexSettings(models.Model):
    """The settings that an index depends on: after a change, the documents must be read again."""

    languages = models.JSONField(default=list)  # 1 to 3 codes of LANGUAGES, or AUTO alone
    embedder = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        related_name="embedded_%(class)s_set",
        limit_choices_to={"kind": Endpoint.Kind.EMBEDDING},
    )
    dimensions = models.PositiveIntegerField(editable=False)  # the embedder's, when the table was created
    metric = models.CharField(max_length=15, choices=Metric, default=Metric.COSINE)
    parser = models.CharField(max_length=10, choices=Parser, default=Parser.FAST)
    chunking = models.CharField(max_length=12, choices=ChunkingStrategy, default=ChunkingStrategy.RECURSIVE)
    chunk_size = models.PositiveIntegerField(default=1000)  # characters
    chunk_overlap = models.PositiveIntegerField(default=150)  # characters

    class Meta:
        abstract = True

    def clean(self) -> None:
        errors = {}
        if not 1 <= len(self.languages) <= 3 or len(set(self.languages)) != len(self.languages):
            errors["languages"] = "Choose one to three different languages."
        elif unknown := set(self.languages) - set(CHOICES):
            errors["languages"] = f"Unknown language: {', '.join(sorted(unknown))}."
        elif AUTO in self.languages and len(self.languages) > 1:
            errors["languages"] = "Choose languages, or let them be detected, but not both."
        if not 100 < self.chunk_size < 10_000:
            errors["chunk_size"] = "Choose more than 100 and fewer than 10,000 characters."
        elif self.chunk_overlap >= self.chunk_size:
            errors["chunk_overlap"] = "The overlap must be smaller than the chunk size."
        if errors:
            raise ValidationError(errors)


MAX_PER_DOCUMENT = 50  # passages
INDEX_SETTINGS = tuple(field.name for field in IndexSettings._meta.fields)


class Workspace(IndexSettings):
    """A corpus with its members, models and retrieval settings."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    engine = models.CharField(max_length=20, default="pgvector")  # a key of workspaces.engines.ENGINES
    index_kind = models.CharField(
        "vector index", max_length=10, choices=IndexKind, default=IndexKind.AUTO
    )  # can change at any time: workspaces.engines.pgvector.maintenance
    index_number = models.PositiveIntegerField(
        default=0, editable=False
    )  # names its tables; grows with each Reindex
    reranker = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reranked_workspaces",
        limit_choices_to={"kind": Endpoint.Kind.RERANKER},
    )
    summarizer = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="summarized_workspaces",
        limit_choices_to={"kind": Endpoint.Kind.CHAT},
    )
    condenser = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="condensed_workspaces",
        limit_choices_to={"kind": Endpoint.Kind.CHAT},
    )
    is_hybrid = models.BooleanField("hybrid search", default=True)
    merges_neighbours = models.BooleanField(default=True, db_default=True)
    most_per_document = models.PositiveSmallIntegerField(
        "most passages of one document", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    # Names of the levels, lowest first. A level is a position in this list. Empty: there is only one level.
    access_levels = models.JSONField(
        default=list, blank=True, db_default=models.Value([], models.JSONField())
    )
    created_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Since then it is out of reach, and a worker deletes what is in it (workspaces.provision)
    deleted_at = models.DateTimeField(null=True, editable=False)
    # Below this similarity nothing is relevant; computed by documents.retrieval.calibration. None: not
    # calibrated yet
    relevance_floor = models.FloatField(null=True, editable=False)
    relevance_floors = models.JSONField(
        default=dict, db_default={}, editable=False
    )  # language -> its own floor
    calibrated_chunks = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    calibrated_at = models.DateTimeField(null=True, editable=False)
    # Grows with every change of what a search may find, in the same transaction
    corpus_version = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    # Counters; documents.adding, documents.ingestion and documents.sources update them in the transaction
    # that changes what they count
    document_count = models.PositiveIntegerField(default=0, editable=False)
    chunk_count = models.PositiveIntegerField(default=0, editable=False)
    size_bytes = models.BigIntegerField(default=0, editable=False)

    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    class Meta:
        ordering = (Folded("name"), "name")
        constraints = [
            models.CheckConstraint(
                name="workspace_chunk_size", condition=Q(chunk_size__gt=100, chunk_size__lt=10_000)
            ),
            models.CheckConstraint(
                name="workspace_overlap_below_size", condition=Q(chunk_overlap__lt=F("chunk_size"))
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        errors = {}
        for name in ("condenser", "summarizer"):
            if (model := getattr(self, name)) and not model.can_write:
                errors[name] = f"{model} only quotes and cannot write text. Choose a language model."
        if (self.most_per_document or 0) > MAX_PER_DOCUMENT:
            errors["most_per_document"] = f"Choose a number from 1 to {MAX_PER_DOCUMENT}, or none."
        if errors:
            raise ValidationError(errors)


class Reindex(IndexSettings):
    """The next index of a workspace. It is built while the current one stays in use, and then replaces it."""

    class Status(models.TextChoices):
        RUNNING = "running", "Being built"
        DONE = "done", "In use"  # kept until the replaced index is removed

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="reindexes")
    number = models.PositiveIntegerField()  # becomes Workspace.index_number when the index is put in use
    replaces = models.PositiveIntegerField()  # Workspace.index_number before
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    # A user confirmed: switch even if some documents could not be read.
    may_lose = models.BooleanField(default=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "reindexes"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"], name="one_reindex_at_a_time", condition=Q(status="running")
            )
        ]

    def __str__(self) -> str:
        return f"new index of {self.workspace}"

    def target(self) -> Workspace:
        """Return the workspace with the settings of this index. Never save it."""
        will_be = copy(self.workspace)
        for name in INDEX_SETTINGS:
            setattr(will_be, name, getattr(self, name))
        will_be.index_number = self.number
        return will_be

    def beside(self) -> Workspace:
        """Return the index that is not in use: the one being built, or the one that was replaced."""
        if self.status == self.Status.RUNNING:
            return self.target()
        was = copy(self.workspace)
        was.index_number = self.replaces
        return was


class VectorIndex(models.Model):
    """Maintenance state of the vector index of one of a workspace's indexes: schedule, error, recall.

    PostgreSQL's catalogue says which index exists. workspaces/engines/pgvector/maintenance.py works through
    these rows.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # nothing to do, or until its next attempt
        WORKING = "working", "Working"
        FAILED = "failed", "Failed"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="vector_indexes")
    index_number = models.PositiveIntegerField()  # as Workspace.index_number: which chunks
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)  # a sentence for people
    next_attempt_at = models.DateTimeField(default=timezone.now)
    # When a task was last queued; null once a worker has claimed it.
    queued_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)  # grows with each claim; a stale worker's write fails
    chunks = models.PositiveIntegerField(default=0)  # at the last look
    # Since when the number of chunks has not changed.
    still_since = models.DateTimeField(default=timezone.now)
    # The existing index. Breadth: candidates that a search keeps (HNSW), or lists that it reads (IVFFlat)
    kind = models.CharField(max_length=10, choices=IndexKind, default=IndexKind.EXACT)  # never AUTO
    breadth = models.PositiveIntegerField(null=True)
    recall = models.FloatField(null=True)  # of the exact top ten, 0 to 1
    measured_chunks = models.PositiveIntegerField(default=0)  # the number of chunks at that time
    measured_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "vector indexes"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "index_number"], name="one_vector_index_per_index")
        ]

    def __str__(self) -> str:
        return f"vector index of {self.workspace}"


class Membership(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    access_level = models.PositiveSmallIntegerField(
        default=0, db_default=0
    )  # sees documents up to this level; a manager sees all
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "member"
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_role_per_member")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class Field(models.Model):
    """A metadata field of a workspace's documents, which searches can filter by."""

    class Type(models.TextChoices):
        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        DATE = "date", "Date"
        YES_NO = "yes_no", "Yes or no"
        VERSION = "version", "Version"  # v1.10 is higher than v1.9

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="fields")
    name = models.CharField(max_length=30)  # used in filters and the API
    label = models.CharField(max_length=60)  # shown on pages
    type = models.CharField(max_length=10, choices=Type, default=Type.TEXT)
    choices = models.JSONField(default=list, blank=True)  # valid values of a text; empty: any
    # A property of files that fills this field, such as "author".
    source = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_field_per_name")]

    def __str__(self) -> str:
        return self.label
