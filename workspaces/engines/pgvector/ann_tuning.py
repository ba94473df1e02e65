"""Tunes the search breadth of a vector index: measures its recall against exact search."""

from dataclasses import dataclass

from workspaces.models import IndexKind

from .tables import Rows, Tables, TableStatement, execute_many

NEIGHBOURS = 10  # neighbours to find, not counting the query vector itself
ENOUGH = (
    # Required recall; more than we promise, because real questions are farther out than the sample passages.
    0.99
)
BREADTHS = {  # smallest first
    IndexKind.HNSW: (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000),
    IndexKind.IVFFLAT: (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024),
}
_SETTING = {IndexKind.HNSW: "hnsw.ef_search", IndexKind.IVFFLAT: "ivfflat.probes"}
_COMPARISONS = 10_000_000  # for all queries together: about ten seconds
_MIN_QUESTIONS, _MAX_QUESTIONS = 40, 100  # sample queries
_CLOSE = 1e-6  # below this difference two distances count as equal


@dataclass(frozen=True, slots=True)
class Measured:
    breadth: int  # hnsw.ef_search or ivfflat.probes
    recall: float  # of the exact top ten, 0 to 1


def measure(tables: Tables, kind: IndexKind, chunks: int) -> Measured:
    """Return the smallest breadth with enough recall, or the largest breadth there is.

    The queries are vectors of some chunks. Each finds itself, which does not count.
    """
    questions = _questions(
        tables, max(_MIN_QUESTIONS, min(_MAX_QUESTIONS, _COMPARISONS // max(chunks, 1))), chunks
    )
    nearest = [execute_many([_exactly(tables, each)])[0] for each in questions]
    for breadth in BREADTHS[kind]:
        found = [
            _measure_recall(tables, kind, breadth, *each) for each in zip(questions, nearest, strict=True)
        ]
        recall = sum(found) / len(found) if found else 1.0
        if recall >= ENOUGH:
            break
    return Measured(breadth, recall)


def _questions(tables: Tables, count: int, chunks: int) -> list[str]:
    # Sampled share of the pages, so that not all pages are read.
    percent = min(100, 100 * 20 * count / max(chunks, 1))
    rows = tables.run(
        "SELECT embedding::text FROM {table} TABLESAMPLE SYSTEM (%s) WHERE live ORDER BY random() LIMIT %s",
        [percent, count],
    )
    return [vector for (vector,) in rows]


def _exactly(tables: Tables, vector: str) -> TableStatement:
    # OFFSET 0 keeps the planner from using the index.
    return tables.statement(
        "SELECT embedding {operator} %s::halfvec AS d FROM (SELECT embedding FROM {table} WHERE live OFFSET 0) each "
        "ORDER BY d LIMIT %s",
        [vector, NEIGHBOURS + 1],
    )


def _measure_recall(tables: Tables, kind: IndexKind, breadth: int, vector: str, nearest: Rows) -> float:
    """Return the recall of a query, 0 to 1. nearest: the exact rows with distances, its own first."""
    if len(nearest) < 2:
        return 1.0  # nothing to find, or no longer: chunks may be deleted during the measurement
    furthest = nearest[-1][0]
    rows = execute_many(
        [
            tables.statement("SELECT set_config(%s, %s, true)", [_SETTING[kind], str(breadth)]),
            # Force the index: for a small table the planner would prefer a sequential scan.
            tables.statement("SELECT set_config('enable_seqscan', 'off', true)"),
            tables.statement(
                "SELECT embedding {operator} %s::halfvec AS d FROM {table} WHERE live ORDER BY d LIMIT %s",
                [vector, NEIGHBOURS + 1],
            ),
        ]
    )[-1]
    near = sum(bool(distance <= furthest + _CLOSE) for (distance,) in rows)
    return min(1.0, max(0, near - 1) / (len(nearest) - 1))
