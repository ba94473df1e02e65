"""The tables of one index of a workspace in PostgreSQL, and the functions that run statements on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from django.db import connection
from psycopg import sql

from inference.types import Vector
from workspaces.models import Metric, Workspace

SCHEMA = "chunks"

Rows = list[tuple[Any, ...]]

# metric -> (operator, operator class, similarity from the operator's distance `d`)
_METRICS: dict[Metric, tuple[LiteralString, LiteralString, LiteralString]] = {
    Metric.COSINE: ("<=>", "halfvec_cosine_ops", "1 - d"),
    Metric.L2: ("<->", "halfvec_l2_ops", "-d"),
    Metric.INNER_PRODUCT: ("<#>", "halfvec_ip_ops", "-d"),  # pgvector returns the negative inner product
}


@dataclass(frozen=True, slots=True)
class TableStatement:
    query: sql.Composed
    params: tuple[Any, ...] = ()


class Tables:
    def __init__(self, workspace: Workspace) -> None:
        number = f"_{workspace.index_number}" if workspace.index_number else ""
        self.names = tuple(f"{kind}_{workspace.id.hex}{number}" for kind in "wdt")
        self.dimensions, self.metric = workspace.dimensions, Metric(workspace.metric)
        operator, operators, similarity = _METRICS[self.metric]
        chunks, documents, terms = (sql.Identifier(SCHEMA, name) for name in self.names)
        self._parts: dict[str, sql.Composable] = {
            "table": chunks,
            "documents": documents,
            "terms": terms,
            "operator": sql.SQL(operator),
            "operators": sql.SQL(operators),
            "similarity": sql.SQL(similarity),
        }

    def statement(
        self, query: LiteralString, params: Sequence[Any] = (), **parts: sql.Composable
    ) -> TableStatement:
        return TableStatement(sql.SQL(query).format(**self._parts, **parts), tuple(params))

    def run(self, query: LiteralString, params: Sequence[Any] = (), **parts: sql.Composable) -> Rows:
        return execute_many([self.statement(query, params, **parts)])[0]


def execute_many(statements: Sequence[TableStatement]) -> list[Rows]:
    """Run the statements in one round trip and return the rows of each.

    PostgreSQL runs one text with several statements in one transaction.
    """
    if not statements:
        return []
    with connection.cursor() as cursor:
        text = sql.SQL("; ").join(each.query for each in statements).as_string(cursor.connection)
        params = [value for each in statements for value in each.params]
        cursor.execute(text, params or None)
        found = [cursor.fetchall() if cursor.description else []]
        while cursor.nextset():
            found.append(cursor.fetchall() if cursor.description else [])
    return found


def literal(vector: Vector) -> str:
    """Return pgvector's text form. Five digits keep all eleven bits of a half-precision float."""
    return f"[{','.join(f'{value:.5g}' for value in vector)}]"


def table_names() -> set[str]:
    """Return the names of all tables in the schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA])
        return {name for (name,) in cursor.fetchall()}


def drop_table(name: str) -> None:
    with connection.cursor() as cursor:
        statement = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(SCHEMA, name))
        cursor.execute(statement.as_string(cursor.connection))
