"""Builds a workspace's next index while the current one answers, then switches to it atomically.

The next index has its own tables, sections and settings (`Reindex`), and one `ReindexItem` for each
searchable document. Changes of documents still go to the current index. Each item records which version of
its document it covers, and `advance` adds and renews items until all documents are covered. Then one
transaction changes the workspace's settings and tables. The old index is dropped after a grace period,
because searches that have begun still use it.

To avoid deadlocks, all code takes row locks in this order: reindex, items, documents, workspace.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from accounts.changes import differences
from accounts.models import User, record
from documents.errors import ReindexRefused
from documents.models import (
    BatchEntry,
    Document,
    LedgerEntry,
    ReindexItem,
    ReindexItemQuerySet,
    Section,
    Work,
)
from models_registry.models import Endpoint
from models_registry.probe import find_problem
from workspaces.engines import engine_for
from workspaces.engines.pgvector import maintenance
from workspaces.models import INDEX_SETTINGS, Reindex, Workspace

_S = Work.Status
GRACE = timedelta(minutes=1)  # for searches that began in the old index
_RECENT = 200  # rows of the ledger from which the speed is measured
_CHARACTERS_PER_TOKEN = 4
_WRITE_S = 0.003  # per chunk, if the ledger has no measurement yet
_READ_S = 2.0  # per document, likewise
_EMBED_S = 0.05  # per chunk, likewise


@dataclass(frozen=True, slots=True)
class Estimate:
    documents: int
    chunks: int
    tokens: int  # to embed; 0 if the vectors are reused
    cost: Decimal  # US dollars
    seconds: float  # with one worker, at the speed of recent work
    is_measured: bool  # False: this model has embedded nothing here yet, so the time is a guess


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    total: int
    done: int
    failed: int  # searchable now, but not in the next index

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0

    @property
    def waits_for_people(self) -> bool:
        return bool(self.failed) and self.done + self.failed == self.total


# --- the public functions -----------------------------------------------------------------------


def running(workspace: Workspace) -> Reindex | None:
    found = workspace.reindexes.filter(status=Reindex.Status.RUNNING)
    return found.select_related("embedder", "workspace", "created_by").first()


def has_just_switched(workspace: Workspace) -> bool:
    """Return whether an index was completed within the last minute, and answers now."""
    lately = timezone.now() - timedelta(minutes=1)
    return workspace.reindexes.filter(
        status=Reindex.Status.DONE, number=workspace.index_number, ended_at__gt=lately
    ).exists()


def estimate(workspace: Workspace, **settings: Any) -> Estimate:
    """Return what an index with these settings costs. Raises ValidationError with a sentence per field."""
    after = _target(workspace, settings)
    found = _findable(workspace).aggregate(
        documents=Count("pk"),
        chunks=Sum("chunk_count", default=0),
        characters=Sum("character_count", default=0),
    )
    chunks, tokens = found["chunks"], 0
    if _needs_new_vectors(workspace, after):
        step = after.chunk_size - after.chunk_overlap
        chunks = max(found["documents"], found["characters"] // step)
        tokens = chunks * after.chunk_size // _CHARACTERS_PER_TOKEN
    read_s, embed_s, is_measured = _speeds(after)
    seconds = found["documents"] * read_s + chunks * (embed_s if tokens else _WRITE_S)
    return Estimate(
        found["documents"], chunks, tokens, after.embedder.cost(tokens, 0), seconds, is_measured or not tokens
    )


def start(workspace: Workspace, user: User | None, **settings: Any) -> Reindex:
    """Start a reindex. Raises ReindexRefused, or ValidationError with a sentence per field."""
    after = _target(workspace, settings)
    if after.embedder_id != workspace.embedder_id:
        _check_answers(after.embedder)
    with transaction.atomic():
        current = Workspace.objects.select_for_update().get(pk=workspace.pk)
        if running(current):
            raise ReindexRefused("A new index is being built already. Wait for it, or cancel it.")
        numbers = {"number": _next_number(current), "replaces": current.index_number}
        reindex = Reindex(workspace=current, created_by=user, **numbers)
        for name in INDEX_SETTINGS:
            setattr(reindex, name, getattr(after, name))
        reindex.save()
        engine_for(reindex.target()).create()
        _enlist(reindex)
        changes = differences(
            *({name: getattr(each, name) for name in INDEX_SETTINGS} for each in (current, after))
        )
        documents = reindex.items.count()
        record(
            user, "reindex.start", workspace.name, id=str(workspace.pk), documents=documents, changes=changes
        )
    advance(reindex)  # without any document to do, this finishes the reindex
    return reindex


def cancel(workspace: Workspace, user: User | None) -> bool:
    """Cancel the reindex and remove everything it built. Return False if none is running."""
    with transaction.atomic():
        reindex = _lock_first(workspace.reindexes.filter(status=Reindex.Status.RUNNING))
        if reindex is None:
            return False
        reindex.items.all().delete()  # waits for batches being staged; no worker stages another
        _remove(reindex.target())
        reindex.delete()
        record(user, "reindex.cancel", workspace.name, id=str(workspace.pk))
    return True


def retry_failed(reindex: Reindex) -> int:
    """Restart the items that failed. Return how many."""
    return _renew(reindex.items.filter(status=_S.FAILED))


def accept_losses(reindex: Reindex, user: User | None) -> None:
    """Let the reindex switch without its failed documents. They become failed documents of the workspace."""
    Reindex.objects.filter(pk=reindex.pk).update(may_lose=True)
    record(user, "reindex.accept_losses", reindex.workspace.name, id=str(reindex.workspace_id))
    advance(reindex)


def progress(reindex: Reindex) -> ReindexProgress:
    counts = reindex.items.aggregate(
        total=Count("pk"),
        done=Count("pk", filter=Q(status=_S.READY)),
        failed=Count("pk", filter=Q(status=_S.FAILED)),
    )
    return ReindexProgress(**counts)


def failures(reindex: Reindex) -> QuerySet[ReindexItem]:
    return reindex.items.filter(status=_S.FAILED).select_related("document").order_by("document__title")


def next_items(limit: int) -> list[int]:
    """Return unqueued items to fill the broker up to `limit`. Few, so that new documents do not wait long."""
    asked = ReindexItem.objects.due().exclude(queued_at=None).count()
    due = ReindexItem.objects.unqueued().order_by("pk").values_list("pk", flat=True)
    return list(due[: max(0, limit - asked)])


def has_work(reindex_id: int) -> bool:
    return ReindexItem.objects.filter(reindex=reindex_id, status__in=(_S.PENDING, _S.PROCESSING)).exists()


def advance(reindex: Reindex) -> bool:
    """Enlist changed documents, and switch if all are covered. Return True if the new index answers now."""
    with transaction.atomic():
        current = _lock_first(Reindex.objects.filter(pk=reindex.pk, status=Reindex.Status.RUNNING))
        if current is None:
            return False
        _enlist(current)
    is_covered = not _documents_to_do(current).exists()
    return is_covered and maintenance.is_settled(current.target()) and _switch(current.pk)


def tidy() -> None:
    """Remove the old indexes whose grace period is over."""
    old = Reindex.objects.filter(status=Reindex.Status.DONE, ended_at__lt=timezone.now() - GRACE)
    for reindex in old.select_related("workspace"):
        with transaction.atomic():
            _remove(reindex.beside())
            reindex.delete()


# --- coverage -----------------------------------------------------------------------------------


def _findable(workspace: Workspace) -> QuerySet[Document]:
    return Document.objects.filter(workspace=workspace, chunk_count__gt=0, ready_at__isnull=False)


def _enlist(reindex: Reindex) -> None:
    """Add an item for each searchable document without one, and restart the items that are out of date."""
    listed = reindex.items.values("document")
    missing = _findable(reindex.workspace).exclude(pk__in=listed)
    ReindexItem.objects.bulk_create(
        (
            ReindexItem(reindex=reindex, document_id=pk, of_ready_at=ready_at)
            for pk, ready_at in missing.values_list("pk", "ready_at")
            if ready_at
        ),
        batch_size=1000,
    )
    ended = reindex.items.filter(status__in=(_S.READY, _S.FAILED))
    _renew(ended.exclude(of_ready_at=F("document__ready_at")))


def _renew(items: ReindexItemQuerySet) -> int:
    ready_at = Document.objects.filter(pk=OuterRef("document")).values("ready_at")
    return items.restart(of_ready_at=Subquery(ready_at))


def _documents_to_do(reindex: Reindex) -> QuerySet[Document]:
    """Return the searchable documents that the next index does not cover yet."""
    ends = (_S.READY, _S.FAILED) if reindex.may_lose else (_S.READY,)
    settled = reindex.items.filter(status__in=ends, of_ready_at=F("document__ready_at"))
    return _findable(reindex.workspace).exclude(pk__in=settled.values("document"))


# --- the switch ---------------------------------------------------------------------------------


@transaction.atomic
def _switch(reindex_id: int) -> bool:
    reindex = _lock_first(Reindex.objects.filter(pk=reindex_id, status=Reindex.Status.RUNNING))
    if reindex is None:
        return False
    _lock(reindex.items.order_by("pk"))
    _lock(Document.every.filter(workspace=reindex.workspace_id).order_by("pk"))
    # This lock also waits for transactions that add documents: their foreign key locks the workspace row.
    workspace = Workspace.objects.select_for_update().get(pk=reindex.workspace_id)
    if _documents_to_do(reindex).exists():  # a document changed before we had the locks
        return False
    _take_over_counts(reindex)
    _restart_documents_in_progress(workspace)
    waiting = Document.objects.waiting_for_endpoint().filter(workspace=workspace)
    waiting.exclude(waits_for=reindex.embedder_id).restart()  # the new index needs no other endpoint
    for name in INDEX_SETTINGS:
        setattr(workspace, name, getattr(reindex, name))
    workspace.index_number = reindex.number
    workspace.chunk_count = _findable(workspace).aggregate(all=Sum("chunk_count", default=0))["all"]
    workspace.relevance_floor, workspace.relevance_floors = None, {}
    workspace.calibrated_chunks, workspace.calibrated_at = 0, None
    calibration = ("relevance_floor", "relevance_floors", "calibrated_chunks", "calibrated_at")
    workspace.save(update_fields=[*INDEX_SETTINGS, "index_number", "chunk_count", *calibration, "updated_at"])
    reindex.items.all().delete()
    reindex.status, reindex.ended_at = Reindex.Status.DONE, timezone.now()
    reindex.save(update_fields=["status", "ended_at"])
    record(reindex.created_by, "reindex.done", workspace.name, id=str(workspace.pk))
    return True


def _take_over_counts(reindex: Reindex) -> None:
    """Copy the counts, or the failure, of each item to its document."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE documents_document d SET chunk_count = i.chunk_count, page_count = i.page_count,
                character_count = i.character_count, summary = i.summary, language = i.language,
                reading = i.reading
            FROM documents_reindexitem i
            WHERE i.document_id = d.id AND i.reindex_id = %s AND i.status = %s""",
            [reindex.pk, _S.READY],
        )
        cursor.execute(
            """UPDATE documents_document d SET chunk_count = 0 FROM documents_reindexitem i
            WHERE i.document_id = d.id AND i.reindex_id = %s AND i.status = %s""",
            [reindex.pk, _S.FAILED],
        )
        # Only ready documents: one that is being ingested again takes its status from that, for its new text.
        cursor.execute(
            """UPDATE documents_document d SET status = i.status, error = i.error, stage = i.stage,
                attempt = i.attempt, waits_for_id = i.waits_for_id, resumptions = i.resumptions
            FROM documents_reindexitem i
            WHERE i.document_id = d.id AND i.reindex_id = %s AND i.status = %s AND d.status = %s""",
            [reindex.pk, _S.FAILED, _S.READY],
        )


def _restart_documents_in_progress(workspace: Workspace) -> None:
    """Restart the documents in progress. Their workers, stopped by the new fence, use the old settings."""
    workspace.documents.filter(status=_S.PROCESSING).restart(fence=F("fence") + 1)
    open_steps = LedgerEntry.objects.filter(
        document__workspace=workspace, outcome=LedgerEntry.Outcome.RUNNING
    )
    open_steps.update(
        outcome=LedgerEntry.Outcome.FAILED,
        detail={"error": "The workspace switched to its new index, so this starts again for that one."},
        finished_at=timezone.now(),
    )


# --- parts --------------------------------------------------------------------------------------


def _target(workspace: Workspace, settings: dict[str, Any]) -> Workspace:
    """Return the workspace as it would be with these settings. Raises ValidationError."""
    if unknown := set(settings) - set(INDEX_SETTINGS):
        raise TypeError(f"Not settings of an index: {', '.join(sorted(unknown))}")
    after = copy(workspace)
    for name, value in settings.items():
        setattr(after, name, value)
    if after.embedder.dimensions is None:
        sentence = f"{after.embedder} has not passed a check yet, so its dimensions are unknown."
        raise ValidationError({"embedder": sentence})
    after.dimensions = after.embedder.dimensions
    after.clean_fields()
    after.clean()
    return after


def _check_answers(embedder: Endpoint) -> None:
    if problem := find_problem(embedder):
        raise ValidationError({"embedder": f"{problem} No new index was started."})


def _next_number(workspace: Workspace) -> int:
    return 1 + max([workspace.index_number, *workspace.reindexes.values_list("number", flat=True)])


def _lock_first(reindexes: QuerySet[Reindex]) -> Reindex | None:
    return reindexes.select_for_update(of=("self",)).select_related("workspace", "embedder").first()


def _lock(rows: QuerySet[Any]) -> None:
    for _ in rows.select_for_update(no_key=True, of=("self",)).values_list("pk").iterator():
        pass


def _remove(index: Workspace) -> None:
    """Remove the tables and sections of an index that is no longer used."""
    engine_for(index).drop()
    Section.every.filter(document__workspace=index.pk, index_number=index.index_number).delete()


def _needs_new_vectors(before: Workspace, after: Workspace) -> bool:
    """Return whether the current vectors cannot be reused."""
    names = ("embedder_id", "dimensions", "parser", "chunking", "chunk_size", "chunk_overlap")
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _speeds(after: Workspace) -> tuple[float, float, bool]:
    """Return seconds per document to read, seconds per chunk to embed, and whether the latter is measured."""
    reads = LedgerEntry.objects.filter(stage=Work.Stage.EXTRACT, outcome=LedgerEntry.Outcome.DONE)
    own = reads.filter(document__workspace=after.pk).order_by("-id")[:_RECENT]
    times = [(row.finished_at - row.started_at).total_seconds() for row in own if row.finished_at]
    read_s = sum(times) / len(times) if times else _READ_S
    embedded = BatchEntry.objects.filter(document__workspace__embedder=after.embedder, embedded_count__gt=0)
    return read_s, *_per_chunk(embedded.order_by("-id")[:_RECENT])


def _per_chunk(batches: Iterable[BatchEntry]) -> tuple[float, bool]:
    rows = list(batches)
    chunks = sum(row.embedded_count for row in rows)
    return (sum(row.took_ms for row in rows) / 1000 / chunks, True) if chunks else (_EMBED_S, False)
