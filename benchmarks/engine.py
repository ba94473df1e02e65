"""Costs and recall of the pgvector engine as a workspace grows: publishing, search, filters, vector indexes.

    python -m benchmarks.engine [--chunks N] [--many N]

The data is synthetic: vectors with the spectrum of embeddings (the i-th component's deviation falls with
i^-0.75), texts of words by Zipf's law. A tenth of `--chunks` is added through the engine's API. The others,
up to `--many`, are copied from them within PostgreSQL: each copy has the normalised sum of four of the
vectors, which has the same distribution, and repeats a text. Writes benchmarks/results/engine.md, or
engine-many.md. Processor time is the backend's and ours, from the kernel's scheduler; PostgreSQL's parallel
queries are off, so that one backend has all of it.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from benchmarks.installation import ROOT, stored

# isort: split
# The imports below need the settings, which the installation creates.
from django.conf import settings
from django.db import connection, transaction

from inference.types import Vector
from models_registry.models import Endpoint
from workspaces.engines import Condition, IndexedMetadata, NewChunk, Where
from workspaces.engines.pgvector.ann_tuning import BREADTHS
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.pgvector.maintenance import due, reconcile, state_of
from workspaces.engines.pgvector.tables import literal
from workspaces.models import IndexKind, VectorIndex, Workspace
from workspaces.provision import provision_workspace

RESULTS = ROOT / "benchmarks" / "results"
FIRST = 100_000  # chunks, which are then copied many times
DIMENSIONS, BATCH, LIMIT = 384, 64, 100
QUESTIONS = 60
SAMPLES = 12  # documents per size
SEED = 7
FILTERS = {"1 of 10": 10, "1 of 100": 100, "1 of 1,000": 1000}  # name -> one document in this many


class Made:
    """Generator of synthetic vectors, texts and questions."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(SEED)
        self._basis = np.linalg.qr(self.rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
        self._spectrum = np.arange(1, DIMENSIONS + 1) ** -0.75
        ranks = np.arange(1, 30_001)
        self._words = np.array([_word(int(rank)) for rank in ranks])
        # Without stop words: six words are in 24,000 of 100,000 chunks, like those of real questions (ADR 16)
        self._shares = (1 / (ranks + 50.0)) / (1 / (ranks + 50.0)).sum()

    def vectors(self, count: int) -> list[Vector]:
        made: NDArray[np.float64] = (self.rng.normal(size=(count, DIMENSIONS)) * self._spectrum) @ self._basis
        found: list[Vector] = (made / np.linalg.norm(made, axis=1, keepdims=True)).tolist()
        return found

    def texts(self, count: int) -> list[str]:
        lengths = self.rng.integers(60, 131, count)
        words = iter(self._words[self.rng.choice(len(self._words), lengths.sum(), p=self._shares)])
        return [" ".join(islice(words, int(length))) for length in lengths]

    def questions(self, count: int) -> list[tuple[Vector, str]]:
        """Return vectors, each with six words of one text."""
        words = [" ".join(random.Random(SEED).sample(text.split(), 6)) for text in self.texts(count)]
        return list(zip(self.vectors(count), words, strict=True))


def _word(rank: int) -> str:
    return "".join(chr(97 + (rank * 7919 // 26**place) % 26) for place in range(5)) + "o"


# --- costs ----------------------------------------------------------------------------------------


@dataclass
class Spent:
    """Milliseconds of several runs: elapsed time and processor time."""

    clock: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    servers: list[float] = field(default_factory=list)

    @property
    def both(self) -> list[float]:
        return [ours + server for ours, server in zip(self.ours, self.servers, strict=True)]

    @contextmanager
    def run(self) -> Iterator[None]:
        connection.ensure_connection()
        server = connection.connection.info.backend_pid
        before = time.perf_counter(), time.thread_time(), _scheduled_s(server)
        yield
        after = time.perf_counter(), time.thread_time(), _scheduled_s(server)
        for times, began, ended in zip((self.clock, self.ours, self.servers), before, after, strict=True):
            times.append((ended - began) * 1000)

    def row(self, name: str) -> str:
        """Return a table row: p50 and p95 of the processor time, and p50 of the elapsed time."""
        halves = (statistics.median(self.ours), statistics.median(self.servers))
        return (
            f"| {name} | {statistics.median(self.both):.1f} | {_p95(self.both):.1f} | {halves[0]:.1f} | "
            f"{halves[1]:.1f} | {statistics.median(self.clock):.1f} |"
        )


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def _scheduled_s(pid: int) -> float:
    """Return the processor seconds of a single-threaded process, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


HEAD = [
    "| | processor ms, p50 | p95 | ours | PostgreSQL's | elapsed ms, p50 |",
    "|---|---|---|---|---|---|",
]


# --- publishing -----------------------------------------------------------------------------------


def put(engine: PgVector, made: Made, number: int) -> None:
    """Stage and publish a document. Its number determines which filters match it."""
    document, texts = uuid4(), made.texts(BATCH)
    chunks = [NewChunk(n, text, b"%d %d" % (number, n), 0, 0, len(text)) for n, text in enumerate(texts)]
    engine.stage(document, chunks, made.vectors(BATCH))
    engine.publish(document, BATCH, facts=_facts(number))


def _facts(number: int) -> IndexedMetadata:
    return IndexedMetadata({name: number % rest for name, rest in FILTERS.items()})


def publishing(engine: PgVector, made: Made, first: int) -> Spent:
    """Measure the publishing of some documents, without generating them."""
    spent = Spent()
    for number in range(first, first + SAMPLES):
        texts, vectors, document = made.texts(BATCH), made.vectors(BATCH), uuid4()
        chunks = [NewChunk(n, text, b"%d %d" % (number, n), 0, 0, len(text)) for n, text in enumerate(texts)]
        with spent.run():
            with transaction.atomic():
                engine.stage(document, chunks, vectors)
            with transaction.atomic():
                engine.publish(document, BATCH, facts=_facts(number))
    return spent


def growing(engine: PgVector, made: Made, count: int) -> list[str]:
    """Fill the workspace to `count` chunks, a tenth through the engine's API, and measure on the way."""
    lines, number = [], 0
    for mark in (1000, count // 10):
        while (number + SAMPLES) * BATCH < mark:
            with transaction.atomic():
                put(engine, made, number)
            number += 1
        lines.append(_timed(engine, made, number))
        number += SAMPLES
    multiply(engine, count // engine.count())
    return [*lines, _timed(engine, made, number)]


def _timed(engine: PgVector, made: Made, number: int) -> str:
    return publishing(engine, made, number).row(f"{engine.count():,}")


_COPIED = "text, content_hash, section, start, stop, language, title_path, page, metadata, words, weights, length, k"


_OTHERS = "0123567cdef"


def multiply(engine: PgVector, times: int, place: int = 15) -> None:
    """Copy the existing rows until there are `times` as many.

    place: the position of a digit in a document's id, its version or variant. Originals have none of _OTHERS
    there, so no copy collides with another document.
    """
    run = engine.tables.run
    last, amount, documents = run("SELECT max(id), count(*), array_agg(DISTINCT document_id) FROM {table}")[0]
    for turn in range(1, times):
        document = f"overlay(document_id::text PLACING '{_OTHERS[turn]}' FROM {place})::uuid"
        others = [f"JOIN other o{n} ON o{n}.n = (base.n + {turn * 7919 * n}) %% {amount}" for n in (1, 2, 3)]
        run(
            f"""WITH base AS (SELECT *, row_number() OVER (ORDER BY id) - 1 AS n FROM {{table}} WHERE id <= %s),
            other AS (SELECT n, embedding FROM base)
            INSERT INTO {{table}} (document_id, live, ordinal, embedding, {_COPIED})
            SELECT {document}, true, ordinal,
                l2_normalize(base.embedding + o1.embedding - o2.embedding - o3.embedding), {_COPIED}
            FROM base {" ".join(others)}""",
            [last],
        )
        run(
            f"""INSERT INTO {{documents}} SELECT {document}, embedding, chunks, metadata, access_level
            FROM {{documents}} WHERE document_id = ANY(%s)""",
            [documents],
        )
        print(f"copied {turn} of {times}", file=sys.stderr, flush=True)
    run("UPDATE {terms} SET amount = amount * %s", [times])
    run("VACUUM ANALYZE {table}")


# --- searching ------------------------------------------------------------------------------------


def searching(engine: PgVector, made: Made, questions: int = QUESTIONS) -> list[str]:
    """Measure both legs, each alone and together in three ways."""
    ways: dict[str, Callable[[Vector, str], object]] = {
        "by meaning": lambda vector, question: engine.search_dense(vector, LIMIT),
        "by words": lambda vector, question: engine.search_lexical(question, LIMIT),
        "both, in one search": lambda vector, question: engine.search(vector, question, LIMIT),
        "both, in sequence": lambda vector, question: (
            engine.search_dense(vector, LIMIT),
            engine.search_lexical(question, LIMIT),
        ),
    }
    spent = {name: Spent() for name in [*ways, _THREADS]}
    with ThreadPoolExecutor(2) as threads:
        for vector, question in made.questions(questions):
            for name, way in ways.items():
                with spent[name].run():
                    way(vector, question)
            began = time.perf_counter()
            legs = [
                threads.submit(engine.search_dense, vector, LIMIT),
                threads.submit(engine.search_lexical, question, LIMIT),
            ]
            for leg in legs:
                leg.result()
            spent[_THREADS].clock.append((time.perf_counter() - began) * 1000)
        threads.submit(lambda: connection.close()).result()
        threads.submit(lambda: connection.close()).result()
    clock = {name: statistics.median(each.clock) for name, each in spent.items()}
    slower = max(clock["by meaning"], clock["by words"])
    return [
        *HEAD,
        *[each.row(name) for name, each in spent.items() if name != _THREADS],
        f"| {_THREADS} | | | | | {clock[_THREADS]:.1f} |",
        "",
        f"Both take {clock['both, in one search'] / slower:.2f} times as long as the slower leg in one "
        f"search, {clock['both, in sequence'] / slower:.2f} in sequence, and {clock[_THREADS] / slower:.2f} in "
        "two threads.",
        "",
    ]


_THREADS = "both, in two threads with a connection each"


def filtering(engine: PgVector, made: Made) -> list[str]:
    """Measure how many of the requested results filters leave, and what both legs cost with them."""
    lines = [*HEAD]
    for name in FILTERS:
        where, spent, found = Where(conditions=(Condition(name, "is", (0,)),)), Spent(), []
        rows = engine.tables.run(
            "SELECT sum(chunks) FROM {documents} WHERE metadata -> %s = '0'::jsonb", [name]
        )
        for vector, question in made.questions(QUESTIONS // 2):
            with spent.run():
                dense, _ = engine.search(vector, question, LIMIT, where)
            found.append(len(dense))
        left = int(rows[0][0] or 0)
        lines.append(
            spent.row(f"{name} documents, {left:,} chunks: {min(found)} of {min(LIMIT, left)} found")
        )
    return [*lines, ""]


def recalls(engine: PgVector, made: Made, kind: IndexKind) -> list[str]:
    """Compare the top ten of the index with those of an exact search, for questions that are not chunks."""
    lines = ["| breadth | recall@10 | processor ms, p50 |", "|---|---|---|"]
    questions = [(vector, _exactly(engine, vector)) for vector in made.vectors(QUESTIONS // 2)]
    for breadth in BREADTHS[kind]:
        VectorIndex.objects.filter(workspace=engine.workspace).update(breadth=breadth)
        spent, found = Spent(), 0
        for vector, nearest in questions:
            with spent.run():
                hits = engine.search_dense(vector, 10)
            found += len(nearest & {hit.chunk_id for hit in hits})
        recall = found / 10 / len(questions)
        lines.append(f"| {breadth} | {recall:.3f} | {statistics.median(spent.both):.1f} |")
        if recall > 0.998:
            break
    return [*lines, ""]


def _exactly(engine: PgVector, vector: Vector) -> set[int]:
    rows = engine.tables.run(
        "SELECT id FROM (SELECT id, embedding FROM {table} WHERE live OFFSET 0) each "
        "ORDER BY embedding {operator} %s::halfvec LIMIT 10",
        [literal(vector)],
    )
    return {id for (id,) in rows}


def indexed(engine: PgVector, made: Made, kind: IndexKind, first: int) -> list[str]:
    """Let a worker build and measure this kind of index, then measure everything with it."""
    workspace = engine.workspace
    Workspace.objects.filter(pk=workspace.pk).update(index_kind=kind)
    began = time.perf_counter()
    for row_id in due():
        reconcile(row_id)
    took, state = time.perf_counter() - began, state_of(workspace)
    assert state.standing is not None
    assert state.row is not None
    print(kind, round(took), "s", file=sys.stderr, flush=True)
    chosen = f"{100 * (state.row.recall or 0):.1f} % of the top ten with breadth {state.row.breadth}"
    lines = [
        f"### {kind.label}",
        "",
        f"Built and measured in {took:.0f} s; {state.standing.size_bytes >> 20} MB. Measured with chunks as questions: "
        f"{chosen}. A document of {BATCH} chunks published with it:",
        "",
        *HEAD,
        publishing(engine, made, first).row(f"{engine.count():,} chunks"),
        "",
        "Searches:",
        "",
        *searching(engine, made),
        "With filters, both legs in one search:",
        "",
        *filtering(engine, made),
        "Questions that are not chunks, by breadth (ten results):",
        "",
    ]
    return [*lines, *recalls(engine, made, kind)]


# --- everything -----------------------------------------------------------------------------------


def _engine() -> PgVector:
    embedder = Endpoint.objects.create(
        name="none", kind="embedding", provider="openai_compat", model="none", dimensions=DIMENSIONS,
        options={"base_url": "http://127.0.0.1:9/v1"}, last_check_ok=True,
    )  # fmt: skip
    return PgVector(provision_workspace(None, name="engine", languages=["en"], embedder=embedder))


def parts(count: int) -> Iterator[list[str]]:
    engine, made = _engine(), Made()
    yield [
        "## Publishing without an index",
        "",
        f"A document of {BATCH} chunks, staged and published; {SAMPLES} at each size.",
        "",
        *[HEAD[0].replace("| |", "| chunks in the workspace |", 1), HEAD[1]],
        *growing(engine, made, count),
        "",
    ]
    engine.tables.run("VACUUM ANALYZE {table}")
    yield [
        f"## {count:,} chunks",
        "",
        "### None: exact",
        "",
        *searching(engine, made),
        *filtering(engine, made),
    ]
    for kind in (IndexKind.HNSW, IndexKind.IVFFLAT):
        yield indexed(engine, made, kind, count)


def parts_of_many(many: int) -> Iterator[list[str]]:
    """Fill the workspace to this many chunks as fast as possible, and measure the recall of indexes there."""
    engine, made = _engine(), Made()
    growing(engine, made, FIRST)
    with without_word_index(engine):
        multiply(engine, many // FIRST, place=20)
    engine.tables.run("VACUUM ANALYZE {table}")
    yield [f"## {engine.count():,} chunks", ""]
    for kind in (IndexKind.IVFFLAT, IndexKind.HNSW):  # the faster one first
        yield indexed(engine, made, kind, many)


@contextmanager
def without_word_index(engine: PgVector) -> Iterator[None]:
    """Drop the GIN index, and build it at the end: that is faster than updating it for each row."""
    [[name, definition]] = engine.tables.run(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = '{table}'::regclass AND pg_get_indexdef(indexrelid) LIKE '%%gin (words)%%'"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
        yield
        cursor.execute("SET maintenance_work_mem = '2GB'")
        cursor.execute(definition)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the pgvector engine.")
    parser.add_argument("--chunks", type=int, default=100_000, help="number of chunks")
    parser.add_argument(
        "--many",
        type=int,
        default=0,
        help="instead, measure the recall of indexes with this many chunks, such as 1000000",
    )
    asked = parser.parse_args()
    options = connection.settings_dict["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c max_parallel_workers_per_gather=0".strip()
    settings.INDEX_MEMORY_MB = 2048
    result = RESULTS / ("engine-many.md" if asked.many else "engine.md")
    what = f"--many {asked.many}" if asked.many else f"--chunks {asked.chunks}"
    lines = [
        "# Costs and recall of the engine",
        "",
        f"Made by `python -m benchmarks.engine {what}` on {date.today()}; {os.cpu_count()} cores, load "
        f"average at the start {os.getloadavg()[0]:.1f}. Vectors of {DIMENSIONS} dimensions and texts by "
        f"Zipf's law, synthetic (benchmarks/engine.py); {LIMIT} results; cosine; halfvec. Processor time is "
        "ours plus that of PostgreSQL's backend.",
        "",
    ]
    with stored():
        for part in parts_of_many(asked.many) if asked.many else parts(asked.chunks):
            lines += part
            result.write_text("\n".join(lines).rstrip() + "\n")
            print(f"{part[0]}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
