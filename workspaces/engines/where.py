"""Turns a `Where` into SQL: what it says of documents is asked of the table that has one row for each."""

import json
from typing import Any, LiteralString

from psycopg import sql

from .contract import Condition, Value, Where

Params = list[Any]

_EQUAL: LiteralString = "metadata -> %s::text = ANY(%s::jsonb[])"
_SQL: dict[str, LiteralString] = {
    "is": _EQUAL,
    "is_not": f"({_EQUAL}) IS NOT TRUE",
    "at_least": ">=",
    "at_most": "<=",
}


def restriction(where: Where, documents: sql.Identifier) -> tuple[sql.Composed, Params]:
    """Return what to add to the conditions on a row with a document_id, and its parameters."""
    parts: list[sql.Composable] = []
    params: Params = []
    if where.documents is not None:
        parts.append(sql.SQL("AND document_id = ANY(%s)"))
        params.append(list(where.documents))
    told, asked = _of_facts(where)
    if told:
        parts.append(
            sql.SQL("AND document_id IN (SELECT document_id FROM {} WHERE {})").format(
                documents, sql.SQL(" AND ").join(told)
            )
        )
    return sql.SQL(" ").join(parts), params + asked


def _of_facts(where: Where) -> tuple[list[sql.SQL], Params]:
    told, params = [], Params()
    if where.access_level is not None:
        told.append(sql.SQL("access_level <= %s"))
        params.append(where.access_level)
    for condition in where.conditions:
        query, values = _of(condition)
        told.append(sql.SQL(query))
        params += values
    return told, params


def _of(condition: Condition) -> tuple[LiteralString, Params]:
    if condition.test in ("is", "is_not"):
        return _SQL[condition.test], [condition.field, list(map(json.dumps, condition.values))]
    [bound] = condition.values
    if not isinstance(bound, str):
        bound = float(bound)
    return _ordered(_SQL[condition.test], bound), [condition.field, condition.field, bound]


def _ordered(operator: LiteralString, bound: Value) -> LiteralString:
    """Return a comparison that is false, not an error, where the field holds something of another type."""
    if isinstance(bound, str):  # by its characters, whatever the database's collation
        return (
            "CASE jsonb_typeof(metadata -> %s::text) WHEN 'string' "
            f'THEN (metadata ->> %s::text) COLLATE "C" {operator} %s END'
        )
    return (
        "CASE jsonb_typeof(metadata -> %s::text) WHEN 'number' "
        f"THEN (metadata ->> %s::text)::numeric {operator} %s END"
    )
