"""Writes a backup. The package says in which order, and why."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from chat.models import Answer, Session
from core.db.advisory_locks import BACKUP, DUMP
from documents.models import Document, Upload
from models_registry.models import Endpoint
from ragsite.errors import BackupError
from ragsite.release.schema_version import applied_migrations, is_of_this_version
from ragsite.release.version import VERSION
from workspaces.models import Workspace

from . import database, files
from .files import Wanted
from .manifest import DATABASE, FILES, NAME, Manifest, Part
from .places import Directory, Measured, Place

_EVERY = 1000  # files between two lines about the progress


def write_backup(
    place: Place, *, has_files: bool = True, say: Callable[[str], object] = lambda text: None
) -> Manifest:
    """Write a backup and return its manifest. Raises BackupError, and StartError without a fitting pg_dump."""
    try:
        with ExitStack() as failure:
            with database.holding(BACKUP):
                place.begin()
                failure.callback(place.abandon)
                manifest = _write(place, has_files, say)
            place.complete()
            failure.pop_all()
    except OSError as error:
        raise BackupError(f"The backup could not be written: {error.strerror or error}.") from error
    return manifest


def _write(place: Place, has_files: bool, say: Callable[[str], object]) -> Manifest:
    started_at = timezone.now()
    with tempfile.TemporaryFile("w+") as wanted:
        with database.holding(DUMP), _snapshot() as snapshot:
            _check_version(has_files)
            facts = _facts() | (_facts_of_rows() if has_files else {})
            _check_space(place, facts["database_bytes"] + facts["file_bytes"])
            if has_files:
                wanted.writelines(f"{each.sha256:64} {each.name}\n" for each in _wanted())
            say(f"Dumping the database ({facts['database_bytes'] // 10**6:,} MB on disk).")
            dump = _dump(place, facts["postgres"], snapshot)
        parts, copied = [dump], _Tally()
        if has_files:
            wanted.seek(0)
            copied, list_of_files = _copy_files(place, wanted, say)
            parts += [list_of_files, *_data_files(place)]
    manifest = _manifest(started_at, facts, parts, copied, has_files)
    write_part(place, NAME, BytesIO(manifest.model_dump_json(indent=1).encode()))
    return manifest


@contextmanager
def _snapshot() -> Iterator[str]:
    """Open a transaction of Django's on a snapshot, and yield the name by which pg_dump sees the same."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        yield cursor.fetchone()[0]


def _check_version(has_files: bool) -> None:
    """Raise BackupError if there is nothing to back up, or nothing that the models of this version can read."""
    if database.count_tables() == 0:
        raise BackupError(
            "The database is empty, so there is nothing to back up. Set RAGSITE_DATA_DIR or DATABASE_URL as for "
            "Ragsite itself: cron and other shells have neither."
        )
    if has_files and not is_of_this_version():
        raise BackupError(
            f"The database is not of this version {VERSION}. Back it up with the version that Ragsite ran last, or only "
            "the database with --database-only; or start Ragsite, which migrates it, and back it up then."
        )


def _facts() -> dict[str, Any]:
    """Return what the manifest says about any database, also of an earlier version. Call it in the snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, pg_database_size(current_database()),"
            " (SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        )
        postgres, database_bytes, pgvector = cursor.fetchone()
    return {
        "postgres": postgres,
        "pgvector": pgvector or "",
        "database_bytes": database_bytes,
        "file_bytes": 0,
        "migrations": applied_migrations(),
        "counts": {},
        "not_included": [],
    }


def _facts_of_rows() -> dict[str, Any]:
    """Return what only the models of this version can read."""
    return {
        "file_bytes": Document.every.exclude(file="").aggregate(sum=Sum("size_bytes", default=0))["sum"],
        "counts": _counts(),
        "not_included": list(_not_included()),
    }


def _counts() -> dict[str, int]:
    models = {
        "users": User,
        "workspaces": Workspace,
        "documents": Document,
        "sessions": Session,
        "answers": Answer,
    }
    counted = {name: model._default_manager.count() for name, model in models.items()}
    return counted | {"chunks": Workspace.objects.aggregate(sum=Sum("chunk_count", default=0))["sum"]}


def _wanted() -> Iterator[Wanted]:
    """Yield the files that the snapshot names."""
    for name, sha256 in Document.every.exclude(file="").values_list("file", "content_sha256").iterator():
        yield Wanted(name, sha256)
    for upload in Upload.objects.filter(document=None, refusal="").iterator():
        yield Wanted(upload.key, "")


def _dump(place: Place, server_major: int, snapshot: str) -> Part:
    with database.dumping(server_major, snapshot) as source:
        return write_part(place, DATABASE, source)


def write_part(place: Place, name: str, source: IO[bytes]) -> Part:
    measured = Measured(source)
    place.write(name, measured)
    return Part(name=name, size_bytes=measured.size_bytes, sha256=measured.sha256)


class _Tally:
    def __init__(self) -> None:
        self.count = self.size_bytes = 0
        self.missing, self.differing = list[str](), list[str]()


def _copy_files(place: Place, wanted: IO[str], say: Callable[[str], object]) -> tuple[_Tally, Part]:
    tally = _Tally()
    with tempfile.TemporaryFile() as written:
        for copied in files.back_up(place, (Wanted(line[65:-1], line[:64].strip()) for line in wanted)):
            if copied.stored:
                written.write(copied.stored.model_dump_json().encode() + b"\n")
                tally.count += 1
                tally.size_bytes += copied.stored.size_bytes
                if tally.count % _EVERY == 0:
                    say(f"{tally.count:,} files copied.")
            elif not copied.wanted.name.startswith("uploads/"):  # it was announced, and has not arrived
                tally.missing.append(copied.wanted.name)
            if copied.differs:
                tally.differing.append(copied.wanted.name)
        written.seek(0)
        return tally, write_part(place, FILES, written)


def _data_files(place: Place) -> Iterator[Part]:
    """Copy what belongs to the database in the data directory."""
    for name in settings.BACKUP_FILES:
        path = Path(settings.DATA_DIR) / name
        if path.exists():
            with path.open("rb") as source:
                yield write_part(place, f"data/{name}", source)


def _not_included() -> Iterator[str]:
    """Yield a sentence about each thing that people have to keep themselves."""
    for endpoint in Endpoint.objects.exclude(secret_ref="").order_by("name"):
        yield f"The key of the endpoint {endpoint.name}: {endpoint.secret_ref}."
    if variables := [name for name in sorted(os.environ) if name.startswith(settings.BACKUP_VARIABLES)]:
        yield f"The values of these environment variables: {', '.join(variables)}."
    if any((Path(settings.DATA_DIR) / "models").glob("*")):
        yield "Downloaded language models: they are downloaded again."


def _check_space(place: Place, needed: int) -> None:
    if isinstance(place, Directory) and (free := place.free_bytes()) < needed:
        raise BackupError(
            f"The backup may need {needed // 10**6:,} MB, but {free // 10**6:,} MB are free at {place}. "
            "Free some space, or choose another disk or a bucket."
        )


def _manifest(
    started_at: datetime, facts: dict[str, Any], parts: list[Part], tally: _Tally, has_files: bool
) -> Manifest:
    return Manifest(
        started_at=started_at,
        ended_at=timezone.now(),
        version=VERSION,
        site_url=settings.SITE_URL,
        postgres=facts["postgres"],
        pgvector=facts["pgvector"],
        migrations=facts["migrations"],
        counts=facts["counts"],
        parts=parts,
        file_count=tally.count,
        file_bytes=tally.size_bytes,
        missing=tally.missing,
        differing=tally.differing,
        not_included=facts["not_included"],
        has_files=has_files,
    )
