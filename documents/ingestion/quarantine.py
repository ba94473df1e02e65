"""Files that no row names are put aside instead of deleted: after the restore of a backup they may be the only copy.

They move to `quarantine/DATE/TIME/NAME` in the same storage and are deleted after QUARANTINE_DAYS.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, timedelta
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import CharField
from django.db.models.functions import Cast, Collate
from django.utils import timezone

from core.files import stored_files
from documents.models import Document, Upload

FOLDER = "quarantine"
_FOLDERS = ("uploads", "workspaces")  # sorted; all that rows name: see Upload.key and Document.file
_UPLOADING = timedelta(hours=1)  # a file is stored before its document is recorded
_BATCH = 1000
_STARTED = "%Y-%m-%d/%H%M%S"
_HELD = re.compile(rf"{FOLDER}/\d{{4}}-\d\d-\d\d/\d{{6}}/.")

log = logging.getLogger(__name__)


def compare() -> tuple[list[str], list[Document]]:
    """Return the files that no row names, and the documents whose file is missing.

    Memory grows with the differences, not with the files. Files come and go meanwhile, so each difference is checked
    once more.
    """
    unknown, missing = list[str](), list[str]()
    for name, is_stored in _differences(_stored_names(), _known_names()):
        (unknown if is_stored else missing).append(name)
    return list(_still_unknown(unknown)), list(_still_missing(missing))


def put_aside(name: str) -> None:
    """Move a file of the storage into the quarantine."""
    stored_files().move(name, f"{FOLDER}/{timezone.now().astimezone(UTC):{_STARTED}}/{name}")


def put_back(held: str) -> bool:
    """Move a file of the quarantine to where it was. Return False if another file is there now."""
    name = _original_name(held)
    if default_storage.exists(name):
        return False
    stored_files().move(held, name)
    return True


def by_original_name() -> dict[str, str]:
    """Return where each file in the quarantine is, by the name that it had; the newest if there are several."""
    return {_original_name(held): held for held in held_names()}


def held_names(date: str = "") -> Iterator[str]:
    """Yield the names of the files in the quarantine, those of one date (YYYY-MM-DD) or all.

    What others put there under names of another form is left alone.
    """
    names = stored_files().names(f"{FOLDER}/{date}" if date else FOLDER)
    return (name for name in names if _HELD.match(name))


def expire() -> Iterator[int]:
    """Delete what has been in the quarantine for QUARANTINE_DAYS. A file that a row names again goes back.

    Yield how many files of each batch were deleted.
    """
    first_kept = f"{timezone.now().astimezone(UTC) - timedelta(days=settings.QUARANTINE_DAYS):%Y-%m-%d}"
    due = (held for held in held_names() if held.split("/")[1] < first_kept)
    for batch in _batches(due):
        named = set(_named(_original_name(held) for held in batch))
        over = [held for held in batch if not (_original_name(held) in named and put_back(held))]
        for held in over:
            log.info("%s has been put aside for %d days: deleting it.", held, settings.QUARANTINE_DAYS)
            default_storage.delete(held)
        yield len(over)


def _original_name(held: str) -> str:
    return held.split("/", 3)[3]


# --- comparison ---------------------------------------------------------------------------------


def _differences(there: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the names that only one of two sorted streams has, and whether it is the first: a merge join."""
    both = merge(((name, True) for name in there), ((name, False) for name in known))
    for name, found in groupby(both, key=itemgetter(0)):
        sides = {is_there for _, is_there in found}
        if len(sides) == 1:
            yield name, sides.pop()


def _stored_names() -> Iterator[str]:
    for folder in _FOLDERS:
        yield from stored_files().names(folder)


def _known_names() -> Iterator[str]:
    """Yield the names in the order of `StoredFiles.names`, whatever order the database gives to letters."""
    for pk in Upload.objects.order_by("pk").values_list("pk", flat=True).iterator(_BATCH):
        yield f"uploads/{pk}"
    in_order = Collate(Cast("file", CharField()), "C")
    yield from (
        Document.every.exclude(file="").order_by(in_order).values_list("file", flat=True).iterator(_BATCH)
    )


def _still_unknown(names: list[str]) -> Iterator[str]:
    for batch in _batches(names):
        named = set(_named(batch))
        yield from (name for name in batch if name not in named and _is_old(name))


def _is_old(name: str) -> bool:
    try:
        return default_storage.get_modified_time(name) < timezone.now() - _UPLOADING
    except OSError:  # it was deleted meanwhile
        return False


def _still_missing(names: list[str]) -> Iterator[Document]:
    for batch in _batches(names):
        found = (
            Document.objects.filter(file__in=batch).select_related("workspace").order_by("workspace", "title")
        )
        yield from (each for each in found if not default_storage.exists(str(each.file.name)))


def _named(names: Iterable[str]) -> Iterator[str]:
    """Yield those of the names that a row names."""
    wanted = list(names)
    yield from Document.every.filter(file__in=wanted).values_list("file", flat=True)
    uploads = {name for name in wanted if name.startswith("uploads/")}
    if uploads:
        yield from (each.key for each in Upload.objects.iterator(_BATCH) if each.key in uploads)


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, _BATCH)):
        yield batch
