"""Query planning for filters: turns a `Where` into SQL conditions on the table that has one row per document.

The selectivity of the filter decides the plan. A selective filter goes from the documents to their chunks and
compares each with the question (exact search). A broad filter goes from the index's candidates to their
documents. `look` measures the selectivity, together with the other counts that a search needs first.
"""

import json
import math
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from psycopg import sql

from workspaces.engines.contract import Condition, Value, Where

from .tables import Rows, Tables, TableStatement

Params = list[Any]

# At most this many chunks are always compared one by one: 2 us of CPU each, by way of documents.
ALWAYS_EXACT = 2_000
# A filter that leaves m of n chunks costs 2 us times m with exact search, and 20 us times 100 n / m with an
# index
_TRADE = 1_000

_EQUAL: LiteralString = "metadata -> %s::text = ANY(%s::jsonb[])"
_SQL: dict[str, LiteralString] = {
    "is": _EQUAL,
    "is_not": f"({_EQUAL}) IS NOT TRUE",
    "at_least": ">=",
    "at_most": "<=",
}


@dataclass(frozen=True, slots=True)
class Within:
    """The chunks that a search may find, as SQL."""

    source: sql.Composable  # a table with conditions; more conditions can be added with AND
    params: Params
    is_narrow: bool  # few enough to compare each one
    share: float  # approximate share of all chunks
    left: int | None = None  # how many chunks the filter leaves, at least; None: there is no filter

    def is_cut_short(self, found: int, limit: int) -> bool:
        """Tell whether an index scan ended before it found as many chunks as it should have."""
        return not self.is_narrow and self.left is not None and found < min(limit, self.left)


def look(tables: Tables, where: Where) -> TableStatement:
    """Return the statement that counts all chunks, and those that the filter leaves, as far as needed."""
    told, params = of_documents(where)
    return tables.statement(
        """SELECT n, (SELECT coalesce(sum(chunks), 0) FROM (
            SELECT chunks FROM {documents} WHERE {told} LIMIT greatest(%s, sqrt(%s * n))::bigint) chosen)
        FROM (SELECT coalesce(sum(amount), 0)::bigint AS n FROM {terms} WHERE term = '') counted""",
        [*params, ALWAYS_EXACT, _TRADE],
        told=told,
    )


def within(tables: Tables, where: Where, seen: Rows | None) -> Within:
    """Return the chunks that may be found. seen: the result of `look`; None: there is no filter."""
    if seen is None:
        return Within(tables.statement("{table} WHERE live").query, [], is_narrow=False, share=1)
    n, left = map(int, seen[0])
    told, params = of_documents(where)
    is_narrow = left <= max(ALWAYS_EXACT, math.sqrt(_TRADE * n))
    share = left / n if n else 1
    source = tables.statement(_FROM_DOCUMENTS if is_narrow else _FROM_CHUNKS, told=told).query
    return Within(source, params, is_narrow, share, left)


_FROM_DOCUMENTS: LiteralString = (
    "{table} WHERE live AND document_id IN (SELECT document_id FROM {documents} WHERE {told})"
)
# Neither IN nor EXISTS: the planner could turn them into a join, and sort all rows instead of using the index
_FROM_CHUNKS: LiteralString = """{table} chunk WHERE live
    AND (SELECT {told} FROM {documents} WHERE document_id = chunk.document_id)"""


def exactly(tables: Tables, where: Where, among: Within) -> Within:
    """Return the same chunks, to be compared one by one."""
    told, params = of_documents(where)
    source = tables.statement(_FROM_DOCUMENTS, told=told).query
    return replace(among, source=source, params=params, is_narrow=True)


def of_documents(where: Where) -> tuple[sql.Composable, Params]:
    """Return the filter as a condition on the documents table, with its parameters."""
    told: list[sql.SQL] = []
    params = Params()
    if where.documents is not None:
        told.append(sql.SQL("document_id = ANY(%s)"))
        params.append(list(where.documents))
    if where.access_level is not None:
        told.append(sql.SQL("access_level <= %s"))
        params.append(where.access_level)
    if where.without:
        told.append(sql.SQL("document_id <> ALL(%s)"))
        params.append(list(where.without))
    for condition in where.conditions:
        query, values = _of(condition)
        told.append(sql.SQL(query))
        params += values
    return sql.SQL(" AND ").join(told or [sql.SQL("true")]), params


def _of(condition: Condition) -> tuple[LiteralString, Params]:
    if condition.test in ("is", "is_not"):
        return _SQL[condition.test], [condition.field, list(map(json.dumps, condition.values))]
    [bound] = condition.values
    if not isinstance(bound, str):
        bound = float(bound)
    return _compare(_SQL[condition.test], bound), [condition.field, condition.field, bound]


def _compare(operator: LiteralString, bound: Value) -> LiteralString:
    """Return a comparison that is false instead of an error if the field holds a value of another type."""
    if isinstance(bound, str):  # COLLATE "C" compares by characters, whatever the database's collation
        return (
            "CASE jsonb_typeof(metadata -> %s::text) WHEN 'string' "
            f'THEN (metadata ->> %s::text) COLLATE "C" {operator} %s END'
        )
    return (
        "CASE jsonb_typeof(metadata -> %s::text) WHEN 'number' "
        f"THEN (metadata ->> %s::text)::numeric {operator} %s END"
    )
