"""Runs synchronous database code for async callers."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections

from core.outages import is_database_out

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

_TRIES, _PAUSE_S = 12, 0.25
_caller: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("caller", default=None)


def to_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Wrap a function so that it runs in a thread, with a database connection of the pool.

    `sync_to_async` costs several times as much, and by default it serializes all queries in one thread.
    """

    @wraps(function)
    async def called(*arguments: P.args, **named: P.kwargs) -> T:
        loop = asyncio.get_running_loop()

        def tidy() -> T:
            _caller.set(loop)  # in the thread's own context
            try:
                return function(*arguments, **named)
            finally:
                close_old_connections()

        return await asyncio.to_thread(tidy)

    return called


def retry_on_disconnect(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Wrap a function so that it is retried for some seconds, while the database restarts.

    Use it only for idempotent functions: a lost confirmation looks like a failure.
    """

    @wraps(function)
    async def called(*arguments: P.args, **named: P.kwargs) -> T:
        for _ in range(_TRIES - 1):
            try:
                return await function(*arguments, **named)
            except (DatabaseError, InterfaceError) as error:
                if not is_database_out(error):
                    raise
                logger.warning("Waiting for the database: %s", error)
                await asyncio.sleep(_PAUSE_S)
        return await function(*arguments, **named)

    return called


def calling_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that waits for this thread, if `to_thread` started it."""
    return _caller.get()
