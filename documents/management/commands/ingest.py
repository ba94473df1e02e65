"""`manage.py ingest`: adds files and makes them searchable in this process; no worker is needed."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Literal, cast

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from accounts.models import User
from documents.ingest import ingest
from documents.intake import Refused, add_file
from documents.models import Document
from models_registry.models import Endpoint
from workspaces.access import workspaces_for
from workspaces.models import Role, Workspace
from workspaces.provision import create_workspace

_POLL_S = 0.25
_STYLES = {"ready": "green", "unchanged": "dim", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    state: Literal["ready", "unchanged", "failed"]
    reason: str = ""  # in words, when it failed
    chunks: int = 0
    took_s: float = 0


class Command(BaseCommand):
    help = "Add files and folders to a workspace and make them searchable, here and now. No worker is needed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it"
        )
        parser.add_argument("--workspace", required=True, metavar="NAME")
        parser.add_argument("--user", metavar="NAME", help="who adds them; default: the first operator")
        parser.add_argument("--language", metavar="XX", help="one of the workspace's; default: its first")
        parser.add_argument(
            "--create", action="store_true", help="make the workspace if there is none of this name"
        )

    def handle(
        self,
        *,
        paths: list[Path],
        workspace: str,
        user: str | None,
        language: str | None,
        create: bool,
        **options: Any,
    ) -> None:
        owner = _user(user)
        place = _workspace(owner, workspace, language, create)
        files = list(_files(paths))
        if not files:
            raise CommandError("There is no file to add there: hidden ones are left out.")
        # Not self.stdout itself: it ends every write with a line break, which tears a progress bar apart.
        console = Console(file=cast(IO[str], self.stdout._out), highlight=False)
        with _quiet_log():
            outcomes = list(_outcomes(console, place, owner, files, language))
        console.print(_table(outcomes))
        console.print(_totals(outcomes))
        if failed := sum(outcome.state == "failed" for outcome in outcomes):
            raise CommandError(f"{failed} of {len(outcomes)} files could not be made searchable.")


@contextmanager
def _quiet_log() -> Iterator[None]:
    """The table says it all: lines of the log would tear the progress bar apart."""
    log = logging.getLogger("documents")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


# --- who, where, what ---------------------------------------------------------------------------


def _user(name: str | None) -> User:
    active = User.objects.filter(is_active=True)
    if name is None:
        user = active.filter(is_superuser=True).order_by("date_joined").first()
        if user is None:
            raise CommandError("There is no operator yet: say with --user who adds the files.")
        return user
    user = active.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no active user named {name}.")
    return user


def _workspace(user: User, name: str, language: str | None, create: bool) -> Workspace:
    found = workspaces_for(user, Role.EDITOR).select_related("embedder").filter(name=name).first()
    if found:
        return found
    if not create:
        raise CommandError(f"{user} may add to no workspace named {name!r}. Use --create to make it.")
    embedder = Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).filter(last_check_ok=True).first()
    if embedder is None:
        raise CommandError("No embedding model has passed a check yet: add one in the admin and check it.")
    try:
        return create_workspace(user, name=name, languages=[language or "en"], embedder=embedder)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files in a steady order. In folders, whatever is hidden is left out."""
    for path in paths:
        if path.is_dir():
            below = (each for each in sorted(path.rglob("*")) if each.is_file())
            yield from (each for each in below if not _is_hidden(each.relative_to(path)))
        elif path.is_file():
            yield path
        else:
            raise CommandError(f"There is no file or folder {path}.")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


# --- the work -----------------------------------------------------------------------------------


def _outcomes(
    console: Console, workspace: Workspace, user: User, files: list[Path], language: str | None
) -> Iterator[Outcome]:
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[step]}", markup=False, style="dim"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(files), step="")
        for path in files:
            progress.update(task, description=path.name[-40:], step="")
            yield _one(workspace, user, path, language, progress, task)
            progress.advance(task)


def _one(
    workspace: Workspace, user: User, path: Path, language: str | None, progress: Progress, task: TaskID
) -> Outcome:
    started = time.monotonic()
    try:
        with path.open("rb") as file:
            document = add_file(
                workspace, user, File(file, name=path.name), path.name, language, ask_worker=False
            )
        if document.status == Document.Status.READY:
            return Outcome(path.name, "unchanged", chunks=document.chunk_count)
        with _watched(document, progress, task):
            _finish(document)
    except (Refused, OSError) as error:
        return Outcome(path.name, "failed", str(error), took_s=time.monotonic() - started)
    except Document.DoesNotExist:
        return Outcome(
            path.name, "failed", "Somebody deleted it in the meantime.", took_s=time.monotonic() - started
        )
    is_ready = document.status == Document.Status.READY
    return Outcome(
        path.name,
        "ready" if is_ready else "failed",
        document.error,
        document.chunk_count,
        time.monotonic() - started,
    )


def _finish(document: Document) -> None:
    """Return when the document is ready or failed: by us, or by a worker that was faster."""
    while True:
        ingest(document.pk)
        document.refresh_from_db()
        if document.status in (Document.Status.READY, Document.Status.FAILED):
            return
        time.sleep(_POLL_S)


@contextmanager
def _watched(document: Document, progress: Progress, task: TaskID) -> Iterator[None]:
    """Show the document's stage beside the bar, from a thread, while this one works."""
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


# --- the closing words --------------------------------------------------------------------------


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("File", "State", "Why", box=None, pad_edge=False)
    table.add_column("Chunks", justify="right")
    table.add_column("Seconds", justify="right")
    for each in outcomes:
        state = Text(each.state, style=_STYLES[each.state])
        table.add_row(Text(each.name), state, Text(each.reason), str(each.chunks or ""), f"{each.took_s:.1f}")
    return table


def _totals(outcomes: list[Outcome]) -> str:
    counts = {state: sum(each.state == state for each in outcomes) for state in _STYLES}
    chunks = sum(each.chunks for each in outcomes)
    seconds = sum(each.took_s for each in outcomes)
    return (
        f"\n{counts['ready']} ready, {counts['unchanged']} unchanged, {counts['failed']} failed; "
        f"{chunks} chunks in {seconds:.1f} s."
    )
