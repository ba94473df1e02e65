"""The vector index of a chunk table: which kind suits, how it is built while people search, and what it finds.

Indexes are partial (`WHERE live`), so that a chunk comes into them once, when it is published. PostgreSQL builds
them without locking anybody out (CREATE INDEX CONCURRENTLY); until one is there, searches are exact. The
catalogue says what stands: whatever became of the worker that asked for it, nothing else has to be right.
docs/adr/0018-vector-indexes.md has the measurements.
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

# Numbers compared in an exact search, chunks times dimensions. Of 384 dimensions: 10,000 and 125,000 chunks.
MIN_INDEXED_FLOATS = 3_840_000
URGENT_FLOATS = 48_000_000
MIN_FOR_LISTS = 1000  # chunks; fewer do not say where lists should lie
GROWN = 2  # times as many chunks as when it was built: lists, and what a search needs, are due again
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
    is_valid: bool  # searches use it; False: it is being built, or was left behind
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BuildProgress:
    phase: str  # for people
    percent: int  # of this phase


def wanted_kind(
    kind: IndexKind, chunks: int, dimensions: int, *, is_quiet: bool, standing: IndexKind
) -> IndexKind:
    """Return what should stand; never AUTO.

    is_quiet: nothing was published for a while. An index is built once and quickly from what is there, and costs
    with each chunk that comes later: so a workspace that is being filled waits for it, while exact searches do.
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
    """Return how many lists IVFFlat should have (pgvector README)."""
    return max(10, chunks // 1000) if chunks <= 1_000_000 else round(math.sqrt(chunks))


class AnnIndex:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._relation = f"{SCHEMA}.{tables.names[0]}"

    def standing(self) -> Standing | None:
        """Return what searches use; None: they are exact."""
        return next((each for each in self._all() if each.is_valid), None)

    def _all(self) -> list[Standing]:
        """Return the newest first."""
        rows = _fetch(_STANDING, [self._relation])
        return [Standing(name, IndexKind(method), valid, size) for name, method, valid, size in rows]

    def progress(self) -> BuildProgress | None:
        """Return how far PostgreSQL is; None: it builds nothing here."""
        for phase, blocks, tuples in _fetch(_PROGRESS, [self._relation]):
            words = _PHASES.get(phase, "Waiting for others to finish" if "waiting" in phase else "Checking")
            return BuildProgress(words, max(blocks, tuples))
        return None

    def build(self, kind: IndexKind, chunks: int, *, in_parallel: bool = True) -> None:
        """Build an index beside what stands, without keeping anybody out. Outside a transaction.

        in_parallel: with more processes of PostgreSQL, which need shared memory.
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
        """Remove what was left behind unfinished, and all but the newest of this kind. Outside a transaction."""
        standing = self.standing()
        for each in self._all():
            if each != standing or each.kind != kept:
                self._tables.run(
                    "DROP INDEX CONCURRENTLY IF EXISTS {name}", name=sql.Identifier(SCHEMA, each.name)
                )

    def give_up(self) -> None:
        """Cancel a build: who removes the table would wait for it."""
        _fetch(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)",
            [self._relation],
        )

    def _memory(self, chunks: int) -> str:
        """Return what the graph takes: a vector, sixteen neighbours twice, and what PostgreSQL adds.

        Beyond what is allowed it is built on disk, many times as slowly.
        """
        needed_mb = chunks * (2 * self._tables.dimensions + 600) >> 20
        return f"{min(max(64, needed_mb), settings.INDEX_MEMORY_MB)}MB"


_ALONE = {"max_parallel_maintenance_workers": "0"}


@contextmanager
def _apply_settings(values: dict[str, str]) -> Iterator[None]:
    """Have these settings in this session of PostgreSQL, which others use afterwards."""
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
