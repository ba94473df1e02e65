"""The stored files, in a folder or in a bucket: their names, and how a file moves and goes.

A row names a file; the file is deleted after the commit that deletes or replaces the row. A backup reads the rows in
one snapshot and the files afterwards, so a file that is deleted meanwhile is held until the backup has ended.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from django.core.files.storage import FileSystemStorage, Storage, default_storage

from .db.advisory_locks import BACKUP, is_held

HELD = "held"  # the folder of files that were deleted while a backup ran


class StoredFiles(Protocol):
    """What our storages offer beside Django's interface. Names are relative, with slashes."""

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of all files below a folder, sorted by their characters' numbers. It may be missing."""

    def move(self, name: str, target: str) -> None:
        """Give the file another name, without a transfer through this process. Raises FileNotFoundError."""


class Folder(FileSystemStorage):
    def _save(self, name: str, content: Any) -> str:
        """Store a file. If the disk is full, leave no half of it behind."""
        is_new = not os.path.lexists(self.path(name))
        try:
            return str(super()._save(name, content))  # type: ignore[misc]
        except OSError:
            if is_new:
                with suppress(OSError):
                    os.unlink(self.path(name))
            raise

    def names(self, folder: str) -> Iterator[str]:
        try:
            with os.scandir(self.path(folder)) as entries:
                # A folder sorts like the names in it, which continue with a slash.
                found = sorted(f"{each.name}/" if each.is_dir() else each.name for each in entries)
        except FileNotFoundError:
            return
        for name in found:
            if name.endswith("/"):
                yield from self.names(f"{folder}/{name[:-1]}")
            else:
                yield f"{folder}/{name}"

    def move(self, name: str, target: str) -> None:
        place = Path(self.path(target))
        mode = self.directory_permissions_mode or 0o700
        place.parent.mkdir(mode=mode, parents=True, exist_ok=True)
        Path(self.path(name)).rename(place)


def stored_files(storage: Storage = default_storage) -> StoredFiles:
    return cast(StoredFiles, storage)


def discard(name: str) -> None:
    """Delete a file that no row names any more, or hold it while a backup runs. Call it after the commit.

    A backup takes its lock before its snapshot. So if no backup holds the lock now, later snapshots do not know the
    file; and a backup whose snapshot knows the file finds it among the held ones.
    """
    if not is_held(BACKUP):
        default_storage.delete(name)
        return
    with suppress(FileNotFoundError):  # another process was faster
        stored_files().move(name, f"{HELD}/{name}")


def discard_held() -> Iterator[int]:
    """Delete the files that were held for a backup, unless one runs. Yield 1 for each."""
    for name in stored_files().names(HELD):
        if is_held(BACKUP):
            return
        default_storage.delete(name)
        yield 1
