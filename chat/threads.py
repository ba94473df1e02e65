"""Where async code meets the database."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Return a function that runs this one in a thread, with a connection of the pool.

    Not thread-sensitive: that would make all queries of the process wait in one line.
    """
    made: Callable[P, Awaitable[T]] = database_sync_to_async(function, thread_sensitive=False)
    return made
