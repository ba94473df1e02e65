"""Leases: which worker has a row now, for a while, by the clock of the database.

A worker takes a lease, renews it while it works (the heartbeat), and proves it at each write with its fencing
token: the row's `fence`, which grows with each claim. A worker that lost its lease finds no row to update, and
stops. The clocks of two machines differ, so only the database's decides.
Source: Kleppmann, Designing Data-Intensive Applications, chapter 8, "Fencing tokens".
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import Error, connection
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

log = logging.getLogger(__name__)


class Superseded(Exception):
    """The lease is lost: another worker has the work now, or it is gone. What this one writes is refused."""


def lease_end(duration: timedelta) -> Combinable:
    """Return until when a lease holds that is taken or renewed now."""
    return Now() + duration


def lease_end_sql(seconds: str) -> str:
    """Return the same for raw SQL. seconds: the placeholder of the duration.

    Not now(), which is when the transaction began: it may have waited since.
    """
    return f"statement_timestamp() + make_interval(secs => {seconds})"


def lease_expired(ago: timedelta = timedelta(0)) -> Q:
    """Return which rows have a lease that ran out, at least so long ago."""
    return Q(lease_until__lt=Now() - ago)


class Lease:
    """A worker's hold on one row, from its claim to its end."""

    def __init__(self, held: QuerySet[Any, Model], duration: timedelta) -> None:
        """held: the row, while it has this claim's fence and is being worked on."""
        self._held, self._duration = held, duration
        self.is_lost = threading.Event()

    def update(self, **fields: Any) -> None:
        """Write to the row. Raises Superseded."""
        if not self._held.update(**fields):
            raise Superseded

    def renew(self, **fields: Any) -> None:
        """Write to the row, and hold it for the whole duration again. Raises Superseded."""
        self.update(lease_until=lease_end(self._duration), **fields)

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Renew the lease from a thread, so that a long step is not taken for a dead worker."""
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(done,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self, done: threading.Event) -> None:
        while not done.wait(self._duration.total_seconds() / 3):
            try:
                self.renew()
            except Superseded:
                self.is_lost.set()
                return
            except Error:
                log.warning("A lease could not be renewed.", exc_info=True)
            finally:
                connection.close()
