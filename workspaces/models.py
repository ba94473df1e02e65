"""Who owns which corpus, and how it is searched."""

import uuid
from copy import copy

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from models_registry.models import Endpoint

from .languages import LANGUAGES


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


MAX_INDEXED_DIMENSIONS = 4000  # of a halfvec in an index (pgvector README)


class IndexKind(models.TextChoices):
    AUTO = "auto", "As suits the size"
    EXACT = "exact", "None: exact searches"
    HNSW = "hnsw", "HNSW"
    IVFFLAT = "ivfflat", "IVFFlat"

    @property
    def sentence(self) -> str:
        """What it does and whom it suits, for people who choose."""
        return _INDEX_KINDS[self]


_INDEX_KINDS = {
    IndexKind.AUTO: "Compares a question with every passage while they are few, and builds HNSW when they "
    "are many and nothing was added for a while. Suits nearly everybody.",
    IndexKind.EXACT: "Compares a question with every passage. Misses nothing, and adding documents costs the "
    "same at any size; searches take longer the more there is.",
    IndexKind.HNSW: "Searches stay quick with millions of passages, and find nearly all that exact ones do. "
    "Adding documents costs several times as much.",
    IndexKind.IVFFLAT: "Built several times as fast as HNSW, and adding documents costs next to nothing more; "
    "searches take longer. Suits large collections that change all the time.",
}


class ChunkingStrategy(models.TextChoices):
    RECURSIVE = "recursive", "At paragraphs and sentences"
    LAYOUT = "layout", "Along headings, tables and code"
    SEMANTIC = "semantic", "Where the topic changes"
    ADAPTIVE = "adaptive", "As suits each document"

    @property
    def sentence(self) -> str:
        """What it does and whom it suits, for people who choose."""
        return _STRATEGIES[self]


_STRATEGIES = {
    ChunkingStrategy.RECURSIVE: "Recursive. Cuts at the strongest break that keeps a passage long enough, and lets "
    "neighbours overlap. Suits any text.",
    ChunkingStrategy.LAYOUT: "Layout-aware. Keeps tables, code and paragraphs whole where they fit, and finds them by "
    "their headings too. Suits manuals, web pages and spreadsheets.",
    ChunkingStrategy.SEMANTIC: "Semantic. Asks the embedding model which sentences belong together. Suits long texts "
    "without headings; adding one takes several times as long.",
    ChunkingStrategy.ADAPTIVE: "Adaptive. Layout-aware for documents with headings, tables or code, recursive for "
    "the others. Suits a mixture.",
}


class Parser(models.TextChoices):
    FAST = "fast", "Fast (kreuzberg)"
    LAYOUT = "layout", "Layout-aware (unstructured)"


class IndexSettings(models.Model):
    """What an index is made with: changing any of it means reading the documents again."""

    languages = models.JSONField(default=list)  # 1 to 3 keys of LANGUAGES
    embedder = models.ForeignKey(
        Endpoint,
        on_delete=models.PROTECT,
        related_name="embedded_%(class)s_set",
        limit_choices_to={"kind": Endpoint.Kind.EMBEDDING},
    )
    dimensions = models.PositiveIntegerField(editable=False)  # of the embedder when the table was made
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
        elif unknown := set(self.languages) - set(LANGUAGES):
            errors["languages"] = f"Unknown language: {', '.join(sorted(unknown))}."
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
    engine = models.CharField(max_length=20, default="pgvector")  # a key of engines.ENGINES
    index_kind = models.CharField(
        "vector index", max_length=10, choices=IndexKind, default=IndexKind.AUTO
    )  # changed at any time: workspaces.engines.pgvector.maintenance
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
    # Names, from what everybody may see up; the place in the list is the level. Empty: there is one level only.
    access_levels = models.JSONField(
        default=list, blank=True, db_default=models.Value([], models.JSONField())
    )
    created_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Below this similarity nothing is relevant; kept by documents.retrieval.calibration. None: not known yet
    relevance_floor = models.FloatField(null=True, editable=False)
    calibrated_chunks = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    calibrated_at = models.DateTimeField(null=True, editable=False)
    # Grows with every change of what a search may find, in the transaction that makes it
    corpus_version = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    # Counters, kept by documents.ingest in the transaction that changes what they count
    document_count = models.PositiveIntegerField(default=0, editable=False)
    chunk_count = models.PositiveIntegerField(default=0, editable=False)
    size_bytes = models.BigIntegerField(default=0, editable=False)

    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    class Meta:
        ordering = ("name",)
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
                errors[name] = f"{model} writes no text of its own. Choose a language model."
        if (self.most_per_document or 0) > MAX_PER_DOCUMENT:
            errors["most_per_document"] = f"Choose a number from 1 to {MAX_PER_DOCUMENT}, or none."
        if errors:
            raise ValidationError(errors)


class Reindex(IndexSettings):
    """The next index of a workspace, built beside the one that answers, and then put in its place."""

    class Status(models.TextChoices):
        RUNNING = "running", "Being built"
        DONE = "done", "In use"  # kept until what it replaced is removed

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="reindexes")
    number = models.PositiveIntegerField()  # Workspace.index_number once it is in use
    replaces = models.PositiveIntegerField()  # what that was before
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    may_lose = models.BooleanField(default=False)  # somebody said: switch, whatever could not be read
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
        """Return the workspace as it will be. Never save it."""
        will_be = copy(self.workspace)
        for name in INDEX_SETTINGS:
            setattr(will_be, name, getattr(self, name))
        will_be.index_number = self.number
        return will_be

    def beside(self) -> Workspace:
        """Return the index that does not answer: the one being built, or the one that was replaced."""
        if self.status == self.Status.RUNNING:
            return self.target()
        was = copy(self.workspace)
        was.index_number = self.replaces
        return was


class VectorIndex(models.Model):
    """What is made of the vectors of one of a workspace's indexes: when it is due, how it went, what it finds.

    What stands is in PostgreSQL's catalogue. workspaces/engines/pgvector/maintenance.py works by these rows.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"  # nothing to do, or for its next attempt
        WORKING = "working", "Working"
        FAILED = "failed", "Failed"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="vector_indexes")
    index_number = models.PositiveIntegerField()  # as Workspace.index_number: which chunks
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)  # in words, for people
    next_attempt_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(null=True)  # when a worker was last asked; null once one has taken it
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)  # grows with each claim; a stale worker's write fails
    chunks = models.PositiveIntegerField(default=0)  # when somebody looked last
    still_since = models.DateTimeField(default=timezone.now)  # there were as many since then
    # Of what stands. Breadth: candidates that a search keeps (HNSW), or lists that it reads (IVFFlat)
    kind = models.CharField(max_length=10, choices=IndexKind, default=IndexKind.EXACT)  # never AUTO
    breadth = models.PositiveIntegerField(null=True)
    recall = models.FloatField(null=True)  # of the exact first ten, 0 to 1
    measured_chunks = models.PositiveIntegerField(default=0)  # how many there were
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
    )  # sees documents up to it; a manager sees all
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "member"
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="one_role_per_member")]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"


class Field(models.Model):
    """Something that is known of documents beside their text, and that one can filter by."""

    class Type(models.TextChoices):
        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        DATE = "date", "Date"
        YES_NO = "yes_no", "Yes or no"
        VERSION = "version", "Version"  # v1.10 is above v1.9

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="fields")
    name = models.CharField(max_length=30)  # in filters and the API
    label = models.CharField(max_length=60)  # on pages
    type = models.CharField(max_length=10, choices=Type, default=Type.TEXT)
    choices = models.JSONField(default=list, blank=True)  # of a text; empty: anything
    source = models.CharField(max_length=60, blank=True)  # the file's own property that fills it, as "author"

    class Meta:
        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_field_per_name")]

    def __str__(self) -> str:
        return self.label
