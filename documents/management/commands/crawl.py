"""`manage.py crawl`: reads a website or feed and makes it searchable in this process, without a worker."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import IO, Any, cast
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from accounts.models import User
from documents.adding.rules import Rules, add_set_argument
from documents.errors import DocumentRefused
from documents.fields.metadata import is_current, update_metadata
from documents.ingestion.ingest import ingest
from documents.ingestion.restart import restart
from documents.management.choices import find_user, find_workspace
from documents.models import Document
from documents.sources.crawl.crawler import crawl
from documents.sources.missing_pages import describe, hold_of, keep_missing, outlook, remove_missing
from documents.sources.service import DEFAULT_DEPTH, DEFAULT_PAGES, add_feed, add_website
from workspaces.errors import InvalidValue

_POLL_S = 0.25
Decision = Callable[[Document, User | None], int]
_S = Document.Status


class Command(BaseCommand):
    help = (
        "Read a website or feed into a workspace and make it searchable in this process; no worker is needed. A later "
        "run reads changed pages again and removes deleted ones. After Ctrl-C, the next run continues where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", metavar="URL", help="a page, a sitemap or, with --feed, a feed")
        parser.add_argument("--workspace", required=True, metavar="NAME")
        parser.add_argument("--user", metavar="NAME", help="who adds it; default: the first operator")
        parser.add_argument(
            "--language", metavar="XX", help="one of the workspace's languages; default: its first"
        )
        parser.add_argument("--create", action="store_true", help="create the workspace if it does not exist")
        add_set_argument(parser)
        parser.add_argument("--feed", action="store_true", help="the URL is an RSS or Atom feed")
        parser.add_argument(
            "--no-links", action="store_true", help="read only this page, or the pages in the sitemap"
        )
        parser.add_argument("--below", action="store_true", help="stay in the URL's folder")
        parser.add_argument("--pages", type=int, default=DEFAULT_PAGES, metavar="N", help="the most pages")
        parser.add_argument(
            "--depth", type=int, default=DEFAULT_DEPTH, metavar="N", help="the most links from the start"
        )
        parser.add_argument(
            "--include", action="append", default=[], metavar="GLOB", help="such as '/docs/*'"
        )
        decision = parser.add_mutually_exclusive_group()
        decision.add_argument(
            "--remove-missing",
            action="store_true",
            help="do not read it; remove the pages that it is held for",
        )
        decision.add_argument(
            "--keep-missing", action="store_true", help="do not read it; keep the pages that it is held for"
        )
        parser.add_argument("--exclude", action="append", default=[], metavar="GLOB")

    def handle(self, **options: Any) -> None:
        decision = _decision(options)
        document = _add_site(options, is_read=decision is None)
        if decision:
            self.stdout.write(_decide(document, decision, find_user(options["user"])))
            return
        # Not self.stdout itself: it ends every write with a line break, which breaks a progress bar.
        console = Console(file=cast(IO[str], self.stdout._out), highlight=False)
        log = logging.getLogger("documents")
        before, log.level = log.level, logging.ERROR  # log lines would break the bar, too
        try:
            _read(document, console)
        finally:
            log.setLevel(before)
        _report(document, console)


def _decision(options: dict[str, Any]) -> Decision | None:
    if options["remove_missing"]:
        return remove_missing
    return keep_missing if options["keep_missing"] else None


def _decide(document: Document, decision: Decision, user: User) -> str:
    try:
        count = decision(document, user)
    except DocumentRefused as problem:
        raise CommandError(str(problem)) from problem
    return f"{count:,} {'removed' if decision is remove_missing else 'stay searchable'}."


def _add_site(options: dict[str, Any], *, is_read: bool) -> Document:
    user = find_user(options["user"])
    workspace = find_workspace(user, options["workspace"], options["language"], options["create"])
    try:
        said = Rules.read(workspace, user, options["said"]).of("")
        shared = {"language": options["language"], "about": said, "ask_worker": False}
        if options["feed"]:
            document = add_feed(workspace, user, options["url"], **shared)
        else:
            document = add_website(
                workspace, user, options["url"], follows_links=not options["no_links"], is_below_start=options["below"],
                max_pages=options["pages"], max_depth=options["depth"], include=options["include"],
                exclude=options["exclude"], **shared,
            )  # fmt: skip
        if not is_current(document, said):
            update_metadata(workspace, user, [document.pk], said)
    except (InvalidValue, DocumentRefused) as problem:
        raise CommandError(str(problem)) from problem
    if is_read and document.status == _S.READY:
        restart(document, user, ask_worker=False)
    return document


def _read(document: Document, console: Console) -> None:
    """Visit the website or feed until the visit ends, in this process or in a worker that was faster."""
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[step]}", markup=False, style="dim"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(document.title[-40:], total=None, step="")

        def show(step: str) -> None:
            now = Document.objects.filter(pk=document.pk).first()
            if now and now.progress_total:
                progress.update(task, total=now.progress_total, completed=now.progress_done, step=step)

        def take_in(document_id: UUID) -> None:
            found = Document.objects.filter(pk=document_id).first()
            show(found.title[:40] if found else "")
            ingest(document_id)

        while True:
            crawl(document.pk, take_in)
            try:
                document.refresh_from_db()
            except Document.DoesNotExist as error:
                raise CommandError("It was deleted in the meantime.") from error
            show(document.error)
            if document.status in (_S.READY, _S.FAILED):
                return
            time.sleep(_POLL_S)


def _report(document: Document, console: Console) -> None:
    counts = document.source.counts()
    troubles = list(document.source.troubles())
    if troubles:
        table = Table("Address", "Why", box=None, pad_edge=False)
        for each in troubles:
            table.add_row(Text(each.url), Text(each.reason or (each.document.error if each.document else "")))
        console.print(table)
    waiting = counts["done"] - counts["ready"] - counts["unreadable"]
    later = f"; {waiting} wait for a worker" if document.children.filter(status=_S.PENDING).exists() else ""
    console.print(f"\n{counts['ready']} searchable, {len(troubles)} failed{later}.")
    if hold := hold_of(document.source):
        console.print(f"Held. {describe(hold)} {outlook(hold)}", markup=False)
        console.print("Decide with --remove-missing or --keep-missing, or on its page.")
    if document.status == _S.FAILED:
        raise CommandError(document.error)
