"""The vector index (ANN) of a chunk table: chooses its kind, builds it during searches, reports its state.

Indexes are partial (`WHERE live`), so that a chunk enters them only once, when it is published. PostgreSQL
builds them without blocking writers (CREATE INDEX CONCURRENTLY); until an index exists, searches are exact.
PostgreSQL's catalogue is the source of truth for which indexes exist, so a worker that dies leaves no wrong
state behind. docs/adr/0018-vector-indexes.md has the measurements.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from django.conf import settings
from django.db import connection
from psycopg import sql

from workspaces.models import MAX_INDEXED_DIMENSIONS, IndexKind

from .tables import SCHEMA, Rows, Tables

# Numbers that an exact search compares: chunks times dimensions. With 384 dimensions: 10,000 and 125,000
# chunks.
MIN_INDEXED_FLOATS = 3_840_000
URGENT_FLOATS = 48_000_000
MIN_FOR_LISTS = 1000  # chunks; fewer are too few to place the lists
GROWN = 2  # growth factor since the last build; then the lists and the search breadth are due again
USUAL_BREADTH = {IndexKind.HNSW: 100, IndexKind.IVFFLAT: 16}  # until it is measured
_STANDING = """
SELECT index.relname, method.amname, pg_index.indisvalid, pg_relation_size(index.oid)
FROM pg_index JOIN pg_class index ON index.oid = indexrelid JOIN pg_am method ON method.oid = index.relam
WHERE indrelid = to_regclass(%s) AND method.amname IN ('hnsw', 'ivfflat') ORDER BY index.oid DESC
"""
_PROGRESS = """
SELECT phase, coalesce(100 * blocks_done / nullif(blocks_total, 0), 0),
    coalesce(100 * tuples_done / nullif(tuples_total, 0), 0)
FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)
"""
_PHASES = {
    "initializing": "Beginning",
    "building index": "Reading the passages",
    "building index: loading tuples": "Placing the passages",
    "building index: performing k-means": "Looking for groups",
    "building index: assigning tuples": "Assigning the passages",
}


@dataclass(frozen=True, slots=True)
class Standing:
    name: str
    kind: IndexKind
    is_valid: bool  # searches use it; False: it is being built, or an interrupted build left it behind
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BuildProgress:
    phase: str  # label for people
    percent: int  # of this phase


def wanted_kind(
    kind: IndexKind, chunks: int, dimensions: int, *, is_quiet: bool, standing: IndexKind
) -> IndexKind:
    """Return the kind of index that should exist; never AUTO.

    is_quiet: nothing was published for a while. Building an index once from all chunks is fast, but
    afterwards each new chunk costs more. So a workspace that is being filled gets none, as long as exact
    searches are fast enough.
    """
    numbers = chunks * dimensions
    if dimensions > MAX_INDEXED_DIMENSIONS:
        return IndexKind.EXACT
    match kind:
        case IndexKind.AUTO if standing == IndexKind.HNSW:
            return IndexKind.HNSW if numbers >= MIN_INDEXED_FLOATS / 2 else IndexKind.EXACT
        case IndexKind.AUTO:
            return (
                IndexKind.HNSW
                if numbers >= URGENT_FLOATS or (numbers >= MIN_INDEXED_FLOATS and is_quiet)
                else IndexKind.EXACT
            )
        case IndexKind.IVFFLAT if chunks < MIN_FOR_LISTS:
            return IndexKind.EXACT
    return kind


def lists(chunks: int) -> int:
    """Return the number of lists for IVFFlat (pgvector README)."""
    return max(10, chunks // 1000) if chunks <= 1_000_000 else round(math.sqrt(chunks))


class AnnIndex:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._relation = f"{SCHEMA}.{tables.names[0]}"

    def standing(self) -> Standing | None:
        """Return the index that searches use; None: searches are exact."""
        return next((each for each in self._all() if each.is_valid), None)

    def _all(self) -> list[Standing]:
        """Return all vector indexes, newest first."""
        rows = _fetch(_STANDING, [self._relation])
        return [Standing(name, IndexKind(method), valid, size) for name, method, valid, size in rows]

    def progress(self) -> BuildProgress | None:
        """Return the progress of a running build; None: no build is running."""
        for phase, blocks, tuples in _fetch(_PROGRESS, [self._relation]):
            words = _PHASES.get(phase, "Waiting for others to finish" if "waiting" in phase else "Checking")
            return BuildProgress(words, max(blocks, tuples))
        return None

    def build(self, kind: IndexKind, chunks: int, *, in_parallel: bool = True) -> None:
        """Build an index in addition to the existing one, without blocking others.

        Call it outside a transaction.

        in_parallel: use parallel workers of PostgreSQL, which need shared memory.
        """
        options = f"WITH (lists = {lists(chunks)})" if kind == IndexKind.IVFFLAT else ""
        with _apply_settings(
            {"maintenance_work_mem": self._memory(chunks)} | ({} if in_parallel else _ALONE)
        ):
            self._tables.run(
                "CREATE INDEX CONCURRENTLY {name} ON {table} USING {method} (embedding {operators}) {options} "
                "WHERE live",
                name=sql.Identifier(f"{self._tables.names[0]}_{uuid4().hex[:8]}"),
                method=sql.Identifier(kind.value),
                options=sql.SQL(options),
            )

    def tidy(self, kept: IndexKind) -> None:
        """Drop unfinished indexes, and all but the newest of this kind. Call it outside a transaction."""
        standing = self.standing()
        for each in self._all():
            if each != standing or each.kind != kept:
                self._tables.run(
                    "DROP INDEX CONCURRENTLY IF EXISTS {name}", name=sql.Identifier(SCHEMA, each.name)
                )

    def give_up(self) -> None:
        """Cancel a running build, because DROP TABLE would wait for it."""
        _fetch(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)",
            [self._relation],
        )

    def _memory(self, chunks: int) -> str:
        """Return the memory of the HNSW graph: vectors, sixteen neighbours twice, and PostgreSQL's overhead.

        Above the configured limit PostgreSQL builds the index on disk, which is many times slower.
        """
        needed_mb = chunks * (2 * self._tables.dimensions + 600) >> 20
        return f"{min(max(64, needed_mb), settings.INDEX_MEMORY_MB)}MB"


_ALONE = {"max_parallel_maintenance_workers": "0"}


@contextmanager
def _apply_settings(values: dict[str, str]) -> Iterator[None]:
    """Change settings of this PostgreSQL session, and reset them afterwards: the connection is pooled."""
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        try:
            yield
        finally:
            for name in values:
                cursor.execute(sql.SQL("RESET {}").format(sql.Identifier(name)).as_string(cursor.connection))


def _fetch(query: str, params: Sequence[str]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        rows: Rows = cursor.fetchall()
        return rows
