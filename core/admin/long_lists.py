"""Lists of tables that grow for years: no page of them counts or sorts all rows."""

from functools import cached_property
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.core.paginator import Paginator
from django.db import connection
from psycopg import sql

MOST = 10_000  # rows that are counted and can be leafed through
HELP = f"The list ends after {MOST:,} rows: narrow it down by words, an action or a time to see older ones."


class LongListPaginator(Paginator[Any]):
    """Counts at most MOST rows. A frequent word is then counted without reading the whole table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST].count())


class IndexedValuesFilter(AllValuesFieldListFilter):
    """Filters by the values of a column, which it reads from the column's index: one step for each value.

    Django's own filter reads all rows for it (https://wiki.postgresql.org/wiki/Loose_indexscan).
    """

    def __init__(self, field: Any, *rest: Any, **named: Any) -> None:
        super().__init__(field, *rest, **named)
        self.lookup_choices = _values_in_index(field.model._meta.db_table, field.column)  # type: ignore[assignment]


def _values_in_index(table: str, column: str) -> list[Any]:
    query = sql.SQL(
        """WITH RECURSIVE found AS (
            (SELECT {column} AS value FROM {table} ORDER BY 1 LIMIT 1)
            UNION ALL
            SELECT (SELECT {column} FROM {table} WHERE {column} > found.value ORDER BY 1 LIMIT 1)
            FROM found WHERE found.value IS NOT NULL
        ) SELECT value FROM found WHERE value IS NOT NULL"""
    ).format(column=sql.Identifier(column), table=sql.Identifier(table))
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [value for (value,) in cursor.fetchall()]
