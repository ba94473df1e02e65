"""Copies the stored files into a backup, and back."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import IO, TypeVar

from django.core.files import File
from django.core.files.storage import default_storage

from core.files import HELD
from documents.ingestion import quarantine
from ragsite.errors import BackupError

from .manifest import StoredFile
from .places import Measured, Place

T = TypeVar("T")
U = TypeVar("U")

_AT_ONCE = 4  # a bucket takes some 50 ms for each file, whatever its size
_IN_MEMORY = 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a row of the snapshot names."""

    name: str
    sha256: str  # "": not known


@dataclass(frozen=True, slots=True)
class Copied:
    wanted: Wanted
    stored: StoredFile | None  # None: it is not in the storage

    @property
    def differs(self) -> bool:
        return bool(self.stored and self.wanted.sha256 and self.stored.sha256 != self.wanted.sha256)


def back_up(place: Place, wanted: Iterable[Wanted]) -> Iterator[Copied]:
    """Copy files to `files/NAME` in the backup, in this order."""
    return _in_parallel(lambda each: _back_up(place, each), wanted)


def restore(place: Place, files: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """Copy files back and yield those that were not there yet. Raises BackupError if one is damaged.

    A file with the same name and another content is put aside (documents.ingestion.quarantine).
    """
    outcomes = _in_parallel(lambda each: (each, _restore(place, each)), files)
    return (each for each, is_new in outcomes if is_new)


def verify(place: Place, files: Iterable[StoredFile]) -> None:
    """Read all files of a backup. Raises BackupError if one is missing or damaged."""
    for each in _in_parallel(lambda each: (each, _digest(place, each)), files):
        _check(each[0], *each[1])


def _back_up(place: Place, wanted: Wanted) -> Copied:
    """Copy a file from its place or, if it was deleted or replaced since the snapshot, from the held ones."""
    best = Copied(wanted, None)
    for name in (wanted.name, f"{HELD}/{wanted.name}"):
        try:
            with default_storage.open(name) as file:
                source = Measured(file)
                place.write(f"files/{wanted.name}", source)
        except FileNotFoundError:
            continue
        best = Copied(
            wanted, StoredFile(name=wanted.name, size_bytes=source.size_bytes, sha256=source.sha256)
        )
        if not best.differs:
            break
    return best


def _restore(place: Place, file: StoredFile) -> bool:
    """Return False if the file is there already."""
    is_taken = default_storage.exists(file.name)
    if is_taken and _is_same(file):
        return False
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:  # nothing damaged gets into the storage
        size_bytes, sha256 = _read(place, file, copy)
        _check(file, size_bytes, sha256)
        copy.seek(0)
        if is_taken:
            quarantine.put_aside(file.name)
        if default_storage.save(file.name, File(copy)) != file.name:
            raise BackupError(
                f"{file.name} was stored by another process meanwhile. Stop Ragsite and restore again."
            )
    return True


def _is_same(file: StoredFile) -> bool:
    with default_storage.open(file.name) as there:
        measured = Measured(there)
        measured.drain()
    return measured.sha256 == file.sha256


def _digest(place: Place, file: StoredFile) -> tuple[int, str]:
    return _read(place, file, None)


def _read(place: Place, file: StoredFile, copy: IO[bytes] | None) -> tuple[int, str]:
    try:
        with place.read(f"files/{file.name}") as source:
            measured = Measured(source)
            while data := measured.read(_IN_MEMORY):
                if copy:
                    copy.write(data)
    except FileNotFoundError:
        raise BackupError(f"The backup is damaged: its file {file.name} is missing.") from None
    return measured.size_bytes, measured.sha256


def _check(file: StoredFile, size_bytes: int, sha256: str) -> None:
    if (size_bytes, sha256) != (file.size_bytes, file.sha256):
        raise BackupError(
            f"The backup is damaged: its file {file.name} does not have the checksum of the manifest."
        )


def _in_parallel(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield the results in order, with a bounded number of items under way."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rest = iter(items)
        under_way: list[Future[U]] = [pool.submit(work, item) for item in islice(rest, 2 * _AT_ONCE)]
        try:
            while under_way:
                result = under_way.pop(0).result()
                under_way += [pool.submit(work, item) for item in islice(rest, 1)]
                yield result
        finally:
            for future in under_way:
                future.cancel()
