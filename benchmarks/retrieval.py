"""How good and how quick search is, through `documents.retrieval.search` itself.

    python -m benchmarks.retrieval --data DIR [--cache DIR] [--only NAME ...]

DIR holds test collections (benchmarks/corpora.py says in which form). Each is put into a workspace of its own, in
PostgreSQL started for this, embedded by the project's serving container. Vectors are remembered in the cache
directory, so that only the first run takes long. Writes benchmarks/results/retrieval.md.
"""

import argparse
import asyncio
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from uuid import UUID

# installation sets Django up, for a directory of its own
from django.core.management import call_command
from django.db import connection, transaction

from benchmarks import corpora
from benchmarks.corpora import Corpus, Query
from benchmarks.installation import DATA, free_port
from benchmarks.metrics import ndcg, quantile, recall, reciprocal_rank
from benchmarks.stage import service
from documents.chunking import Chunk
from documents.models import Document
from documents.retrieval import RetrievalFailed, Scope, search
from inference.connect import open_embedder
from inference.types import Vector
from models_registry.models import Endpoint
from ragsite.embedded import postgres
from ragsite.embedded.service import running
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Workspace
from workspaces.provision import create_workspace

RESULT = Path(__file__).parent / "results" / "retrieval.md"
DIMENSIONS = 384
DEPTH = 100  # passages asked for
NO_BUDGET = 10**9  # tokens
BATCH = 64

# Measured with bm25s, all-MiniLM-L6-v2, and their fusion by reciprocal rank and by halves, in this order: nDCG@10
BASELINES = {
    "cranfield": (0.3755, 0.3955, 0.4235, 0.4256),
    "scifact": (0.6791, 0.6451, 0.7132, 0.7301),
    "codebase-chunks": (0.5871, 0.5830, 0.6772, 0.6919),
    "limit-small": (0.9920, 0.3136, 0.7023, 0.9806),
    "site-django": (0.8007, 0.7609, 0.8353, 0.8351),
    "xquad/en": (0.9694, 0.9435, 0.9708, None),
    "xquad/de": (0.9442, 0.6804, 0.8530, None),
    "xquad/es": (0.9640, 0.6009, 0.8055, None),
    "xquad/zh": (0.9651, 0.2386, 0.5928, None),
    "handbook-de": (0.6122, 0.4540, 0.6164, None),
    "mtrag-un": (0.859, 0.848, 0.889, None),
}


@dataclass
class Row:
    """One collection, searched in one way."""

    corpus: str
    way: str
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    times_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def add(self, ranked: Sequence[str], grades: dict[str, int]) -> None:
        self.count += 1
        self.sums["nDCG@10"] += ndcg(ranked, grades)
        for depth in (5, 10, 100):
            self.sums[f"R@{depth}"] += recall(ranked, grades, depth)
        self.sums["MRR"] += reciprocal_rank(ranked, grades)

    def mean(self, measure: str) -> float:
        return self.sums[measure] / self.count

    def as_markdown(self) -> str:
        measures = [f"{self.mean(name):.4f}" for name in ("nDCG@10", "R@5", "R@10", "R@100", "MRR")]
        times = [
            f"{quantile(times, 0.5):.1f} / {quantile(times, 0.95):.1f}"
            if (times := self.times_ms[stage])
            else ""
            for stage in ("dense", "lexical", "all")
        ]
        return f"| {self.corpus} | {self.way} | {' | '.join(measures + times)} |"


# --- loading -------------------------------------------------------------------------------------


def load(corpus: Corpus, embedder: Endpoint) -> tuple[Workspace, dict[UUID, str]]:
    """Return a workspace with the collection in it, and which page each document is."""
    workspace = create_workspace(None, name=corpus.name, languages=[corpus.language], embedder=embedder)
    vectors = asyncio.run(embed(workspace, [chunk.text for page in corpus.pages for chunk in page.chunks]))
    pages: dict[UUID, str] = {}
    engine = engine_for(workspace)
    with transaction.atomic():
        for page in corpus.pages:
            document = Document.objects.create(
                workspace=workspace,
                title=page.id[:200],
                size_bytes=1,
                content_sha256=hashlib.sha256(page.id.encode()).hexdigest(),
                language=corpus.language,
            )
            pages[document.pk] = page.id
            chunks = list(new_chunks(page.chunks, corpus.language))
            engine.stage(document.pk, chunks, [vectors[chunk.text] for chunk in chunks])
            engine.publish(document.pk, len(chunks))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would, in a minute
    return workspace, pages


def new_chunks(cut: Sequence[Chunk], language: str) -> Iterator[NewChunk]:
    for ordinal, chunk in enumerate(cut):
        key = hashlib.sha256(chunk.text.encode()).digest()
        yield NewChunk(ordinal, chunk.text, key, chunk.section, chunk.start, chunk.end, language)


async def embed(workspace: Workspace, texts: Sequence[str]) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    alike = sorted(set(texts), key=len)  # a batch takes as long as its longest
    async with open_embedder(workspace.embedder.spec()) as embedder:
        for first in range(0, len(alike), BATCH):
            batch = alike[first : first + BATCH]
            found |= zip(batch, await embedder.embed(batch, "passage"), strict=True)
    return found


# --- searching -----------------------------------------------------------------------------------


async def by_search(row: Row, corpus: Corpus, workspace: Workspace, pages: dict[UUID, str]) -> Row:
    for query in corpus.queries:
        try:
            found = await search(
                Scope(workspace), query.text, previous=query.previous, limit=DEPTH, token_budget=NO_BUDGET
            )
        except RetrievalFailed as error:
            raise SystemExit(f"{corpus.name}, {query.id}: {error}") from error
        row.add(pages_of([passage.document_id for passage in found.passages], pages), corpus.grades[query.id])
        embedding_ms = found.trace.timings_ms.get("embed question", 0.0)
        for leg in found.trace.legs:
            row.times_ms[leg.name].append(leg.took_ms - (embedding_ms if leg.name == "dense" else 0))
        if "total" in found.trace.timings_ms:
            row.times_ms["all"].append(found.trace.timings_ms["total"] - embedding_ms)
    return row


def by_words(row: Row, corpus: Corpus, workspace: Workspace, pages: dict[UUID, str]) -> Row:
    """Ask the lexical leg alone, which `search` does only where the embedder fails."""
    for query in corpus.queries:
        sent = f"{query.previous[-1]}\n{query.text}" if query.previous else query.text
        found = engine_for(workspace).search_lexical(sent, DEPTH)
        row.add(pages_of([chunk.document_id for chunk in found], pages), corpus.grades[query.id])
    return row


def pages_of(documents: Sequence[UUID], pages: dict[UUID, str]) -> list[str]:
    """Return each page once: it is as good as its best chunk."""
    return list(dict.fromkeys(pages[document] for document in documents))


def measure(corpus: Corpus, embedder: Endpoint) -> list[Row]:
    workspace, pages = load(corpus, embedder)
    place = (workspace, pages)
    rows = [
        asyncio.run(by_search(Row(corpus.name, "default"), corpus, *place)),
        by_words(Row(corpus.name, "words only"), corpus, *place),
    ]
    workspace.is_hybrid = False
    rows.append(asyncio.run(by_search(Row(corpus.name, "meaning only"), corpus, *place)))
    workspace.is_hybrid = True
    if any(query.previous for query in corpus.queries):
        alone = replace(corpus, queries=tuple(_alone(query) for query in corpus.queries))
        rows.append(asyncio.run(by_search(Row(corpus.name, "without the question before"), alone, *place)))
    return rows


def _alone(query: Query) -> Query:
    return replace(query, previous=())


# --- the report ----------------------------------------------------------------------------------


def report(rows: Sequence[Row]) -> str:
    return "\n".join(
        [
            "# Retrieval",
            "",
            f"Made by `python -m benchmarks.retrieval` on {date.today()}, {os.cpu_count()} cores, load average "
            f"{os.getloadavg()[0]:.1f}: times are those of a busy machine. Through `documents.retrieval.search`, "
            f"{DEPTH} passages a question, all-MiniLM-L6-v2, HNSW. Times in ms, p50 / p95, without embedding the "
            "question, whose vector is remembered from earlier runs.",
            "",
            "| collection | | nDCG@10 | R@5 | R@10 | R@100 | MRR | dense | lexical | all |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(row.as_markdown() for row in rows),
            "",
            "## Beside other tools, nDCG@10",
            "",
            "bm25s 0.3.16 (the best of its variants for the language, k1 1.2, b .75), the same model with exact "
            "search, their fusion by reciprocal rank (k 60) and by halves of min-max scores.",
            "",
            "| collection | bm25s | ours | exact search | ours | RRF | halves | default | to the better leg |",
            "|---|---|---|---|---|---|---|---|---|",
            *beside(rows),
            "",
        ]
    )


def beside(rows: Sequence[Row]) -> Iterator[str]:
    values = {(row.corpus, row.way): row.mean("nDCG@10") for row in rows}
    for corpus in dict.fromkeys(row.corpus for row in rows):
        bm25, exact, rrf, halves = BASELINES.get(corpus, (None,) * 4)
        words, meaning, ours = (values[corpus, way] for way in ("words only", "meaning only", "default"))
        cells = [bm25, words, exact, meaning, rrf, halves, ours]
        shown = ["" if cell is None else f"{cell:.4f}" for cell in cells]
        yield f"| {corpus} | {' | '.join(shown)} | {ours - max(words, meaning):+.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--cache", type=Path, default=Path("build/vectors"), help="where vectors are remembered"
    )
    parser.add_argument("--only", nargs="*", help="names of collections, e.g. scifact xquad/de")
    chosen = parser.parse_args()
    port = free_port()
    remembered = str((chosen.cache / "vectors.sqlite").resolve())
    ports = ("--port", str(port), "--serving-port", str(free_port()))
    embedding = service("embedding", port, ("-m", "benchmarks.vector_cache", remembered, *ports))
    rows: list[Row] = []
    with ExitStack() as stack:
        for each in (postgres.service(DATA), embedding):
            stack.enter_context(running(each, DATA / "logs" / f"{each.name}.log"))
        call_command("migrate", verbosity=0)
        embedder = Endpoint.objects.create(
            name="all-MiniLM-L6-v2",
            kind=Endpoint.Kind.EMBEDDING,
            provider="sagemaker_contract",
            options={"url": f"http://127.0.0.1:{port}", "batch_size": BATCH},
            dimensions=DIMENSIONS,
        )
        for name in chosen.only or corpora.found_in(chosen.data):
            rows += measure(corpora.read(chosen.data, name), embedder)
            print("\n".join(row.as_markdown() for row in rows if row.corpus == name), flush=True)
            RESULT.write_text(report(rows))  # after each: whoever interrupts it has the others


if __name__ == "__main__":
    main()
