"""Ingestion throughput, compared with the embedding model alone, and how it develops as a workspace grows.

    python -m benchmarks.ingest [--data DIR] [--size full|short] [--documents N] [--many N] [--chunks N]
        [--only model table growth memory]

Starts PostgreSQL, Valkey, our model container with MiniLM, and Celery workers, all on this machine. DIR: a
directory with files to use, in addition to this project's own. Writes benchmarks/results/ingest.md, part by
part. On a busy machine, processor time is more meaningful than elapsed time: the report gives both.
"""

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from benchmarks.chaos_ingest import celery, chosen, put, unfinished
from benchmarks.installation import ROOT, Process, free_port, stored

# isort: split
# The imports below need the settings, which the installation creates.
from django.core.files.base import ContentFile
from django.db import connection, transaction
from psycopg import sql

from documents.adding.service import add_file
from documents.ingestion.health import find_alarms
from documents.ingestion.ingest import BATCH, ingest
from documents.queue import enqueue
from documents.tasks import recover
from inference.connect import open_embedder
from inference.types import Vector
from models_registry.models import Endpoint
from ragsite.embedded.processes import answers, environment
from ragsite.embedded.service import Service
from tests.fakes.openai_server import Behaviour, running_in_thread
from workspaces.engines import NewChunk
from workspaces.engines.pgvector.engine import PgVector
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = ROOT / "benchmarks" / "results" / "ingest.md"
DIMENSIONS = 384
# Documents for the real model, small documents, chunks to grow to: about half an hour, and ten minutes
SIZES = {"full": (120, 10_000, 100_000), "short": (60, 2_000, 20_000)}
PARTS = ("model", "table", "growth", "memory")
INTRO = """# How fast documents become searchable

Processor time is the total of all processes, on all cores.
"""
SAMPLES = 15
WORKERS = 2
ROUNDS = 4
MIN_BYTES = 2000  # per document for the model part; the other part measures shorter documents
SEED = 7
Spent = dict[str, float]  # seconds: elapsed, and processor time of each component
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


# --- processes ----------------------------------------------------------------------------------


def _stat(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(value) for value in fields[1:20]]  # from ppid on


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and its descendants, including those that have ended."""
    spent = sum(_stat(pid)[10:14]) / _TICKS
    return spent + sum(cpu_s(child) for child in children(pid))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KB / 1024


@contextmanager
def working(count: int) -> Iterator[list[Process]]:
    """Run `count` workers. Each has started, and has read and embedded a file."""
    with ExitStack() as stack:
        workers = [Process(partial(celery, f"worker{n}", "worker", "-c", "1")) for n in range(count)]
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)
        yield workers


def _warm_up(workspace: Workspace, workers: Sequence[Process]) -> None:
    number = 0
    while not all(_parsers(worker) for worker in workers):
        text = f"The {number}. document is only there to have everything started."
        add_file(workspace, None, ContentFile(text.encode(), name="warm.md"), f"warm {number}.md")
        number += 1
        _wait(workspace)


def _parsers(worker: Process) -> list[int]:
    return [parser for child in children(worker.pid) for parser in children(child)]


def _spent(parts: dict[str, Process], workers: Sequence[Process]) -> Spent:
    """Return the processor seconds so far of every component."""
    spent = {name: cpu_s(process.pid) for name, process in parts.items()}
    spent["reading files"] = sum(cpu_s(parser) for worker in workers for parser in _parsers(worker))
    spent["workers"] = sum(cpu_s(worker.pid) for worker in workers) - spent["reading files"]
    return spent


@contextmanager
def serving() -> Iterator[tuple[Process, Endpoint]]:
    """Run our model container with MiniLM."""
    port = free_port()
    argv = (sys.executable, "-m", "inference.serving", "--host", "127.0.0.1", "--port", str(port))
    process = Process(
        lambda: Service(
            "serving",
            argv,
            lambda: answers(f"http://127.0.0.1:{port}/ping"),
            environment(),
            ROOT,
            start_grace_s=120,
        )
    )
    process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        yield process, _embedder("minilm", "container", {"url": url})
    finally:
        process.stop()


def _embedder(name: str, provider: str, options: dict[str, str]) -> Endpoint:
    fixed = {"kind": "embedding", "model": name, "dimensions": DIMENSIONS, "last_check_ok": True}
    return Endpoint.objects.create(name=name, provider=provider, options=options, **fixed)


def _workspace(name: str, embedder: Endpoint) -> Workspace:
    return provision_workspace(None, name=name, languages=["en"], embedder=embedder)


def _wait(workspace: Workspace) -> float:
    began = time.monotonic()
    while unfinished(workspace):
        time.sleep(0.05)
    return time.monotonic() - began


# --- compared with the bare model ---------------------------------------------------------------


def beside_the_model(data: Path | None, documents: int, services: dict[str, Process]) -> list[str]:
    files = [path for path in chosen(data) if path.stat().st_size > MIN_BYTES]
    random.Random(SEED).shuffle(files)
    whole: Spent = {}
    bare: Spent = {}
    shares, count = [], 0
    with serving() as (model, embedder), working(WORKERS) as workers:
        parts = {"the model": model} | services
        _warm_up(_workspace("warm", embedder), workers)
        for number in range(ROUNDS):
            workspace = _workspace(f"round {number}", embedder)
            took = _ingested(workspace, files[number::ROUNDS], documents // ROUNDS, parts, workers)
            texts = _texts(workspace)
            before = cpu_s(model.pid)
            alone = {"clock": asyncio.run(_embed_all(embedder, texts))}
            alone["the model"] = cpu_s(model.pid) - before
            shares.append(alone["the model"] / _processor_s(took))
            print(f"{len(texts)} chunks: {took}; alone {alone}", file=sys.stderr, flush=True)
            whole, bare, count = _sum(whole, took), _sum(bare, alone), count + len(texts)
    return [
        "## Beside the bare model",
        "",
        f"{documents // ROUNDS * ROUNDS} documents of more than {MIN_BYTES:,} bytes, {count:,} chunks; "
        f"{WORKERS} workers with one child each. {ROUNDS} rounds: each ingests a part of the documents, then "
        "embeds their texts with the model alone.",
        "",
        "| | model alone | ingestion | share |",
        "|---|---|---|---|",
        f"| chunks per second of elapsed time | {count / bare['clock']:.1f} | {count / whole['clock']:.1f} | "
        f"{bare['clock'] / whole['clock']:.0%} |",
        f"| chunks per second of processor time | {count / bare['the model']:.1f} | {count / _processor_s(whole):.1f} "
        f"| **{bare['the model'] / _processor_s(whole):.0%}** ({min(shares):.0%} to {max(shares):.0%}) |",
        "",
        "Processor time by component, in ms per chunk:",
        "",
        "| | |",
        "|---|---|",
        f"| model alone | {bare['the model'] / count * 1000:.1f} |",
        *[f"| {name} | {spent / count * 1000:.1f} |" for name, spent in whole.items() if name != "clock"],
        "",
    ]


def _ingested(
    workspace: Workspace,
    files: Sequence[Path],
    count: int,
    parts: dict[str, Process],
    workers: Sequence[Process],
) -> Spent:
    """Add the files, then ingest them, and return the time of the ingestion only."""
    put(workspace, files, count, ask_worker=False)
    return _until_ready(workspace, parts, workers)


def _until_ready(workspace: Workspace, parts: dict[str, Process], workers: Sequence[Process]) -> Spent:
    before = _spent(parts, workers)
    began = time.monotonic()
    for document_id in workspace.documents.due().values_list("pk", flat=True):
        enqueue(document_id)
    _wait(workspace)
    clock = time.monotonic() - began
    after = _spent(parts, workers)
    return {"clock": clock, **{name: after[name] - before[name] for name in after}}


def _sum(one: Spent, other: Spent) -> Spent:
    return {name: one.get(name, 0) + spent for name, spent in other.items()}


def _processor_s(spent: Spent) -> float:
    return sum(spent.values()) - spent["clock"]


def _texts(workspace: Workspace) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT text FROM chunks.{PgVector(workspace).tables.names[0]} ORDER BY document_id, ordinal"
        )
        return [text for (text,) in cursor.fetchall()]


async def _embed_all(endpoint: Endpoint, texts: Sequence[str]) -> float:
    """Embed the texts in batches, with one concurrent request per worker. Return the seconds."""
    batches = iter([texts[first : first + BATCH] for first in range(0, len(texts), BATCH)])

    async def client() -> None:
        for batch in batches:
            async with open_embedder(endpoint.spec()) as model:
                await model.embed(batch, "passage")

    began = time.monotonic()
    await asyncio.gather(*[client() for _ in range(WORKERS)])
    return time.monotonic() - began


# --- many documents -----------------------------------------------------------------------------


def many_documents(count: int, services: dict[str, Process]) -> list[str]:
    """Ingest small documents, and measure their cost and the worker's memory on the way."""
    marks = sorted({min(100, count), count // 10, count // 2, count})
    rows: list[str] = []
    with running_in_thread(behaviour=Behaviour(dimensions=DIMENSIONS)) as model, working(1) as workers:
        embedder = _embedder("fast", "openai_compat", {"base_url": model.base_url})
        _warm_up(_workspace("warm for many", embedder), workers)
        workspace, done = _workspace("many", embedder), 0
        for mark in marks:
            took = _many(workspace, range(done, mark), services, workers)
            each_ms = {name: spent / (mark - done) * 1000 for name, spent in took.items()}
            done = mark
            [worker], [child] = workers, children(workers[0].pid)
            recovery_ms = _recovery_s(workspace) * 1000
            rows.append(
                f"| {mark:,} | {rss_mb(worker.pid):.0f} | {rss_mb(child):.0f} | {each_ms['clock']:.0f} "
                f"| {each_ms['workers'] + each_ms['reading files']:.0f} | {each_ms['PostgreSQL']:.0f} "
                f"| {each_ms['Valkey']:.1f} | {recovery_ms:.0f} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    return [
        "## Many small documents",
        "",
        f"{count:,} documents of one chunk, one worker with one child, a model that answers immediately. Per "
        "stretch: the time per document, and the time of `documents.recover` and of the alarms at its end.",
        "",
        "| documents so far | worker, MB | its child that does the work, MB | elapsed ms | processor ms: "
        "worker and parser | PostgreSQL | Valkey | recovery, ms |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _many(
    workspace: Workspace, numbers: range, services: dict[str, Process], workers: Sequence[Process]
) -> Spent:
    for number in numbers:
        text = f"Note {number}. The pump of building {number} shows error E{number}.".encode()
        add_file(workspace, None, ContentFile(text, name="note.md"), f"note {number}.md", ask_worker=False)
    return _until_ready(workspace, services, workers)


def _recovery_s(workspace: Workspace) -> float:
    began = time.monotonic()
    recover()
    find_alarms(workspace)
    return time.monotonic() - began


# --- the table ----------------------------------------------------------------------------------


def _vector(centre: Sequence[float], rng: random.Random) -> Vector:
    return [value + rng.gauss(0, 0.3) / DIMENSIONS**0.5 for value in centre]


class Texts:
    """Generator of text-like chunks: words by Zipf's law, vectors around a hundred topics."""

    def __init__(self) -> None:
        self.rng = random.Random(SEED)
        self.words = [f"{self.rng.choice('bdfgklmnprst')}{number:x}ing" for number in range(5000)]
        self.weights = [1 / (rank + 1) for rank in range(len(self.words))]
        self.centres = [
            [self.rng.gauss(0, 1) / DIMENSIONS**0.5 for _ in range(DIMENSIONS)] for _ in range(100)
        ]

    def batch(self) -> tuple[list[NewChunk], list[Vector]]:
        centre = self.rng.choice(self.centres)
        chunks = [
            NewChunk(
                n,
                " ".join(self.rng.choices(self.words, self.weights, k=140)),
                self.rng.randbytes(32),
                n,
                0,
                900,
            )
            for n in range(BATCH)
        ]
        return chunks, [_vector(centre, self.rng) for _ in chunks]


def staging() -> list[str]:
    """Compare ways to insert a batch into the table."""
    embedder = _embedder("none", "openai_compat", {"base_url": "http://127.0.0.1:9/v1"})
    engine, texts = PgVector(_workspace("staging", embedder)), Texts()
    ways: dict[str, Callable[[UUID, Sequence[NewChunk], Sequence[Vector]], None]] = {
        "row inserts (executemany)": partial(_inserted, engine),
        "COPY into the session's temporary table, then INSERT ... SELECT (our way)": engine.stage,
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    spent: dict[str, float] = dict.fromkeys(ways, 0)
    connection.ensure_connection()
    server = connection.connection.info.backend_pid
    for _ in range(40):
        chunks, vectors = texts.batch()
        for name, way in ways.items():
            began, cpu_began = time.perf_counter(), time.process_time() + cpu_s(server)
            with transaction.atomic():
                way(uuid4(), chunks, vectors)
            took[name].append((time.perf_counter() - began) * 1000)
            spent[name] += time.process_time() + cpu_s(server) - cpu_began
    return [
        "## A batch's way into the table",
        "",
        f"{BATCH} chunks of about 900 characters, one language, {DIMENSIONS} dimensions; 40 batches, "
        "alternating.",
        "",
        "| | median ms | minimum ms | processor ms, ours and the server's |",
        "|---|---|---|---|",
        *[
            f"| {name} | {statistics.median(times):.1f} | {min(times):.1f} | {spent[name] / len(times) * 1000:.1f} |"
            for name, times in took.items()
        ],
        "",
    ]


def _inserted(
    engine: PgVector, document: UUID, chunks: Sequence[NewChunk], vectors: Sequence[Vector]
) -> None:
    rows = [
        (document, each.ordinal, each.text, each.content_hash, each.section, each.start, each.end, each.language, [],
         "{}", f"[{','.join(f'{value:.5g}' for value in vector)}]", each.text)
        for each, vector in zip(chunks, vectors, strict=True)
    ]  # fmt: skip
    query = sql.SQL(
        """INSERT INTO {} (document_id, ordinal, text, content_hash, section, start, stop, language, title_path,
            metadata, embedding, words)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s::jsonb, %s::halfvec, to_tsvector('english', %s))
        ON CONFLICT (document_id, live, ordinal) DO UPDATE SET text = excluded.text"""
    ).format(engine.table)
    with connection.cursor() as cursor:
        cursor.executemany(query.as_string(cursor.connection), rows)


def growing(count: int) -> list[str]:
    """Fill a workspace, and measure the time per document on the way."""
    rows, held, marks = [], 0, [count // 100, count // 10, count // 2, count]
    with running_in_thread(behaviour=Behaviour(dimensions=DIMENSIONS)) as model:
        workspace = _workspace(
            "growing", _embedder("loopback", "openai_compat", {"base_url": model.base_url})
        )
        engine, texts = PgVector(workspace), Texts()
        while marks:
            while held < marks[0]:
                document, (chunks, vectors) = uuid4(), texts.batch()
                with transaction.atomic():
                    engine.stage(document, chunks, vectors)
                with transaction.atomic():
                    engine.publish(document, BATCH)
                held += BATCH
            marks.pop(0)
            took = [_whole_document(workspace, f"{held} {n}", texts) for n in range(SAMPLES)]
            held += SAMPLES * BATCH
            rows.append(
                f"| {held:,} | "
                + " | ".join(f"{statistics.median(each):.0f}" for each in zip(*took, strict=True))
                + " |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    return [
        "## As a workspace grows",
        "",
        f"A document of {BATCH} chunks end to end, in one process, with a model that answers immediately; "
        f"medians of {SAMPLES}.",
        "",
        "| chunks in the workspace | elapsed ms | processor ms: ours | PostgreSQL |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _whole_document(workspace: Workspace, title: str, texts: Texts) -> tuple[float, float, float]:
    """Return elapsed milliseconds, and the processor milliseconds of our process and of the server."""
    chunks, _ = texts.batch()
    text = "\n\n".join(f"# {each.ordinal}\n\n{each.text}" for each in chunks)
    document = add_file(
        workspace, None, ContentFile(text.encode(), name="a.md"), f"{title}.md", ask_worker=False
    )
    connection.ensure_connection()
    server = connection.connection.info.backend_pid
    began = time.perf_counter(), time.thread_time(), cpu_s(server)
    ingest(document.pk)
    ended = time.perf_counter(), time.thread_time(), cpu_s(server)
    clock, ours, servers = ((after - before) * 1000 for after, before in zip(ended, began, strict=True))
    return clock, ours, servers


def _section(command: str, lines: Sequence[str]) -> str:
    """Return the section of a part, with the command that produced it."""
    heading, *rest = lines
    load = os.getloadavg()[0]
    return "\n".join(
        [
            heading,
            "",
            f"Made by `{command}` on {date.today()}; {os.cpu_count()} cores, load average {load:.1f}.",
            *rest,
        ]
    )


def _with_section(report: str, section: str) -> str:
    """Return the report with the section in place of the one with the same heading, or at its end."""
    intro, *sections = re.split(r"(?m)^(?=## )", report)
    heading = section.partition("\n")[0]
    headings = [each.partition("\n")[0] for each in sections]
    if heading in headings:
        sections[headings.index(heading)] = section
    else:
        sections.append(section)
    return "\n\n".join(part.strip() for part in [intro, *sections]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure ingestion.")
    parser.add_argument("--data", type=Path, help="a directory with files to use")
    parser.add_argument("--size", choices=SIZES, default="full", help="defaults for the options below")
    parser.add_argument("--documents", type=int, help="number of documents for the real model")
    parser.add_argument("--many", type=int, help="number of small documents, to measure memory")
    parser.add_argument("--chunks", type=int, help="number of chunks to grow to")
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, help="run only these parts, and keep the others of the report"
    )
    options = parser.parse_args()
    asked = (options.documents, options.many, options.chunks)
    documents, many, chunks = (one or usual for one, usual in zip(asked, SIZES[options.size], strict=True))
    said = f"--documents {documents} --many {many} --chunks {chunks}{' --data DIR' if options.data else ''}"
    with stored() as (postgres, valkey):
        services = {"PostgreSQL": postgres, "Valkey": valkey}
        parts = {
            "model": partial(beside_the_model, options.data, documents, services),
            "table": staging,
            "growth": partial(growing, chunks),
            "memory": partial(many_documents, many, services),
        }
        for name in options.only or PARTS:
            section = _section(f"python -m benchmarks.ingest --only {name} {said}", parts[name]())
            print(section, flush=True)
            RESULT.parent.mkdir(exist_ok=True)
            RESULT.write_text(_with_section(RESULT.read_text() if RESULT.exists() else INTRO, section))


if __name__ == "__main__":
    main()
