"""`manage.py ingest`: adds files and makes them searchable in this process, without a worker."""

import logging
import os
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Literal, cast

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from accounts.models import User
from documents.adding.folder_import import Change, files_in, find_gone, import_file
from documents.adding.pairs import Pair, read_pairs
from documents.adding.rules import Rules, add_set_argument
from documents.adding.service import add_qa, add_text
from documents.errors import DocumentRefused
from documents.fields.metadata import MetadataChange, is_current, update_metadata
from documents.ingestion.deletion import delete_document
from documents.ingestion.ingest import ingest
from documents.management.choices import find_user, find_workspace
from documents.models import Document
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

_POLL_S = 0.25
State = Literal["ready", "unchanged", "failed", "changed", "moved", "gone", "deleted"]
_STYLES: dict[State, str] = {
    "ready": "green", "unchanged": "dim", "failed": "red", "changed": "green", "moved": "green", "gone": "yellow",
    "deleted": "yellow",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One document to ingest: `take` records it and returns how it changed."""

    name: str
    take: Callable[[], tuple[Document, Change]]


@dataclass(frozen=True, slots=True)
class FileResult:
    name: str
    state: State
    reason: str = ""  # for people, if it failed
    chunks: int = 0
    took_s: float = 0


class Command(BaseCommand):
    help = (
        "Add files, folders, a text or questions to a workspace and make them searchable in this process; no worker "
        "is needed. Idempotent: a later run adds new files, updates changed ones and skips the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths", nargs="*", type=Path, metavar="PATH", help="a file, or a folder with all files below it"
        )
        parser.add_argument(
            "--follow-links",
            action="store_true",
            help="also add symbolic links that lead to a file in the same folder; without it, links are left out",
        )
        parser.add_argument("--workspace", required=True, metavar="NAME")
        parser.add_argument("--user", metavar="NAME", help="who adds them; default: the first operator")
        parser.add_argument(
            "--language", metavar="XX", help="one of the workspace's languages; default: its first"
        )
        parser.add_argument("--create", action="store_true", help="create the workspace if it does not exist")
        parser.add_argument(
            "--prune", action="store_true",
            help="delete the documents of files that are gone from these folders; other documents stay",
        )  # fmt: skip
        add_set_argument(parser)
        parser.add_argument(
            "--rule", action="append", default=[], metavar="'PATTERN: FIELD=VALUE, ...'", dest="rules",
            help="metadata for the files whose path in its folder matches, as in 'contracts/**: department=legal'; "
            "later rules override earlier ones, and rules override --set",
        )  # fmt: skip
        parser.add_argument(
            "--text", metavar="TITLE", help="add the standard input as a text with this title"
        )
        parser.add_argument(
            "--questions", type=Path, metavar="CSV", help="add a table with the columns question and answer"
        )

    def handle(
        self, *, paths: list[Path], workspace: str, user: str | None, language: str | None, create: bool,
        prune: bool, follow_links: bool, said: list[str], rules: list[str], text: str | None, questions: Path | None, **options: Any,
    ) -> None:  # fmt: skip
        owner = find_user(user)
        place = find_workspace(owner, workspace, language, create)
        files = list(_files(paths, follow_links))
        try:
            told = Rules.read(place, owner, said, rules)
        except InvalidValue as problem:
            raise CommandError(str(problem)) from problem
        jobs = [
            *_file_jobs(place, owner, files, language, told),
            *_text_jobs(place, owner, text, language, told.of("")),
            *_question_jobs(place, owner, questions, language, told.of("")),
        ]
        if not jobs:
            raise CommandError("There is no file to add: hidden files are skipped.")
        # Not self.stdout itself: it ends every write with a line break, which breaks a progress bar.
        console = Console(file=cast(IO[str], self.stdout._out), highlight=False)
        with _quiet_log():
            outcomes = list(_outcomes(console, jobs))
            outcomes += _missing(place, owner, [path for path in paths if path.is_dir()], files, prune)
        console.print(_table(outcomes))
        console.print(_totals(outcomes))
        if any(outcome.state == "gone" for outcome in outcomes):
            console.print("Documents of deleted files stay. Use --prune to delete them.")
        if failed := sum(outcome.state == "failed" for outcome in outcomes):
            raise CommandError(f"{failed} of {len(jobs)} could not be made searchable.")


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Silence the log: its lines would break the progress bar, and the table shows every outcome."""
    log = logging.getLogger("documents")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


# --- the files ----------------------------------------------------------------------------------


def _files(paths: Sequence[Path], follow_links: bool) -> Iterator[tuple[Path, Path]]:
    """Yield the folder and the path of each file, both absolute, in a stable order."""
    for path in paths:
        if path.is_dir():
            try:
                yield from (
                    (path.resolve(), each) for each in files_in(path.resolve(), follows_links=follow_links)
                )
            except OSError as error:
                raise CommandError(f"{error.filename} cannot be listed: {error.strerror}.") from error
        elif path.is_symlink() and not follow_links:
            raise CommandError(f"{path} is a symbolic link. Name the file itself, or use --follow-links.")
        elif path.is_file():
            path = path.resolve()
            folder = path.absolute().parent.resolve()
            yield folder, folder / path.name
        else:
            raise CommandError(f"There is no file or folder {path}.")


# --- the jobs -----------------------------------------------------------------------------------


def _file_jobs(
    place: Workspace, owner: User, files: list[tuple[Path, Path]], language: str | None, told: Rules
) -> Iterator[Job]:
    present = {path for _, path in files}
    for root, path in files:
        name = path.relative_to(root)
        about = told.of(name.as_posix())
        shown = os.fsencode(name).decode("utf-8", "replace")  # some file names are not valid UTF-8
        yield Job(shown, partial(_import_and_describe, place, owner, root, path, language, present, about))


def _import_and_describe(
    place: Workspace,
    owner: User,
    root: Path,
    path: Path,
    language: str | None,
    present: set[Path],
    about: MetadataChange,
) -> tuple[Document, Change]:
    """Import the file and set the metadata that the rules give it, also on an existing document."""
    document, change = import_file(place, owner, root, path, language, present, about)
    if change != "new" and not is_current(document, about):
        update_metadata(place, owner, [document.pk], about)
        document.refresh_from_db()
    return document, change


def _text_jobs(
    place: Workspace, owner: User, title: str | None, language: str | None, about: MetadataChange
) -> Iterator[Job]:
    if title is not None:
        text = sys.stdin.read()
        yield Job(
            title, lambda: _new(add_text(place, owner, title, text, language, about=about, ask_worker=False))
        )


def _question_jobs(
    place: Workspace, owner: User, table: Path | None, language: str | None, about: MetadataChange
) -> Iterator[Job]:
    if table is None:
        return
    try:
        with table.open("rb") as file:
            pairs = read_pairs(File(file))
    except (OSError, DocumentRefused) as error:
        raise CommandError(f"{table}: {error}") from error
    for pair in pairs:
        yield Job(pair.question, partial(_add_pair, place, owner, pair, language, about))


def _add_pair(
    place: Workspace, owner: User, pair: Pair, language: str | None, about: MetadataChange
) -> tuple[Document, Change]:
    return _new(add_qa(place, owner, pair.question, pair.answer, language, about=about, ask_worker=False))


def _new(document: Document) -> tuple[Document, Change]:
    return document, "new"


def _missing(
    place: Workspace, owner: User, folders: list[Path], files: list[tuple[Path, Path]], prune: bool
) -> Iterator[FileResult]:
    """Yield the files that are gone from the folders. With `prune`, delete their documents first."""
    present = {path for _, path in files}
    for folder in folders:
        for document in find_gone(place, folder.resolve(), present):
            if prune:
                delete_document(document, owner)
            yield FileResult(document.path, "deleted" if prune else "gone")


# --- the work -----------------------------------------------------------------------------------


def _outcomes(console: Console, jobs: list[Job]) -> Iterator[FileResult]:
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[step]}", markup=False, style="dim"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(jobs), step="")
        for job in jobs:
            progress.update(task, description=job.name[-40:], step="")
            yield _one(job, progress, task)
            progress.advance(task)


def _one(job: Job, progress: Progress, task: TaskID) -> FileResult:
    started = time.monotonic()
    try:
        document, change = job.take()
        if document.status == Document.Status.READY:
            state: State = "moved" if change == "moved" else "unchanged"
            return FileResult(job.name, state, chunks=document.chunk_count)
        with _show_stage(document, progress, task):
            _finish(document)
    except (DocumentRefused, OSError) as error:
        return FileResult(job.name, "failed", str(error), took_s=time.monotonic() - started)
    except Document.DoesNotExist:
        reason = "It was deleted in the meantime."
        return FileResult(job.name, "failed", reason, took_s=time.monotonic() - started)
    took_s = time.monotonic() - started
    if document.status == Document.Status.READY:
        done: State = "changed" if change == "changed" else "ready"
        return FileResult(job.name, done, chunks=document.chunk_count, took_s=took_s)
    stays = " The old version is still searchable." if document.chunk_count else ""
    return FileResult(job.name, "failed", document.error + stays, document.chunk_count, took_s)


def _finish(document: Document) -> None:
    """Ingest the document until it is ready or failed, in this process or in a worker that was faster."""
    while True:
        ingest(document.pk)
        document.refresh_from_db()
        if document.status in (Document.Status.READY, Document.Status.FAILED):
            return
        time.sleep(_POLL_S)


@contextmanager
def _show_stage(document: Document, progress: Progress, task: TaskID) -> Iterator[None]:
    """Show the document's stage next to the progress bar, from a thread, while this one works."""
    done = Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            try:
                now = Document.objects.filter(pk=document.pk).first()
            except DatabaseError:
                now = None
            finally:
                connection.close()
            if now:
                counted = f" {now.progress_done}/{now.progress_total}" if now.progress_total else ""
                progress.update(task, step=now.error or f"{now.get_stage_display()}{counted}")

    thread = Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


# --- the report ---------------------------------------------------------------------------------


def _table(outcomes: list[FileResult]) -> Table:
    table = Table("Document", "State", "Why", box=None, pad_edge=False)
    table.add_column("Chunks", justify="right")
    table.add_column("Seconds", justify="right")
    for each in outcomes:
        state = Text(each.state, style=_STYLES[each.state])
        table.add_row(Text(each.name), state, Text(each.reason), str(each.chunks or ""), f"{each.took_s:.1f}")
    return table


def _totals(outcomes: list[FileResult]) -> str:
    counts = Counter(each.state for each in outcomes)
    always: tuple[State, ...] = ("ready", "unchanged", "failed")
    said = [f"{counts[state]} {state}" for state in _STYLES if state in always or counts[state]]
    chunks = sum(each.chunks for each in outcomes)
    seconds = sum(each.took_s for each in outcomes)
    return f"\n{', '.join(said)}; {chunks} chunks in {seconds:.1f} s."
