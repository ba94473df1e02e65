"""Waits for models and for the network without holding a database connection, and limits how many wait at once.

A request that keeps its connection while it waits for something that needs another one is hold-and-wait: with
as many such requests as the pool has connections, none of them can go on (Coffman, Elphick and Shoshani 1971,
System Deadlocks). So synchronous code awaits a coroutine only through `wait_for`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import ParamSpec, TypeVar

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection

from .errors import Busy

P = ParamSpec("P")
T = TypeVar("T")


class Gate:
    """Admits a limited number of callers at once. The others wait in their thread, for a limited time.

    at_once: callers inside. each: callers inside with the same key, so that one user cannot fill the gate.
    """

    def __init__(self, at_once: int, each: int, wait_s: float) -> None:
        self._at_once, self._each, self._wait_s = at_once, each, wait_s
        self._inside: Counter[Hashable] = Counter()
        self._changed = Condition()

    @contextmanager
    def enter(self, key: Hashable) -> Iterator[None]:
        """Hold a place for this key. Raises Busy if none gets free in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(key), self._wait_s):
                raise Busy
            self._inside[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[key] -= 1
                self._inside += Counter()  # drops the keys that are at zero
                self._changed.notify_all()

    def _has_room(self, key: Hashable) -> bool:
        return self._inside[key] < self._each and self._inside.total() < self._at_once


_models = Gate(settings.MODEL_CALLS_AT_ONCE, settings.MODEL_CALLS_PER_USER, settings.BUSY_AFTER_S)


def wait_for(function: Callable[P, Awaitable[T]], on_behalf_of: Hashable) -> Callable[P, T]:
    """Wrap a coroutine function for synchronous callers: they hold no database connection while they wait.

    on_behalf_of: the key of the caller: a user's id, or a name for routine work; None: no limit applies.
    The wrapper raises Busy if too many wait already, and RuntimeError inside a transaction, which would keep its
    connection and its locks.
    """

    def called(*arguments: P.args, **named: P.kwargs) -> T:
        _refuse_in_transaction()
        release_connection()
        if on_behalf_of is None:
            return async_to_sync(function)(*arguments, **named)
        with _models.enter(on_behalf_of):
            return async_to_sync(function)(*arguments, **named)

    return called


def release_connection() -> None:
    """Return this thread's database connection to the pool, unless it is in a transaction.

    The next query takes another one.
    """
    if not connection.in_atomic_block:
        connection.close()


def _refuse_in_transaction() -> None:
    """Raise RuntimeError in a transaction, except in one that wraps a whole test."""
    if any(not block._from_testcase for block in connection.atomic_blocks):  # type: ignore[attr-defined]
        raise RuntimeError("Do not wait for a model or the network inside a database transaction.")
