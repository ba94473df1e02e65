"""Deletions that are too big for one request: a worker does them in parts, each in a transaction of its own.

A row of `Deletion` says what is left to do. A worker holds it under a lease for a while, and goes on where a
killed one stopped: whatever it deleted is gone already.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from celery import current_app
from django.db import DatabaseError, models, transaction
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from core.db.cascade import count_with_owned
from core.leases import Lease, Superseded, lease_end, lease_expired

from .models import Deletion, User

log = logging.getLogger(__name__)

AT_ONCE = 1_000  # rows that are deleted in the request itself
TASK = "accounts.continue_deletion"
_LEASE = timedelta(seconds=30)
_TURN_S = 20.0  # then other work gets the worker
_RETRY = timedelta(seconds=30)

Parts = Callable[[str], Iterator[int]]
Count = Callable[[str], int]
_PARTS: dict[str, Parts] = {}  # by the model's label
_COUNTS: dict[str, Count] = {}


def deletes(model: type[models.Model], parts: Parts, count: Count | None = None) -> None:
    """Register how rows of a model are deleted: parts(key) yields how many rows each transaction deleted.

    count: returns how many rows there are to delete; without it, the key is that of one row.
    """
    _PARTS[model._meta.label] = parts
    if count:
        _COUNTS[model._meta.label] = count


def begin(by: User | None, row: models.Model, name: str) -> Deletion:
    """Record that this row is to be deleted with all that depends on it, and ask a worker after the commit.

    A row that is being deleted already keeps its deletion.
    """
    return begin_several(by, type(row), str(row.pk), name)


def begin_several(by: User | None, model: type[models.Model], key: str, name: str) -> Deletion:
    """Do the same for the rows of a key that the model's parts and count understand."""
    deletion, is_new = Deletion.objects.get_or_create(
        kind=model._meta.label,
        target=key,
        finished_at=None,
        defaults={"name": name[:200], "actor_name": by.username if by else ""},
    )
    if is_new:
        transaction.on_commit(partial(_ask_worker, deletion.pk))
    return deletion


def parts_of(row: models.Model) -> Iterator[int]:
    """Delete the row with all that depends on it now. Yield after each transaction how many rows it deleted."""
    yield from _PARTS[row._meta.label](str(row.pk))


def parts_left(deletion: Deletion) -> Iterator[int]:
    """Delete now what a worker has not deleted yet. Yield as `parts_of` does."""
    yield from _PARTS[deletion.kind](deletion.target)


def delete_all(row: models.Model) -> None:
    """Delete the row with all that depends on it now."""
    for _ in parts_of(row):
        pass


def is_small(row: models.Model) -> bool:
    """Tell whether the row has so few rows below it that a request can delete them."""
    return count_with_owned(type(row), pk=row.pk) <= AT_ONCE


def ask_workers() -> None:
    """Ask for a worker for each deletion that none does. Runs every few seconds."""
    for pk in _due().values_list("pk", flat=True):
        _ask_worker(pk)


def go_on(pk: int) -> None:
    """Delete parts for a while, under a lease. Ask for another turn if there is more."""
    if not _due().filter(pk=pk).update(lease_until=lease_end(_LEASE), fence=F("fence") + 1):
        return
    deletion = Deletion.objects.get(pk=pk)
    lease = Lease(Deletion.objects.filter(pk=pk, fence=deletion.fence, finished_at=None), _LEASE)
    try:
        with lease.keep_alive():
            _delete_for_a_while(deletion, lease)
    except Superseded:
        log.warning("%s: another worker does it.", deletion)
    except DatabaseError as error:  # for example a deadlock with a writer that has not noticed yet
        log.warning("%s: it will be tried again.", deletion, exc_info=True)
        lease.update(lease_until=lease_end(_RETRY), error=f"It will be tried again: {error}"[:500])


def _due() -> models.QuerySet[Deletion]:
    free = models.Q(lease_until=None) | lease_expired()
    return Deletion.objects.filter(free, finished_at=None)


def _delete_for_a_while(deletion: Deletion, lease: Lease) -> None:
    until = time.monotonic() + _TURN_S
    if deletion.total is None:
        lease.update(total=deletion.done + _count(deletion))
    for count in _PARTS[deletion.kind](deletion.target):
        lease.update(done=F("done") + count, moved_at=Now(), error="")
        if time.monotonic() > until:
            lease.update(lease_until=None)
            _ask_worker(deletion.pk)
            return
    lease.update(finished_at=Now(), lease_until=None)


def _count(deletion: Deletion) -> int:
    if count := _COUNTS.get(deletion.kind):
        return count(deletion.target)
    return count_with_owned(deletion.model, pk=deletion.target)


def _ask_worker(pk: int) -> None:
    try:
        current_app.send_task(TASK, (pk,), retry=False, priority=6)
    except OperationalError as error:  # `ask_workers` does it later
        log.warning("Deletion %s waits: the broker is unreachable (%s).", pk, error)
