"""`manage.py reindex`: builds a workspace's next index in this process; running workers help."""

import time
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from documents.ingestion.ingest import ingest_item
from documents.models import ReindexItem
from documents.reindex import service as reindex
from models_registry.models import Endpoint
from workspaces.models import ChunkingStrategy, Metric, Parser, Reindex, Workspace

_PAUSE_S = 0.5  # while workers have the remaining items, or the items wait for their next attempt


class Command(BaseCommand):
    help = (
        "Build a workspace's next index while the current one stays in use, and switch when it is complete."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE", help="the workspace's name")
        parser.add_argument("--embedder", metavar="NAME", help="the name of an embedding model")
        parser.add_argument("--languages", nargs="+", metavar="XX", help="one to three")
        parser.add_argument("--parser", choices=Parser.values)
        parser.add_argument("--chunking", choices=ChunkingStrategy.values)
        parser.add_argument("--chunk-size", type=int, metavar="N", help="characters")
        parser.add_argument("--chunk-overlap", type=int, metavar="N", help="characters")
        parser.add_argument("--metric", choices=Metric.values)
        parser.add_argument("--estimate", action="store_true", help="only print the estimate")
        parser.add_argument("--cancel", action="store_true", help="cancel the index that is being built")

    def handle(self, *, workspace: str, estimate: bool, cancel: bool, **options: Any) -> None:
        found = Workspace.objects.select_related("embedder").filter(name=workspace, deleted_at=None).first()
        if found is None:
            raise CommandError(f"There is no workspace named {workspace!r}.")
        try:
            if cancel:
                self._cancel(found)
            elif estimate:
                self._estimate(found, options)
            else:
                self._build(found, options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _cancel(self, workspace: Workspace) -> None:
        if not reindex.cancel(workspace, None):
            raise CommandError("No index is being built for this workspace.")
        self.stdout.write("Cancelled. The workspace keeps its current index.")

    def _estimate(self, workspace: Workspace, options: dict[str, Any]) -> None:
        found = reindex.estimate(workspace, **_settings(options))
        guess = "" if found.is_measured else " (a guess: this model has not been used here yet)"
        self.stdout.write(
            f"{found.documents:,} documents, about {found.chunks:,} chunks, {found.tokens:,} tokens to embed "
            f"for ${found.cost:.2f}, in about {found.seconds:,.0f} s{guess}."
        )

    def _build(self, workspace: Workspace, options: dict[str, Any]) -> None:
        """Start the next index, or continue it, and return when it is in use."""
        building = reindex.running(workspace)
        if building is None:
            self._estimate(workspace, options)
            building = reindex.start(workspace, None, **_settings(options))
        elif _settings(options):
            raise CommandError("An index is already being built. Wait for it, or use --cancel to cancel it.")
        console = Console(file=cast(IO[str], self.stdout._out), highlight=False)
        columns = (TextColumn("Documents"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as shown:
            bar = shown.add_task("")
            while Reindex.objects.filter(pk=building.pk, status=Reindex.Status.RUNNING).exists():
                now = reindex.progress(building)
                shown.update(bar, completed=now.done, total=now.total)
                if now.waits_for_people:
                    break
                _work(building)
        self._conclude(building)

    def _conclude(self, building: Reindex) -> None:
        failed = list(reindex.failures(building))
        for item in failed:
            self.stdout.write(f"{item.document}: {item.error}")
        if failed:
            raise CommandError(
                f"{len(failed)} documents could not be read. Decide on the workspace's page what to do about them; "
                "the old index stays in use until then."
            )
        if not Reindex.objects.filter(pk=building.pk).exists():
            raise CommandError("The new index was cancelled.")
        self.stdout.write("The new index is in use.")


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    names = ("languages", "parser", "chunking", "chunk_size", "chunk_overlap", "metric")
    settings = {name: options[name] for name in names if options[name] is not None}
    if name := options["embedder"]:
        embedder = Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).filter(name=name).first()
        if embedder is None:
            raise CommandError(f"There is no embedding model named {name!r}.")
        settings["embedder"] = embedder
    return settings


def _work(building: Reindex) -> None:
    """Ingest one document into the next index. If none is left, switch to it if it is complete."""
    item = (
        ReindexItem.objects.due().filter(reindex=building).order_by("pk").values_list("pk", flat=True).first()
    )
    if item is not None:
        ingest_item(item)
    elif reindex.has_work(building.pk) or not reindex.advance(building):
        time.sleep(_PAUSE_S)
