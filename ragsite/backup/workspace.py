"""Takes the documents of one workspace out of a backup, as files that `manage.py ingest` adds again."""

import csv
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, models

from documents.chunking.questions import SEPARATOR
from documents.models import Document
from ragsite.errors import BackupError
from workspaces.models import Membership, Workspace

from . import database
from .manifest import DATABASE
from .places import Place
from .restore import check_versions, fetch_dump, read_manifest

_SUFFIXES = {"text/markdown": ".md", "text/plain": ".txt"}
_LONGEST_NAME = 240  # bytes; file systems take 255, and a number may follow
_LONGEST_ENDING = 20
_IN_FILES = (Document.Kind.FILE, Document.Kind.TEXT)
_VISITED = (Document.Kind.SITE, Document.Kind.FEED)
_EMBEDDED = "Run this command on the embedded PostgreSQL: without DATABASE_URL, and with a new directory in RAGSITE_DATA_DIR."
_Row = dict[str, Any]  # of a table for people, by the names of its columns


def take_out_workspace(place: Place, workspace: str, target: Path, say: Callable[[str], object]) -> None:
    """Write the documents of a workspace into a new directory, and say how to add them again.

    Files and texts go into `files`, under their titles; questions with their answers into `questions.csv`, and the
    addresses of websites and feeds into `websites.txt`. Those of a higher access level have a directory and a table of
    their own, so that nobody adds them for everyone by mistake. `members.jsonl` and `documents.jsonl` list what has to be
    set by hand. workspace: its name or id in the backup. The database of the installation stays as it is: the rows are
    restored into another one, which is dropped afterwards. Raises BackupError.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: name a new directory.")
    with _rows_of(place, say):
        found = _find(workspace)
        target.mkdir(mode=0o700, parents=True)  # as secret as the backup
        files, pairs = list[_Row](), list[_Row]()
        for level in range(max(len(found.access_levels), 1)):
            documents = found.documents.filter(access_level=level).order_by("title", "created_at")
            files += _write_files(place, documents.filter(kind__in=_IN_FILES), target / _at("files", level))
            asked = documents.filter(kind=Document.Kind.QA)
            pairs += _write_pairs(place, asked, target / _at("questions", level, ".csv"))
        sites = _write_addresses(found.documents.filter(kind__in=_VISITED), target)
        _write_rows(target / "documents.jsonl", [*files, *pairs])
        members = [_describe_member(each) for each in found.memberships.select_related("user")]
        _write_rows(target / "members.jsonl", members)
    say(
        f"Written to {target}: {len(files):,} files, {len(pairs):,} questions, {sites:,} addresses of websites and "
        "feeds."
    )
    for sentence in (*_how_to_add(found, target), *_not_taken_out(len(members))):
        say(sentence)


@contextmanager
def _rows_of(place: Place, say: Callable[[str], object]) -> Iterator[None]:
    """Have Django read the rows of the backup inside the block, without the chunks."""
    found = read_manifest(place)
    check_versions(found)
    own = database.name()
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="restore-") as scratch:
        dump = Path(scratch) / DATABASE
        fetch_dump(place, found, dump)
        staging = database.stage(is_own_empty=False, otherwise=_EMBEDDED)
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


def _at(name: str, level: int, ending: str = "") -> str:
    """Return where documents of an access level go: the lowest one has the plain name."""
    return (f"{name}_level_{level}" if level else name) + ending


def _write_files(place: Place, documents: models.QuerySet[Document], target: Path) -> Iterator[_Row]:
    for document in documents.exclude(file="").iterator():
        target.mkdir(exist_ok=True)
        path = _free(target, _file_name(document))
        with _open(place, document) as source, path.open("xb") as copy:
            shutil.copyfileobj(source, copy)
        yield _describe(document, f"{target.name}/{path.name}")


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


def _write_pairs(place: Place, documents: models.QuerySet[Document], target: Path) -> list[_Row]:
    rows, pairs = list[_Row](), list[tuple[str, str]]()
    for document in documents.exclude(file="").iterator():
        with _open(place, document) as source:
            question, _, answer = source.read().decode(errors="replace").partition(SEPARATOR)
        pairs.append((question, answer))
        rows.append(_describe(document, target.name))
    if pairs:
        with target.open("x", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("question", "answer"), *pairs])
    return rows


def _write_addresses(documents: models.QuerySet[Document], target: Path) -> int:
    addresses = list(documents.order_by("url").values_list("url", flat=True))
    if addresses:
        (target / "websites.txt").write_text("".join(f"{each}\n" for each in addresses), encoding="utf-8")
    return len(addresses)


def _describe(document: Document, file: str) -> _Row:
    """file: where it was written, inside the directory."""
    return {
        "file": file,
        "title": document.title,
        "language": document.language,
        "access_level": document.access_level,
        "metadata": document.metadata,
    }


def _describe_member(membership: Membership) -> _Row:
    return {
        "user": membership.user.username,
        "role": membership.role,
        "access_level": membership.access_level,
    }


def _write_rows(target: Path, rows: Iterable[_Row]) -> None:
    target.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")


# --- what comes next ----------------------------------------------------------------------------


def _how_to_add(workspace: Workspace, target: Path) -> Iterator[str]:
    """Yield sentences and commands that make a workspace of the directory again."""
    languages, levels = workspace.languages, workspace.access_levels
    create = f" --create --language {languages[0]}" if len(languages) == 1 else ""
    if not create:
        yield f"Create the workspace first, in the browser, with the languages {', '.join(languages)}."
    if levels:
        yield f"Name its access levels before you add documents of a higher one, in this order: {', '.join(levels)}."
    yield "To add the documents again:"
    named = shlex.quote(workspace.name)
    for level in range(max(len(levels), 1)):
        told = f" --set access_level={level}" if level else ""
        for path, option in ((_at("files", level), ""), (_at("questions", level, ".csv"), "--questions ")):
            if (target / path).exists():
                yield f"  manage.py ingest{create} --workspace {named}{told} {option}{shlex.quote(str(target / path))}"
                create = ""


def _not_taken_out(members: int) -> Iterator[str]:
    yield (
        f"Set by hand: its members ({members:,}, in members.jsonl), the values of fields (documents.jsonl), and its settings. "
        "Until then only operators see the documents."
    )
    yield "Chats are with the people who asked, with the passages that they quote: deleting a workspace deletes none."
