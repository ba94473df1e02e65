"""Connection pool of each event loop, for the statements that every turn runs.

The same statement in a thread costs five times the CPU, for the thread switch and for Django's connection,
and it waits for the GIL each time it resumes (docs/adr/0024-statements-in-the-event-loop.md).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

MAX_SIZE = 16  # per event loop; the threads' own pool is separate: RAGSITE_DATABASE_POOL

# Holds the connection parameters and adapts values; it never connects itself. `django.db.connection` does not
# serve here, because each task in the event loop gets a new one.
TEMPLATE_CONNECTION = connections.create_connection(DEFAULT_DB_ALIAS)

Query = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]
Connection = AsyncConnection[tuple[Any, ...]]


class _Pool:
    """Connection pool of one event loop; opens connections lazily."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(MAX_SIZE)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        async with self._free:
            with TEMPLATE_CONNECTION.wrap_database_errors:
                lent = self._idle.pop() if self._idle else await _connect()
                try:
                    yield lent
                finally:
                    await self._take_back(lent)

    async def _take_back(self, lent: Connection) -> None:
        if lent.pgconn.transaction_status == TransactionStatus.IDLE:
            self._idle.append(lent)
            return
        await lent.close()
        if lent.broken:  # the server probably dropped the idle ones, too
            await self.close()

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for each in idle:
            await each.close()


async def _connect() -> Connection:
    """Open a connection that is configured like Django's, but asynchronous."""
    settings = TEMPLATE_CONNECTION.get_connection_params()
    del settings["cursor_factory"]
    made = await AsyncConnection.connect(**settings, autocommit=True)
    try:
        await made.execute("SELECT set_config('TimeZone', %s, false)", [TEMPLATE_CONNECTION.timezone_name])
    except BaseException:  # including cancellation: no other code holds a reference to it
        await made.close()
        raise
    return made


async def fetch_all(lent: Connection, queries: Sequence[Query]) -> list[Rows]:
    """Run the queries and return the rows of each. Several are pipelined: one round trip, one transaction.

    PostgreSQL's protocol guarantees this: a Sync commits all statements before it, or none if one of them
    fails (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING). If a
    cancellation or an unsendable value ends the pipeline on our side, the statements that were sent until
    then are committed. Raises psycopg.Error.
    """
    async with lent.pipeline() if len(queries) > 1 else nullcontext():
        cursors = [await lent.execute(*query) for query in queries]
    return [await cursor.fetchall() for cursor in cursors]


# --- one pool per event loop ---------------------------------------------------------------------

_Keeper = AsyncGenerator[_Pool]
_kept: dict[asyncio.AbstractEventLoop, tuple[_Pool, _Keeper]] = {}


@asynccontextmanager
async def acquire() -> AsyncIterator[Connection]:
    """Acquire a connection from the pool of this event loop, in autocommit. Errors are django.db's."""
    loop = asyncio.get_running_loop()
    if loop not in _kept:
        keeper = _keep(loop)
        _kept[loop] = (await anext(keeper), keeper)
    async with _kept[loop][0].acquire() as connection:
        yield connection


async def _keep(loop: asyncio.AbstractEventLoop) -> _Keeper:
    """Yield a pool that is closed when its loop ends: async generators are closed before the loop."""
    connections = _Pool()
    try:
        yield connections
    finally:
        del _kept[loop]
        await connections.close()
