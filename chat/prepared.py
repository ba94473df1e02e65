"""Statements that every turn runs: planned once for each connection instead of each time.

PostgreSQL needs several times as long to plan our longer ones as to run them. What they return must not change
while a process runs, so they name their columns: "SELECT *" would fail as soon as a migration adds one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


class _PreparedCursor(ServerBindingCursor):
    def execute(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Self:  # type: ignore[override]
        return super().execute(query, params, prepare=True)


def prepared() -> CursorWrapper:
    """Return a cursor like `connection.cursor()`, for a statement that is always the same text."""
    connection.ensure_connection()
    cursor: CursorWrapper = connection._prepare_cursor(_PreparedCursor(connection.connection))
    return cursor
