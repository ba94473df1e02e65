"""Takes the documents of one workspace out of a backup, as files that `manage.py ingest` adds again."""

import csv
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.management import call_command
from django.db import connection, models

from documents.chunking.questions import SEPARATOR
from documents.models import Document
from ragsite.errors import BackupError
from workspaces.models import Workspace

from . import database
from .manifest import DATABASE
from .places import Place
from .restore import check_versions, fetch_dump, read_manifest

_SUFFIXES = {"text/markdown": ".md", "text/plain": ".txt"}
_LONGEST_NAME = 240  # bytes; file systems take 255, and a number may follow
_LONGEST_ENDING = 20
_VISITED = (Document.Kind.SITE, Document.Kind.FEED)


def take_out_workspace(place: Place, workspace: str, target: Path, say: Callable[[str], object]) -> None:
    """Write the documents of a workspace into a new directory.

    Files and texts go into `files`, under their titles; questions with their answers into `questions.csv`, and the
    addresses of websites and feeds into `websites.txt`. workspace: its name or id in the backup. The database of the installation
    stays as it is: the rows are restored into another one, which is dropped afterwards. Raises BackupError.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: name a new directory.")
    with _rows_of(place, say):
        documents = _find(workspace).documents.order_by("title", "created_at")
        (target / "files").mkdir(parents=True)
        kinds = (Document.Kind.FILE, Document.Kind.TEXT)
        files = _write_files(place, documents.filter(kind__in=kinds), target / "files")
        pairs = _write_pairs(place, documents.filter(kind=Document.Kind.QA), target)
        sites = _write_addresses(documents.filter(kind__in=_VISITED), target)
    say(
        f"Written to {target}: {files:,} files, {pairs:,} questions, {sites:,} addresses of websites and feeds."
    )


@contextmanager
def _rows_of(place: Place, say: Callable[[str], object]) -> Iterator[None]:
    """Have Django read the rows of the backup inside the block, without the chunks."""
    found = read_manifest(place)
    check_versions(found)
    own = database.name()
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="restore-") as scratch:
        dump = Path(scratch) / DATABASE
        fetch_dump(place, found, dump)
        staging = database.stage(is_own_empty=False)
        say(f"Reading the backup of {found.started_at:%Y-%m-%d %H:%M} UTC.")
        try:
            staging.fill(dump, found.postgres, schema="public")
            _use(staging.database)
            call_command("migrate", interactive=False, verbosity=0)
            yield
        finally:
            _use(own)
            database.drop(staging.database)


def _use(name: str) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = name


def _find(name: str) -> Workspace:
    there = list(Workspace.objects.order_by("name"))
    found = [each for each in there if name in (each.name, str(each.pk))]
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"{each.name} ({each.pk})" for each in found or there)
    raise BackupError(
        f"The backup has several workspaces named {name!r}; give the id: {named}."
        if found
        else f"The backup has no workspace {name!r}. It has: {named or 'none'}."
    )


def _write_files(place: Place, documents: models.QuerySet[Document], target: Path) -> int:
    written = 0
    for written, document in enumerate(documents.exclude(file="").iterator(), start=1):  # noqa: B007
        with _open(place, document) as source, _free(target, _file_name(document)).open("xb") as copy:
            shutil.copyfileobj(source, copy)
    return written


@contextmanager
def _open(place: Place, document: Document) -> Iterator[IO[bytes]]:
    try:
        with place.read(f"files/{document.file.name}") as source:
            yield source
    except FileNotFoundError:
        raise BackupError(f"The file of {document.title} is not in the backup. Use another one.") from None


def _file_name(document: Document) -> str:
    """Return the title as the name of a file: it has no path, but a person chose it. A long one keeps its ending."""
    title = document.title.replace("/", "_").replace("\0", "_").lstrip(".") or "untitled"
    ending = _SUFFIXES.get(document.media_type, "") if document.kind == Document.Kind.TEXT else ""
    if not ending and len(Path(title).suffix) < _LONGEST_ENDING:
        ending = Path(title).suffix
    stem = title.removesuffix(ending).encode()[: _LONGEST_NAME - len(ending.encode())]
    return stem.decode(errors="ignore") + ending


def _free(target: Path, name: str) -> Path:
    path, number = target / name, 1
    while path.exists():  # two documents may have one title
        number += 1
        path = target / f"{Path(name).stem} ({number}){Path(name).suffix}"
    return path


def _write_pairs(place: Place, documents: models.QuerySet[Document], target: Path) -> int:
    pairs = list[tuple[str, str]]()
    for document in documents.exclude(file="").iterator():
        with _open(place, document) as source:
            question, _, answer = source.read().decode(errors="replace").partition(SEPARATOR)
        pairs.append((question, answer))
    if pairs:
        with (target / "questions.csv").open("x", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("question", "answer"), *pairs])
    return len(pairs)


def _write_addresses(documents: models.QuerySet[Document], target: Path) -> int:
    addresses = list(documents.values_list("url", flat=True))
    if addresses:
        (target / "websites.txt").write_text("".join(f"{each}\n" for each in addresses), encoding="utf-8")
    return len(addresses)
