"""Prepared statements: queries that every turn runs are planned once per connection instead of each time.

PostgreSQL takes several times as long to plan our longer queries as to run them. The result columns of a
prepared statement must not change while a process runs, so the queries name their columns: "SELECT *" would
fail as soon as a migration adds a column.
"""

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from django.db import connection, models, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper

from .pool import TEMPLATE_CONNECTION, Connection, Query, Rows, acquire, fetch_all

M = TypeVar("M", bound=models.Model)
P = ParamSpec("P")
T = TypeVar("T")
Plan = Generator[Sequence[Query], list[Rows], T]  # yields queries that run together, and receives their rows


class Statement(Generic[P, T]):
    """A sequence of dependent queries that callers run from a thread or from the event loop.

    Queries that are yielded together run in one transaction.
    """

    def __init__(self, plan: Callable[P, Plan[T]], *, is_atomic: bool = False) -> None:
        self.plan = plan  # for another plan to `yield from`
        self._is_atomic = is_atomic
        update_wrapper(self, plan)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        """Run the queries on Django's connection and in its current transaction."""
        plan = self.plan(*arguments, **named)
        with transaction.atomic() if self._is_atomic else nullcontext(), prepared_cursor() as cursor:
            try:
                queries = next(plan)
                while True:
                    queries = plan.send(_fetch(cursor, queries))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    async def aio(self, *arguments: P.args, **named: P.kwargs) -> T:
        """Run the queries in the event loop, on a pooled connection: a fifth of the CPU of a thread."""
        plan = self.plan(*arguments, **named)
        async with acquire() as lender, _transaction(lender) if self._is_atomic else nullcontext():
            try:
                queries = next(plan)
                while True:
                    queries = plan.send(await fetch_all(lender, queries))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


@overload
def statement(plan: Callable[P, Plan[T]]) -> Statement[P, T]: ...
@overload
def statement(*, atomic: bool) -> Callable[[Callable[P, Plan[T]]], Statement[P, T]]: ...
def statement(plan: Any = None, *, atomic: bool = False) -> Any:
    """Turn a generator of queries into a Statement. atomic: all of its round trips share one transaction."""
    if plan is None:
        return lambda plan: Statement(plan, is_atomic=atomic)
    return Statement(plan, is_atomic=atomic)


@asynccontextmanager
async def _transaction(lender: Connection) -> AsyncIterator[None]:
    """Open a transaction whose BEGIN is sent together with the first statements."""
    async with lender.pipeline(), lender.transaction():
        yield


def _fetch(cursor: CursorWrapper, queries: Sequence[Query]) -> list[Rows]:
    found: list[Rows] = []
    with transaction.atomic() if len(queries) > 1 else nullcontext():
        for query in queries:
            cursor.execute(*query)
            found.append(cursor.fetchall())
    return found


class _PreparedCursor(ServerBindingCursor):
    def execute(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        return super().execute(query, params, prepare=True)  # type: ignore[misc]


def prepared_cursor() -> CursorWrapper:
    """Return a cursor like `connection.cursor()` that prepares its statements: for texts that never vary."""
    connection.ensure_connection()
    cursor = _PreparedCursor(connection.connection)  # type: ignore[call-arg]
    wrapped: CursorWrapper = connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
    return wrapped


def columns(model: type[models.Model], alias: str) -> str:
    """Return the column list of a table for a SELECT, in the order that `row_of` reads."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def row_of(model: type[M], values: Sequence[Any]) -> M:
    fields = model._meta.concrete_fields
    read = [
        field.from_db_value(value, None, TEMPLATE_CONNECTION) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(TEMPLATE_CONNECTION.alias, [field.attname for field in fields], read)
