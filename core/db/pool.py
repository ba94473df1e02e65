"""The event loop's own connections to the database, for the statements that every turn runs.

The same statement in a thread costs five times the CPU, for the hop and for Django's connection, and waits for
Python's lock each time it goes on (docs/adr/0024-statements-in-the-event-loop.md).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

MAX_SIZE = 16  # of one event loop, beside those of its threads: RAGSITE_DATABASE_POOL

# How our database is reached, and how values are written for it. Never opened itself: what `django.db.connection`
# says in the event loop is made anew in each task.
TEMPLATE_CONNECTION = connections.create_connection(DEFAULT_DB_ALIAS)

Query = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]
Connection = AsyncConnection[tuple[Any, ...]]


class _Pool:
    """Those of one event loop, each opened when it is first needed."""

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
        if lent.broken:  # and so are the others, most likely
            await self.close()

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for each in idle:
            await each.close()


async def _connect() -> Connection:
    """Return a connection like Django's, except that it is asynchronous."""
    settings = TEMPLATE_CONNECTION.get_connection_params()
    del settings["cursor_factory"]
    made = await AsyncConnection.connect(**settings, autocommit=True)
    try:
        await made.execute("SELECT set_config('TimeZone', %s, false)", [TEMPLATE_CONNECTION.timezone_name])
    except BaseException:  # cancelled, too: nobody else knows of it
        await made.close()
        raise
    return made


async def fetch_all(lent: Connection, queries: Sequence[Query]) -> list[Rows]:
    """Return the rows of each. Several go to the server together: in one round trip, and one transaction.

    So says the protocol: what comes before a Sync is committed by it, or, if any of it fails there, not at all
    (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING). What ends it here, a
    cancellation or a value that cannot be sent, leaves committed what was sent by then. Raises psycopg.Error.
    """
    async with lent.pipeline() if len(queries) > 1 else nullcontext():
        cursors = [await lent.execute(*query) for query in queries]
    return [await cursor.fetchall() for cursor in cursors]


# --- of each event loop --------------------------------------------------------------------------

_Keeper = AsyncGenerator[_Pool]
_kept: dict[asyncio.AbstractEventLoop, tuple[_Pool, _Keeper]] = {}


@asynccontextmanager
async def acquire() -> AsyncIterator[Connection]:
    """Lend a connection, in autocommit. Errors are django.db's."""
    loop = asyncio.get_running_loop()
    if loop not in _kept:
        keeper = _keep(loop)
        _kept[loop] = (await anext(keeper), keeper)
    async with _kept[loop][0].acquire() as connection:
        yield connection


async def _keep(loop: asyncio.AbstractEventLoop) -> _Keeper:
    """Yield connections that are closed when the loop ends: asynchronous generators are, before their loop."""
    connections = _Pool()
    try:
        yield connections
    finally:
        del _kept[loop]
        await connections.close()
