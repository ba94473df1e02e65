"""Chaos test of ingestion: kills components, and compares the result with an undisturbed run.

    python -m benchmarks.chaos_ingest [--data DIR] [--documents 200] [--kills 30] [--seed 7] [--json FILE]

Starts PostgreSQL, Valkey, a fake embedding model, beat and two Celery workers, all on this machine. The same
files go into two workspaces. The first run is undisturbed. During the second, workers (or their children) are
killed with SIGKILL at random, PostgreSQL and Valkey are restarted, and the model is unavailable for a while.
DIR: a directory with files to use, in addition to this project's own. Writes
benchmarks/results/chaos-ingest.md.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.installation import ROOT, Process, forget_connections, stored

# isort: split
# The imports below need the settings, which the installation creates.
from django.core.files import File
from django.db import DatabaseError, connection

from documents.adding.service import add_file
from documents.errors import DocumentRefused
from documents.ingestion.consistency import find_drift
from documents.ingestion.ingest import BATCH
from documents.models import Document
from models_registry.models import Endpoint
from ragsite.embedded.service import Service
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.engines.pgvector.engine import PgVector
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = ROOT / "benchmarks" / "results" / "chaos-ingest.md"
DIMENSIONS = 64
WORKERS = 2
AWAY_S = 8.0  # how long the model is unavailable
LIMIT_S = 420.0  # per run
MODEL_S = 0.05  # time of the model per batch


@dataclass
class Result:
    """The outcome of the documents. All fields from `unexplained` on must be 0."""

    documents: int
    ready: int
    failed: int
    chunks: int
    kills: int
    accidents: int  # moments at which a worker could lose an embedded batch
    taken_over: int  # attempts beyond the first
    embedded_twice: int  # texts, beyond those that the undisturbed run embedded
    undisturbed_s: float
    took_s: float
    unexplained: int = 0  # documents that are neither ready nor failed with a reason
    # Documents whose status or any chunk (text, place, vector) differs from the undisturbed run.
    differing: int = 0
    drift: int = 0  # duplicates, orphans and wrong counters, as `manage.py reconcile` finds them
    batches_too_many: int = 0  # batches embedded twice, beyond one per fault

    @property
    def holds(self) -> bool:
        return not (self.unexplained or self.differing or self.drift or self.batches_too_many)


@dataclass
class Place:
    model: OpenAIServer
    postgres: Process
    valkey: Process
    workers: list[Process]


@contextmanager
def started() -> Iterator[Place]:
    with ExitStack() as stack:
        postgres, valkey = stack.enter_context(stored())
        model = stack.enter_context(
            running_in_thread(behaviour=Behaviour(dimensions=DIMENSIONS, first_token_s=MODEL_S))
        )
        workers = [Process(partial(celery, f"worker{n}", "worker", "-c", "1")) for n in range(WORKERS)]
        for process in (*workers, Process(partial(celery, "beat", "beat"))):
            process.start()
            stack.callback(process.stop)
        yield Place(model, postgres, valkey, workers)


def celery(name: str, *command: str) -> Service:
    names = ("-n", f"{name}@here", "--without-gossip", "--without-mingle") if "worker" in command else ()
    argv = (sys.executable, "-m", "celery", "-A", "ragsite", *command, *names, "--loglevel", "warning")
    return Service(name=name, argv=argv, cwd=ROOT, stop_grace_s=5)


# --- documents ----------------------------------------------------------------------------------


def chosen(data: Path | None) -> list[Path]:
    """Return the files in a stable order: those of the directory, then this project's own."""
    theirs = sorted(path for path in data.rglob("*") if path.is_file()) if data else []
    theirs = [path for path in theirs if path.suffix != ".jsonl" and "gold" not in path.parts]
    ours = sorted(path for folder in ("docs", "templates", "chat") for path in (ROOT / folder).rglob("*.*"))
    ours = [path for path in ours if path.suffix in (".md", ".html", ".py")]
    return theirs + ours


def put(workspace: Workspace, files: Sequence[Path], limit: int, *, ask_worker: bool = True) -> None:
    """Add up to `limit` files. Some are rejected with a reason before ingestion begins."""
    added = 0
    for number, path in enumerate(files):
        with path.open("rb") as file, suppress(DocumentRefused):
            add_file(
                workspace, None, File(file, name=path.name), f"{number:03} {path.name}", ask_worker=ask_worker
            )
            added += 1
        if added == limit:
            return


def unfinished(workspace: Workspace) -> int:
    return workspace.documents.exclude(status__in=("ready", "failed")).count()


def wait(workspace: Workspace, meanwhile: Callable[[], None]) -> float:
    """Wait until all documents are finished and return the seconds. Calls `meanwhile` repeatedly."""
    began = time.monotonic()
    while time.monotonic() - began < LIMIT_S:
        meanwhile()
        try:
            if not unfinished(workspace):
                break
        except DatabaseError:
            forget_connections()
        time.sleep(0.1)
    return time.monotonic() - began


def content(workspace: Workspace) -> dict[str, Any]:
    """Return the result of each document: its status, and every chunk with its text, place and vector."""
    table = PgVector(workspace).tables.names[0]
    found: dict[str, Any] = {each.title: [each.status] for each in workspace.documents.all()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.title, c.ordinal, c.text, c.section, c.start, c.stop, c.title_path, c.page, c.embedding::text "
            f"FROM chunks.{table} c JOIN documents_document d ON d.id = c.document_id WHERE c.live ORDER BY 1, 2"
        )
        for title, *row in cursor.fetchall():
            found[title].append(row)
    return found


# --- faults -------------------------------------------------------------------------------------


@dataclass
class Chaos:
    """Kills a component every few seconds."""

    place: Place
    kills: int
    every_s: float
    done: int = 0
    accidents: int = 0
    next_at: float = 0.0

    def __post_init__(self) -> None:
        at = sorted(random.sample(range(1, max(self.kills, 4)), 3)) if self.kills > 3 else [1, 1, 1]
        self.besides = dict(zip(at, (self._postgres, self._valkey, self._model), strict=False))

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self.next_at or self.done >= self.kills:
            return
        self.next_at = now + random.uniform(0.2, 2) * self.every_s
        self.done += 1
        self._kill(random.choice(self.place.workers))
        if accident := self.besides.get(self.done):
            print(f"{accident.__name__[1:]} ...", file=sys.stderr, flush=True)
            accident()
            self.accidents += WORKERS

    def _kill(self, worker: Process) -> None:
        """Kill a worker, or only its child, which does the work."""
        self.accidents += 1
        children = _children(worker.pid)
        if children and random.random() < 0.5:
            os.kill(random.choice(children), signal.SIGKILL)
        else:
            worker.kill()
            worker.restart()

    def _postgres(self) -> None:
        self.place.postgres.restart()
        forget_connections()

    def _valkey(self) -> None:
        self.place.valkey.restart()

    def _model(self) -> None:
        with self.place.model.away():
            time.sleep(AWAY_S)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


# --- counting -----------------------------------------------------------------------------------


def embedded(place: Place) -> int:
    """Return how many texts the model received, whether it answered them or not."""
    return sum(len(each.body["input"]) for each in place.model.requests if each.path == "/v1/embeddings")


def workspace_for_run(place: Place, name: str) -> Workspace:
    embedder, _ = Endpoint.objects.get_or_create(
        name="embedder",
        defaults={
            "kind": "embedding", "provider": "openai_compat", "model": "fake", "last_check_ok": True,
            "options": {"base_url": place.model.base_url}, "dimensions": DIMENSIONS,
        },
    )  # fmt: skip
    return provision_workspace(
        None, name=name, languages=["en"], embedder=embedder, chunk_size=400, chunk_overlap=60
    )


def run(place: Place, files: Sequence[Path], limit: int, kills: int) -> Result:
    undisturbed = workspace_for_run(place, "undisturbed")
    put(undisturbed, files, limit)
    undisturbed_s = wait(undisturbed, lambda: None)
    asked = embedded(place)
    print(f"Undisturbed: {undisturbed_s:.0f} s.", file=sys.stderr, flush=True)
    disturbed = workspace_for_run(place, "disturbed")
    chaos = Chaos(place, kills, every_s=undisturbed_s / max(kills, 1))
    put(disturbed, files, limit)
    took_s = wait(disturbed, chaos)
    while chaos.done < kills:  # ingestion finished before the faults: the others hit idle workers
        chaos()
        time.sleep(0.1)
    return account(place, undisturbed, disturbed, chaos, asked, undisturbed_s, took_s)


def account(
    place: Place, undisturbed: Workspace, disturbed: Workspace, chaos: Chaos, asked: int, *times_s: float
) -> Result:
    documents = list(disturbed.documents.all())
    expected, found = content(undisturbed), content(disturbed)
    twice = embedded(place) - 2 * asked
    for title in sorted(expected):
        if expected[title] != found.get(title):
            print(
                f"Differs: {title}, {expected[title][0]} and {found.get(title, ['gone'])[0]}", file=sys.stderr
            )
    drifts = find_drift()
    for drift in drifts:
        print(drift.sentence, file=sys.stderr)
    return Result(
        documents=len(documents),
        ready=sum(each.status == Document.Status.READY for each in documents),
        failed=sum(each.status == Document.Status.FAILED for each in documents),
        chunks=sum(each.chunk_count for each in documents),
        kills=chaos.done,
        accidents=chaos.accidents,
        taken_over=sum(max(0, each.attempt - 1) for each in documents),
        embedded_twice=twice,
        undisturbed_s=round(times_s[0], 1),
        took_s=round(times_s[1], 1),
        unexplained=unfinished(disturbed)
        + sum(each.status == Document.Status.FAILED and not each.error for each in documents),
        differing=sum(expected[title] != found.get(title) for title in expected),
        drift=len(drifts),
        batches_too_many=max(0, -(-twice // BATCH) - chaos.accidents),
    )


def report(result: Result, command: str) -> str:
    verdict = "Every check passed." if result.holds else "**Some checks failed.**"
    rows = [
        ("documents", result.documents),
        ("ready", result.ready),
        ("failed with a reason, as in the undisturbed run", result.failed),
        ("chunks", result.chunks),
        ("workers killed", result.kills),
        ("moments at which an embedded batch could be lost", result.accidents),
        ("attempts beyond the first", result.taken_over),
        ("texts embedded twice", result.embedded_twice),
        ("seconds, undisturbed", result.undisturbed_s),
        ("seconds, disturbed", result.took_s),
        ("**neither ready nor failed with a reason**", result.unexplained),
        ("**documents whose status or chunks differ from the undisturbed run**", result.differing),
        ("**duplicates, orphans, wrong counters**", result.drift),
        ("**batches embedded twice beyond one per fault**", result.batches_too_many),
    ]
    return "\n".join(
        [
            "# What is lost when components die during ingestion",
            "",
            f"Made by `{command}` on {date.today()}; {os.cpu_count()} cores, load average "
            f"{os.getloadavg()[0]:.1f}. {WORKERS} Celery workers with one child each, killed with SIGKILL "
            "(the whole worker or only its child); PostgreSQL and Valkey restarted once, the model "
            f"unavailable for {AWAY_S:.0f} s once.",
            "",
            f"{verdict} The bold rows must be 0.",
            "",
            "| | |",
            "|---|---|",
            *[f"| {name} | {value:,} |" for name, value in rows],
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill components while documents are ingested.")
    parser.add_argument("--data", type=Path, help="a directory with files to use")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7, help="random seed of the faults")
    parser.add_argument("--json", help="write the counts to this file instead of the report")
    options = parser.parse_args()
    random.seed(options.seed)
    with started() as place:
        result = run(place, chosen(options.data), options.documents, options.kills)
        forget_connections()
    if options.json:
        Path(options.json).write_text(json.dumps(asdict(result) | {"holds": result.holds}))
        return
    text = report(
        result, f"python -m benchmarks.chaos_ingest --documents {options.documents} --kills {options.kills}"
    )
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    sys.exit(not result.holds)


if __name__ == "__main__":
    main()
