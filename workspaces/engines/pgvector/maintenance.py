"""Background maintenance of vector indexes, while users search and add documents.

`due` runs every few seconds. It compares the chunk counts and the chosen kinds with the existing indexes, and
returns the rows that need work. `reconcile` does the work under a lease: it builds an index, drops the one
that it replaces, and measures the search breadth. If a worker dies, PostgreSQL's catalogue tells how to
recover: a build that continues without its worker is waited for, a broken one is dropped and restarted.
Nothing is ever embedded.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from core.leases import Lease, Superseded, lease_end, lease_expired
from workspaces.engines import engine_for
from workspaces.models import IndexKind, Reindex, VectorIndex, Workspace

from . import reanalysis
from .ann_index import GROWN, BuildProgress, Standing, wanted_kind
from .ann_index import AnnIndex as Built
from .ann_tuning import measure
from .engine import PgVector
from .lexical import forget_unused

Got = TypeVar("Got")
log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
QUIET = timedelta(minutes=2)  # without changes for this long, adding documents is considered finished
QUEUE_TIMEOUT = timedelta(minutes=10)  # afterwards the queued task is considered lost
MAX_ATTEMPTS = 5
_TERMS_AT_ONCE = 5_000
_FIRST_PAUSE = timedelta(seconds=15)  # exponential back-off: three times as long each time
_S = VectorIndex.Status


@dataclass(frozen=True, slots=True)
class State:
    """The state of a workspace's vector index, for people."""

    chosen: IndexKind
    standing: Standing | None  # None: searches are exact
    progress: BuildProgress | None  # of a running build
    row: VectorIndex | None  # None: maintenance has not visited this index yet

    @property
    def kind(self) -> IndexKind:
        return self.standing.kind if self.standing else IndexKind.EXACT

    @property
    def is_working(self) -> bool:
        return self.progress is not None or (self.row is not None and self.row.status == _S.WORKING)

    @property
    def recall_percent(self) -> float | None:
        return round(self.row.recall * 100, 1) if self.row and self.row.recall is not None else None


def state_of(workspace: Workspace) -> State:
    built = Built(PgVector(workspace).tables)
    row = VectorIndex.objects.filter(workspace=workspace.pk, index_number=workspace.index_number).first()
    return State(IndexKind(workspace.index_kind), built.standing(), built.progress(), row)


# --- planning -------------------------------------------------------------------------------------


def due() -> list[int]:
    """Store the chunk counts of all indexes, and return the rows that a worker should process."""
    noted = [(index, row) for index in indexes() if (row := _unless_deleted(_note_chunks, index))]
    is_asked = Q(queued_at__gt=Now() - QUEUE_TIMEOUT)
    free = set(VectorIndex.objects.filter(_free()).exclude(is_asked).values_list("pk", flat=True))
    waiting = [(index, row) for index, row in noted if row.pk in free]
    return [row.pk for index, row in waiting if _unless_deleted(_is_settled, index, row) is False]


def _unless_deleted(call: Callable[..., Got], index: Workspace, *rest: VectorIndex) -> Got | None:
    """Return the result, or None if this index cannot be looked at, so that the sweep goes on with the others."""
    try:
        with transaction.atomic():
            return call(index, *rest)
    except DatabaseError:
        if _exists(index):
            log.exception("The vector index of workspace %s could not be looked at", index.pk)
        return None


def _exists(index: Workspace) -> bool:
    """Tell whether this index still answers, or is still being built."""
    building = Reindex.objects.filter(status=Reindex.Status.RUNNING, number=index.index_number)
    current = Workspace.objects.filter(pk=index.pk, index_number=index.index_number)
    return current.exists() or building.filter(workspace=index.pk).exists()


def _free() -> Q:
    """Return the condition of rows that a worker may claim: they are due, or their worker's lease expired."""
    waiting = Q(status=_S.WAITING, next_attempt_at__lte=Now())
    return waiting | (Q(status=_S.WORKING) & (lease_expired() | Q(lease_until=None)))


def is_settled(index: Workspace) -> bool:
    """Tell whether the vector index is final, assuming that nothing is added to this index any more."""
    row = _note_chunks(index)
    VectorIndex.objects.filter(pk=row.pk).update(still_since=row.still_since - QUIET)
    row.still_since -= QUIET
    return row.status == _S.FAILED or _is_settled(index, row)


def indexes() -> Iterator[Workspace]:
    """Yield the indexes in use and those that are being built; delete the rows of indexes that are gone."""
    ready = Workspace.objects.filter(engine="pgvector", deleted_at=None)
    running = Reindex.objects.filter(status=Reindex.Status.RUNNING, workspace__in=ready)
    following = [each.target() for each in running.select_related("workspace", "embedder")]
    numbers = Q(index_number=F("workspace__index_number"))
    for index in following:
        numbers |= Q(workspace=index.pk, index_number=index.index_number)
    VectorIndex.objects.exclude(numbers).delete()
    yield from ready
    yield from following


def forget_unused_terms() -> Iterator[int]:
    """Delete the terms of documents that are gone. Yield after each statement how many it deleted."""
    for index in indexes():
        tables = PgVector(index).tables
        deleted = _TERMS_AT_ONCE
        while deleted == _TERMS_AT_ONCE:
            deleted = forget_unused(tables.run, _TERMS_AT_ONCE)
            yield deleted


def renew_terms(names_of: reanalysis.NamesOf) -> None:
    """Analyze the chunks again that an earlier analyzer made the terms of."""
    for index in indexes():
        reanalysis.renew(index, names_of)


def _note_chunks(index: Workspace) -> VectorIndex:
    row, _ = VectorIndex.objects.get_or_create(workspace_id=index.pk, index_number=index.index_number)
    if row.chunks != (chunks := engine_for(index).count()):
        row.chunks, row.still_since = chunks, timezone.now()
        row.save(update_fields=["chunks", "still_since"])
    return row


def _is_settled(index: Workspace, row: VectorIndex) -> bool:
    built = Built(PgVector(index).tables)
    standing = built.standing()
    kind = standing.kind if standing else IndexKind.EXACT
    if kind != _choose_kind(index, row, kind) or row.kind != kind or row.status == _S.WORKING:
        return False
    return kind == IndexKind.EXACT or not _has_grown(row)


def _has_grown(row: VectorIndex) -> bool:
    return row.measured_at is None or row.chunks > GROWN * row.measured_chunks


def _choose_kind(index: Workspace, row: VectorIndex, standing: IndexKind) -> IndexKind:
    is_quiet = row.still_since <= timezone.now() - QUIET
    chosen = IndexKind(index.index_kind)
    return wanted_kind(chosen, row.chunks, index.dimensions, is_quiet=is_quiet, standing=standing)


# --- executing --------------------------------------------------------------------------------------


def try_again(workspace: Workspace) -> bool:
    """Reset the failed rows of this workspace, so that they are retried. Return False if there are none."""
    rows = VectorIndex.objects.filter(workspace=workspace, status=_S.FAILED)
    return bool(rows.update(status=_S.WAITING, attempt=0, error="", next_attempt_at=Now()))


def reconcile(row_id: int) -> None:
    """Bring the vector index up to date, unless another worker does. Call it outside a transaction."""
    row = _claim(row_id)
    if row is None:
        return
    try:
        with _lease(row).keep_alive():
            _bring_up_to_date(row)
    except Superseded:
        log.info("%s: another worker has claimed it, or its workspace was deleted.", row)
    except DatabaseError as error:
        if not VectorIndex.objects.filter(pk=row_id).exists():
            log.info("%s: it was deleted meanwhile.", row)
            return
        log.warning("%s could not be built.", row, exc_info=True)
        _postpone(row, f"PostgreSQL says: {str(error).strip().splitlines()[0]}.")


def _claim(row_id: int) -> VectorIndex | None:
    taken = VectorIndex.objects.filter(_free(), pk=row_id).update(
        status=_S.WORKING,
        attempt=F("attempt") + 1,
        fence=F("fence") + 1,
        lease_until=lease_end(LEASE),
        queued_at=None,
    )
    return VectorIndex.objects.select_related("workspace").filter(pk=row_id).first() if taken else None


def _lease(row: VectorIndex) -> Lease:
    return Lease(VectorIndex.objects.filter(pk=row.pk, fence=row.fence, status=_S.WORKING), LEASE)


def _bring_up_to_date(row: VectorIndex) -> None:
    index = _index_of(row)
    tables = PgVector(index).tables
    built = Built(tables)
    if built.progress():  # started by a worker that is gone
        _release(row, Now() + _FIRST_PAUSE)
        return
    standing = built.standing()
    kind = _choose_kind(index, row, standing.kind if standing else IndexKind.EXACT)
    is_outgrown = kind == IndexKind.IVFFLAT == row.kind and row.chunks > GROWN * row.measured_chunks
    built.tidy(standing.kind if standing else IndexKind.EXACT)
    if kind != IndexKind.EXACT and (standing is None or kind != standing.kind or is_outgrown):
        built.build(kind, row.chunks, in_parallel=row.attempt == 1)
    built.tidy(kind)
    if kind == IndexKind.EXACT:
        _finish(row, kind, breadth=None, recall=None)
    else:
        measured = measure(tables, kind, row.chunks)
        _finish(row, kind, breadth=measured.breadth, recall=measured.recall)


def _index_of(row: VectorIndex) -> Workspace:
    if row.index_number == row.workspace.index_number:
        return row.workspace
    building = row.workspace.reindexes.filter(number=row.index_number, status=Reindex.Status.RUNNING).first()
    if building is None:
        raise Superseded
    return building.target()


def _finish(row: VectorIndex, kind: IndexKind, *, breadth: int | None, recall: float | None) -> None:
    _lease(row).update(
        status=_S.WAITING, attempt=0, error="", lease_until=None, next_attempt_at=Now(),
        kind=kind, breadth=breadth, recall=recall, measured_chunks=row.chunks, measured_at=Now(),
    )  # fmt: skip


def _release(row: VectorIndex, then: object) -> None:
    """Release the lease without counting an attempt."""
    _lease(row).update(status=_S.WAITING, attempt=row.attempt - 1, lease_until=None, next_attempt_at=then)


def _postpone(row: VectorIndex, reason: str) -> None:
    """Schedule a retry after a pause, or give up. Searches continue with the existing index, or exactly."""
    has_failed = row.attempt >= MAX_ATTEMPTS
    then = Now() + _FIRST_PAUSE * 3 ** (row.attempt - 1)
    try:
        _lease(row).update(
            status=_S.FAILED if has_failed else _S.WAITING, error=reason, lease_until=None,
            next_attempt_at=then,
        )  # fmt: skip
    except Superseded:
        log.info("%s: another worker has claimed it, or its workspace was deleted.", row)
