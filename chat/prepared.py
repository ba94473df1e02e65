"""Statements that every turn runs: planned once for each connection instead of each time.

PostgreSQL needs several times as long to plan our longer ones as to run them. What they return must not change
while a process runs, so they name their columns: "SELECT *" would fail as soon as a migration adds one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection, models
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper

M = TypeVar("M", bound=models.Model)


class _PreparedCursor(ServerBindingCursor):
    def execute(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        return super().execute(query, params, prepare=True)  # type: ignore[misc]


def prepared() -> CursorWrapper:
    """Return a cursor like `connection.cursor()`, for a statement that is always the same text."""
    connection.ensure_connection()
    cursor = _PreparedCursor(connection.connection)  # type: ignore[call-arg]
    wrapped: CursorWrapper = connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
    return wrapped


def columns(model: type[models.Model], alias: str) -> str:
    """Return the columns of a table for a SELECT, as `row_of` reads them."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def row_of(model: type[M], values: Sequence[Any]) -> M:
    fields = model._meta.concrete_fields
    read = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], read)
