"""How fast documents become searchable, beside what the embedding model alone does, and whether that stays so.

    python -m benchmarks.ingest [--data DIR] [--documents 60] [--many 10000] [--chunks 100000]

Starts PostgreSQL, Valkey, our serving container with MiniLM, and Celery workers, all on this machine. DIR: a
directory with files to use besides this project's own. Writes benchmarks/results/ingest.md. On a machine that
does other things as well, processor time tells more than the clock: both are given.
"""

import argparse
import asyncio
import os
import random
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
# What follows needs the settings, which the installation makes.
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import F, Sum
from psycopg import sql

from documents.ingest import BATCH
from documents.intake import add_file
from documents.models import LedgerEntry
from inference.connect import open_embedder
from inference.types import Vector
from models_registry.models import Endpoint
from ragsite.embedded.processes import answers, environment
from ragsite.embedded.service import Service
from tests.fakes.openai_server import Behaviour, running_in_thread
from workspaces.engines import NewChunk, PgVector
from workspaces.models import Workspace
from workspaces.provision import create_workspace

RESULT = ROOT / "benchmarks" / "results" / "ingest.md"
DIMENSIONS = 384
WORKERS = 2
SEED = 7
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


# --- processes ----------------------------------------------------------------------------------


def _stat(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(value) for value in fields[1:20]]  # from ppid on


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and of all below it, those that have ended included."""
    spent = sum(_stat(pid)[10:14]) / _TICKS
    return spent + sum(cpu_s(child) for child in children(pid))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KB / 1024


@contextmanager
def working(count: int) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        workers = [Process(partial(celery, f"worker{n}", "worker", "-c", "1")) for n in range(count)]
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)
        yield workers


@contextmanager
def serving() -> Iterator[tuple[Process, Endpoint]]:
    """Keep our container with MiniLM."""
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
        yield process, _embedder("minilm", "sagemaker_contract", {"url": url})
    finally:
        process.stop()


def _embedder(name: str, provider: str, options: dict[str, str]) -> Endpoint:
    fixed = {"kind": "embedding", "model": name, "dimensions": DIMENSIONS, "last_check_ok": True}
    return Endpoint.objects.create(name=name, provider=provider, options=options, **fixed)


def _workspace(name: str, embedder: Endpoint) -> Workspace:
    return create_workspace(None, name=name, languages=["en"], embedder=embedder)


def _wait(workspace: Workspace) -> float:
    began = time.monotonic()
    while unfinished(workspace):
        time.sleep(0.05)
    return time.monotonic() - began


# --- beside the bare model ----------------------------------------------------------------------


def beside_the_model(data: Path | None, documents: int, postgres: Process) -> list[str]:
    with serving() as (model, embedder), working(WORKERS) as workers:
        workspace = _workspace("real", embedder)
        others = [postgres.pid, *(worker.pid for worker in workers)]
        before = [cpu_s(pid) for pid in (model.pid, *others)]
        put(workspace, chosen(data), documents)
        took_s = _wait(workspace)
        model_s, postgres_s, *workers_s = (
            cpu_s(pid) - then for pid, then in zip((model.pid, *others), before, strict=True)
        )
        texts = _texts(workspace)
        bare_before = cpu_s(model.pid)
        bare_took_s = asyncio.run(_embed_all(embedder, texts))
        bare_s = cpu_s(model.pid) - bare_before
    whole_s = model_s + postgres_s + sum(workers_s)
    entries = LedgerEntry.objects.filter(document__workspace=workspace, finished_at__isnull=False)
    by_stage = {
        row["stage"]: row["took"].total_seconds()
        for row in entries.values("stage").annotate(took=Sum(F("finished_at") - F("started_at")))
    }
    reading = by_stage.get("extract", 0) / sum(by_stage.values())
    return [
        "## Beside the bare model",
        "",
        f"{documents} documents, {len(texts):,} chunks; {WORKERS} workers with one child each.",
        "",
        "| | the model alone | all of it | share |",
        "|---|---|---|---|",
        f"| chunks per second of the clock | {len(texts) / bare_took_s:.1f} | {len(texts) / took_s:.1f} "
        f"| {bare_took_s / took_s:.0%} |",
        f"| chunks per second of processor time | {len(texts) / bare_s:.1f} | {len(texts) / whole_s:.1f} "
        f"| {bare_s / whole_s:.0%} |",
        "",
        f"Processor seconds: model {model_s:.1f}, workers with their parsers {sum(workers_s):.1f}, PostgreSQL "
        f"{postgres_s:.1f}. Of the workers' own time on the clock {reading:.0%} is reading files.",
        "",
    ]


def _texts(workspace: Workspace) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT text FROM chunks.{PgVector(workspace).names[0]} ORDER BY document_id, ordinal"
        )
        return [text for (text,) in cursor.fetchall()]


async def _embed_all(endpoint: Endpoint, texts: Sequence[str]) -> float:
    """Embed them in batches, as many at a time as there are workers. Returns seconds."""
    batches = iter([texts[first : first + BATCH] for first in range(0, len(texts), BATCH)])

    async def client() -> None:
        for batch in batches:
            async with open_embedder(endpoint.spec()) as model:
                await model.embed(batch, "passage")

    began = time.monotonic()
    await asyncio.gather(*[client() for _ in range(WORKERS)])
    return time.monotonic() - began


# --- many documents -----------------------------------------------------------------------------


def many_documents(count: int) -> list[str]:
    """Ingest small documents, and look at the memory of the worker on the way."""
    marks = sorted({min(100, count), count // 10, count // 2, count})
    rows: list[str] = []
    with running_in_thread(behaviour=Behaviour(dimensions=DIMENSIONS)) as model, working(1) as [worker]:
        workspace = _workspace("many", _embedder("fast", "openai_compat", {"base_url": model.base_url}))
        done, began = 0, time.monotonic()
        for mark in marks:
            started = time.monotonic()
            for number in range(done, mark):
                text = f"Note {number}. The pump of building {number} shows error E{number}.".encode()
                add_file(workspace, None, ContentFile(text, name="note.md"), f"note {number}.md")
            _wait(workspace)
            each_ms = (time.monotonic() - started) / (mark - done) * 1000
            done = mark
            [child] = children(worker.pid)
            rows.append(f"| {mark:,} | {rss_mb(worker.pid):.0f} | {rss_mb(child):.0f} | {each_ms:.0f} |")
            print(rows[-1], f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return [
        "## Memory of a worker",
        "",
        "Small documents, one after the other, with one worker and a model that answers at once.",
        "",
        "| documents so far | worker, MB | its child that does the work, MB | ms per document, added and ingested |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


# --- the table ----------------------------------------------------------------------------------


def _vector(centre: Sequence[float], rng: random.Random) -> Vector:
    return [value + rng.gauss(0, 0.3) / DIMENSIONS**0.5 for value in centre]


class Texts:
    """Chunks that look like text: words by Zipf's law, vectors around some hundred subjects."""

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
                "en",
            )
            for n in range(BATCH)
        ]
        return chunks, [_vector(centre, self.rng) for _ in chunks]


def staging(embedder: Endpoint) -> list[str]:
    """Compare a batch's ways into the table."""
    engine, texts = PgVector(_workspace("staging", embedder)), Texts()
    ways: dict[str, Callable[[UUID, Sequence[NewChunk], Sequence[Vector]], None]] = {
        "row inserts (executemany)": partial(_inserted, engine),
        "COPY into a temporary table, then INSERT ... SELECT (what we do)": engine.stage,
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
        f"{BATCH} chunks of some 900 characters, one language, {DIMENSIONS} dimensions; 40 batches, alternating.",
        "",
        "| | median ms | least ms | processor ms, ours and the server's |",
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


def growing(embedder: Endpoint, count: int) -> list[str]:
    """Fill a workspace, and time one document of a batch on the way."""
    engine, texts = PgVector(_workspace("growing", embedder)), Texts()
    rows, held, marks = [], 0, [count // 100, count // 10, count // 2, count]
    for mark in marks:
        took: list[float] = []
        while held < mark:
            document, (chunks, vectors) = uuid4(), texts.batch()
            began = time.perf_counter()
            with transaction.atomic():
                engine.stage(document, chunks, vectors)
            with transaction.atomic():
                engine.publish(document, BATCH)
            took.append((time.perf_counter() - began) * 1000)
            held += BATCH
        last = took[-100:]
        rows.append(f"| {held:,} | {statistics.median(last):.0f} | {min(last):.0f} |")
        print(rows[-1], file=sys.stderr, flush=True)
    return [
        "## As a workspace grows",
        "",
        f"Staging and publishing a document of {BATCH} chunks, with HNSW and full text; the last 100 documents.",
        "",
        "| chunks in the workspace | median ms | least ms |",
        "|---|---|---|",
        *rows,
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the ingestion.")
    parser.add_argument("--data", type=Path, help="a directory with files to use")
    parser.add_argument("--documents", type=int, default=60, help="for the real model")
    parser.add_argument("--many", type=int, default=10_000, help="small documents, for the memory")
    parser.add_argument("--chunks", type=int, default=100_000, help="to grow to")
    options = parser.parse_args()
    lines = [
        "# How fast documents become searchable",
        "",
        f"Made by `python -m benchmarks.ingest --documents {options.documents} --many {options.many} "
        f"--chunks {options.chunks}` on {date.today()}; {os.cpu_count()} cores, load average at the start "
        f"{os.getloadavg()[0]:.1f}.",
        "",
    ]
    with stored() as (postgres, _):
        lines += beside_the_model(options.data, options.documents, postgres)
        print("\n".join(lines), file=sys.stderr, flush=True)
        table = _embedder("none", "openai_compat", {"base_url": "http://127.0.0.1:9/v1"})
        lines += staging(table)
        lines += growing(table, options.chunks)
        lines += many_documents(options.many)
    text = "\n".join(lines)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)


if __name__ == "__main__":
    main()
