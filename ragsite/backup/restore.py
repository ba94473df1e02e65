"""Restores a backup, and verifies one."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings

from ragsite.errors import BackupError
from ragsite.release.schema_version import unknown_migrations
from ragsite.release.version import VERSION

from . import database, files, manifest
from .manifest import DATABASE, FILES, Manifest, Part, StoredFile
from .places import Measured, Place

_EMPTY = "Have an empty database created, with the extensions vector, pg_trgm and unaccent, and name it in DATABASE_URL."

Say = Callable[[str], object]


def read_manifest(place: Place) -> Manifest:
    """Raises BackupError if there is no complete backup."""
    try:
        with place.read(manifest.NAME) as file:
            return manifest.parse(file.read())
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(
            f"{place} holds no complete backup: {manifest.NAME}, which is written last, is missing. A backup that was "
            "interrupted cannot be restored; use another one."
        ) from None


def verify_backup(place: Place) -> Manifest:
    """Read everything and compare it with the manifest. Raises BackupError."""
    found = read_manifest(place)
    for part in found.parts:
        _check_part(place, part, None)
    with _listed(place, found) as listed:
        files.verify(place, listed)
    return found


def restore_backup(place: Place, *, replace: bool, say: Say) -> Manifest:
    """Restore a backup into the installation of the settings, whose services must not run. Return its manifest.

    replace: take the place of what is there. The database that was there is kept under another name, files with the
    same name and another content are put aside, and other files stay. Raises BackupError.
    """
    found = read_manifest(place)
    check_versions(found)
    database.refuse_if_in_use()
    is_empty = database.count_tables() == 0
    if not (is_empty or replace):
        raise BackupError(
            "This installation has data already. Restore into a new one (its own RAGSITE_DATA_DIR, or an empty database), "
            "or add --replace: it keeps the database that is there now under another name."
        )
    _check_space(found)
    say(f"Restoring the backup of {found.started_at:%Y-%m-%d %H:%M} UTC, from {found.site_url}.")
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="restore-") as scratch:
        dump = Path(scratch) / DATABASE
        fetch_dump(place, found, dump)
        staging = database.stage(is_own_empty=is_empty, otherwise=_EMPTY)
        try:
            staging.fill(dump, found.postgres)
            _restore_files(place, found, say)
            _restore_data_files(place, found, replace)
            kept = staging.take_over()
        except BaseException:
            if not staging.is_own:
                database.drop(staging.database)
            raise
    if kept:
        say(
            f"The database that was here is kept as {kept}. When you need it no more: manage.py drop_kept_database {kept}"
        )
    return found


def check_versions(found: Manifest) -> None:
    """Raise BackupError if this version or this server is older than those of the backup."""
    if unknown := unknown_migrations(found.migrations):
        raise BackupError(
            f"The backup was written by Ragsite {found.version}, which is newer than this {VERSION} "
            f"({unknown[0][0]}.{unknown[0][1]} is unknown here). Restore it with that version or a later one."
        )
    with database.connect("postgres" if not settings.DATABASE_URL else "") as server:
        if (there := database.major(server)) < found.postgres:
            raise BackupError(
                f"The backup is of PostgreSQL {found.postgres}, but this server is PostgreSQL {there}: use "
                f"{found.postgres} or later."
            )


def _check_space(found: Manifest) -> None:
    """The dump is copied first, and becomes a database several times its size."""
    dump = found.part(DATABASE)
    needed = (dump.size_bytes if dump else 0) * 2 + (0 if settings.S3_BUCKET else found.file_bytes)
    if (free := shutil.disk_usage(settings.DATA_DIR).free) < needed:
        raise BackupError(
            f"The restore needs {needed // 10**6:,} MB and more, but {free // 10**6:,} MB are free at "
            f"{settings.DATA_DIR}. Free some space."
        )


def fetch_dump(place: Place, found: Manifest, target: Path) -> None:
    """Copy the dump of the database. Raises BackupError if it is missing or damaged."""
    part = found.part(DATABASE)
    if part is None:
        raise BackupError("The backup is damaged: its manifest names no dump of the database.")
    with target.open("wb") as copy:
        _check_part(place, part, copy)


def _check_part(place: Place, part: Part, copy: IO[bytes] | None) -> None:
    """Read a part, into a file if one is given. Raises BackupError if it is missing or damaged."""
    try:
        with place.read(part.name) as source:
            measured = Measured(source)
            while data := measured.read(2**20):
                if copy:
                    copy.write(data)
    except FileNotFoundError:
        raise BackupError(f"The backup is damaged: {part.name} is missing.") from None
    if (measured.size_bytes, measured.sha256) != (part.size_bytes, part.sha256):
        raise BackupError(f"The backup is damaged: {part.name} does not have the checksum of the manifest.")


def _restore_files(place: Place, found: Manifest, say: Say) -> None:
    with _listed(place, found) as listed:
        for count, _ in enumerate(files.restore(place, listed), start=1):
            if count % 1000 == 0:
                say(f"{count:,} files restored.")


@contextmanager
def _listed(place: Place, found: Manifest) -> Iterator[Iterator[StoredFile]]:
    """Yield the files of the backup, from a verified copy of their list."""
    part = found.part(FILES)
    with tempfile.TemporaryFile() as copy:
        if part:
            _check_part(place, part, copy)
        copy.seek(0)
        yield (manifest.parse_file(line) for line in copy)


def _restore_data_files(place: Place, found: Manifest, replace: bool) -> None:
    """Restore the files of the data directory. What is there of an installation in use is kept with a suffix."""
    for name in settings.BACKUP_FILES:
        part, path = found.part(f"data/{name}"), Path(settings.DATA_DIR) / name
        if part is None or not found.has_files:
            continue
        attempt = path.with_name(f"{name}.restoring")
        attempt.unlink(missing_ok=True)
        attempt.touch(mode=0o600)
        with attempt.open("wb") as copy:
            _check_part(place, part, copy)
        if replace and path.exists() and path.read_bytes() != attempt.read_bytes():
            path.rename(path.with_name(f"{name}.before"))
        attempt.rename(path)
