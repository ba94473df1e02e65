"""Leases with fencing tokens: a worker holds a row for a limited time, by the clock of the database.

A worker claims a lease, renews it while it works (lease renewal, by a heartbeat), and proves it at each write
with its fencing token: the row's `fence`, which grows with each claim. A worker that lost its lease finds no row to
update, and stops. The clocks of two machines differ, so only the database's clock decides.
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
    """The lease is lost: another worker claimed the row, or the row was deleted.

    This worker's writes are refused.
    """


def lease_end(duration: timedelta) -> Combinable:
    """Return the end of a lease that is claimed or renewed now."""
    return Now() + duration


def lease_end_sql(seconds: str) -> str:
    """Return the end of a lease as raw SQL. seconds: the placeholder of the duration.

    It is not now(): that is the start of the transaction, which may have waited since then.
    """
    return f"statement_timestamp() + make_interval(secs => {seconds})"


def lease_expired(ago: timedelta = timedelta(0)) -> Q:
    """Return the condition of rows whose lease expired, at least `ago` before now."""
    return Q(lease_until__lt=Now() - ago)


class Lease:
    """A worker's lease on one row, from its claim to its end."""

    def __init__(self, held: QuerySet[Any, Model], duration: timedelta) -> None:
        """held: a query for the row, as long as it has this claim's fence and is in progress."""
        self._held, self._duration = held, duration
        self.is_lost = threading.Event()

    def update(self, **fields: Any) -> None:
        """Update the row. Raise Superseded if the lease is lost."""
        if not self._held.update(**fields):
            raise Superseded

    def renew(self, **fields: Any) -> None:
        """Update the row and extend the lease to its full duration. Raise Superseded if it is lost."""
        self.update(lease_until=lease_end(self._duration), **fields)

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Renew the lease from a thread (heartbeat), so that a long step does not look like a dead worker."""
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
