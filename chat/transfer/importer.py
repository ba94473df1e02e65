"""Imports run in a worker. A row says how far each has come, and the worker holds it under a lease.

Each conversation is stored in one transaction with the row's counts. So an import whose worker was killed goes on after
the last stored conversation, and counts none twice. The database is the truth: a message to a worker that was lost is
sent again (`ask_workers`).
"""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO, cast
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User, record
from chat.errors import ImportRefused
from chat.models import Import
from core.files import discard, stored_files
from core.leases import Lease, Superseded, lease_end, lease_expired
from core.text import one_line

from .import_file import Entry, read_file
from .storing import is_here, store

log = logging.getLogger(__name__)

TASK = "chat.import_conversations"
MOST_WAITING = 5  # imports of one user
MAX_CLAIMS = 4  # of one import, because the file itself may be what kills the worker
_LEASE = timedelta(seconds=30)
_STORED = timedelta(hours=1)  # a file is stored before its row is
_FAULT = "Something went wrong on our side. The conversations so far are imported. Tell an operator, and import the file again."


def begin(user: User, file: File[Any]) -> Import:
    """Store a file of conversations, to be imported by a worker. Raises ImportRefused."""
    check_size(file.size)
    if user.imports.exclude(status__in=Import.ENDED).count() >= MOST_WAITING:
        raise ImportRefused(f"{MOST_WAITING} imports of yours are waiting already. Wait until one has ended.")
    row = Import(user=user, name=_name_of(file), size_bytes=file.size)
    default_storage.save(row.key, file)
    with transaction.atomic():
        row.save()
        record(user, "import.begin", str(row.pk), size_bytes=file.size)
        transaction.on_commit(partial(_ask_worker, row.pk))
    return row


def check_size(size_bytes: int) -> None:
    """Raise ImportRefused if a file is too large or empty."""
    if not size_bytes:
        raise ImportRefused("The file is empty.")
    if size_bytes > settings.IMPORT_MAX_BYTES:
        raise ImportRefused(
            f"The file is larger than {settings.IMPORT_MAX_BYTES // 1024**2:,} MB. If it is an archive with pictures, "
            "unpack it, and import its conversations.json."
        )


def _name_of(file: File[Any]) -> str:
    return one_line(PurePath(file.name or "").name)[:200] or "conversations"


def ask_workers() -> None:
    """Ask for a worker for each import that none does. Runs every few seconds."""
    for pk in _due().order_by("created_at").values_list("pk", flat=True)[:100]:
        _ask_worker(pk)


def _ask_worker(pk: UUID) -> None:
    try:
        current_app.send_task(TASK, (str(pk),), retry=False, priority=6)
    except OperationalError as error:  # `ask_workers` does it later
        log.warning("Import %s waits: the broker is unreachable (%s).", pk, error)


def _due() -> QuerySet[Import]:
    """Return the imports to go on with: those that wait, and those whose worker is gone."""
    is_left = Q(status=Import.Status.RUNNING) & lease_expired()
    return Import.objects.filter(Q(status=Import.Status.WAITING) | is_left)


def run(pk: UUID) -> None:
    """Claim an import, and do it to its end."""
    row = _claim(pk)
    if row is None:
        return
    held = Import.objects.filter(pk=pk, fence=row.fence, status=Import.Status.RUNNING)
    lease = Lease(held, _LEASE)
    try:
        with lease.keep_alive():
            _import(row, lease)
    except Superseded:
        log.warning("Import %s: another worker does it, or its user is gone.", pk)
    except DatabaseError:  # for example a failover: the next claim goes on
        log.warning("Import %s: it will be tried again.", pk, exc_info=True)
        raise


def _claim(pk: UUID) -> Import | None:
    """Claim an import, unless another one of its user runs. Return None if there is nothing to do."""
    with transaction.atomic():
        row = _due().filter(pk=pk, user__is_active=True).select_for_update(of=("self",)).first()
        if row is None or _another_runs(row):
            return None
        row.status, row.fence = Import.Status.RUNNING, row.fence + 1
        Import.objects.filter(pk=pk).update(status=row.status, fence=row.fence, lease_until=lease_end(_LEASE))
    return row


def _another_runs(row: Import) -> bool:
    User.objects.select_for_update(no_key=True).get(
        pk=row.user_id
    )  # two claims of one user come one after the other
    running = Import.objects.filter(user=row.user_id, status=Import.Status.RUNNING).exclude(pk=row.pk)
    return running.exclude(lease_expired()).exists()


def _import(row: Import, lease: Lease) -> None:
    if row.fence > MAX_CLAIMS:
        _end(row, lease, f"The import was interrupted {MAX_CLAIMS} times, perhaps by what is in the file.")
        return
    try:
        with default_storage.open(row.key) as file:
            for entry in _entries(row, cast(BinaryIO, file)):
                _store(row, lease, entry)
    except FileNotFoundError:
        _end(
            row,
            lease,
            "The file is not here any more, perhaps after the restore of a backup. Import it again.",
        )
    except ImportRefused as refusal:
        _end(row, lease, str(refusal))
    except (Superseded, DatabaseError):
        raise
    except Exception:
        log.exception("Import %s failed", row.pk)
        _end(row, lease, _FAULT)
    else:
        _end(row, lease)


def _entries(row: Import, file: BinaryIO) -> Iterator[Entry]:
    """Yield the entries of the file, without those that earlier claims have stored."""
    yield from islice(read_file(file, timezone.now()), row.done, None)


@transaction.atomic
def _store(row: Import, lease: Lease, entry: Entry) -> None:
    """Store a conversation, unless it is here, and count it. Raises Superseded."""
    current = Import.objects.select_for_update().filter(pk=row.pk, fence=row.fence).first()
    if current is None or not current.user.is_active:
        raise Superseded
    found, left_out = entry.conversation, entry.left_out
    counts: dict[str, Any] = {"done": F("done") + 1}
    if found and is_here(current.user, found.origin):
        counts["already_here"] = F("already_here") + 1
        left_out = Counter()
    elif found:
        store(current.user, found)
        counts["added"] = F("added") + 1
    kept = {kind: count for kind, count in (Counter(current.left_out) + left_out).items() if count}
    lease.renew(**counts, left_out=kept)


def _end(row: Import, lease: Lease, error: str = "") -> None:
    status = Import.Status.FAILED if error else Import.Status.FINISHED
    with transaction.atomic():
        lease.update(status=status, error=error, lease_until=None, ended_at=Now())
        transaction.on_commit(partial(discard, row.key))


# --- the page and the cleaning -------------------------------------------------------------------


def imports_for(user: User) -> QuerySet[Import]:
    return Import.objects.filter(user=user)


def clear_imports() -> Iterator[int]:
    """Delete the rows of imports that ended long ago, and files that no row names. Yield 1 for each."""
    for row in Import.objects.filter(ended_at__lt=timezone.now() - Import.KEPT).iterator(500):
        row.delete()
        yield 1
    for name in stored_files().names("imports"):
        pk = name.removeprefix("imports/")
        if not _is_named(pk) and default_storage.get_modified_time(name) < timezone.now() - _STORED:
            discard(name)
            yield 1


def _is_named(pk: str) -> bool:
    try:
        return Import.objects.filter(pk=UUID(pk)).exclude(status__in=Import.ENDED).exists()
    except ValueError:
        return False
