"""The manifest of a backup: its presence says that the backup is complete."""

import json
from datetime import datetime
from typing import Annotated, Literal

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.utils import validate_file_name
from pydantic import AfterValidator, BaseModel, ConfigDict

from ragsite.errors import BackupError

NAME = "manifest.json"
DATABASE = "database.dump"  # by pg_dump, custom format
FILES = "files.jsonl"  # one StoredFile on each line
FORMAT: Literal[1] = 1


def _inside(name: str) -> str:
    """Refuse a name that leads out of the backup or of the storage: a backup may come from other hands."""
    try:
        return str(validate_file_name(name, allow_relative_path=True))
    except SuspiciousFileOperation as error:
        raise ValueError(f"{name!r} is no name of a file in a backup") from error


_Inside = Annotated[str, AfterValidator(_inside)]  # relative, with slashes


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Part(_Record):
    """An object of the backup."""

    name: _Inside
    size_bytes: int
    sha256: str


class StoredFile(_Record):
    """A file of the storage, at `files/NAME` in the backup."""

    name: _Inside
    size_bytes: int
    sha256: str


class Manifest(_Record):
    format: Literal[1] = FORMAT
    started_at: datetime
    ended_at: datetime
    version: str  # of Ragsite
    site_url: str
    postgres: int  # its major version
    pgvector: str
    migrations: list[tuple[str, str]]  # app and name, all that were applied
    counts: dict[str, int]  # rows by kind, for people
    parts: list[Part]  # the dump, the list of files, and files of the data directory
    file_count: int
    file_bytes: int
    missing: list[str]  # files that rows name, but that were not in the storage
    differing: list[str]  # files whose content is not what their row says
    not_included: list[str]  # sentences about what belongs to the installation, and has to be kept elsewhere
    has_files: bool  # False: a dump before an upgrade, which leaves the files where they are

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


def parse(text: bytes) -> Manifest:
    """Raises BackupError."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and found.get("format", 0) > FORMAT:
            raise BackupError(
                "The backup was written by a newer version of Ragsite: restore it with that version."
            )
        return Manifest.model_validate(found)
    except ValueError as error:
        raise _damaged(NAME) from error


def parse_file(line: bytes) -> StoredFile:
    """Return the file that a line of FILES names. Raises BackupError."""
    try:
        return StoredFile.model_validate_json(line)
    except ValueError as error:
        raise _damaged(FILES) from error


def _damaged(name: str) -> BackupError:
    return BackupError(f"{name} of the backup cannot be read: it is damaged. Use another backup.")
