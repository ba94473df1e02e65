"""Quality and latency of `documents.retrieval.search`.

    python -m benchmarks.retrieval --data DIR [--cache DIR] [--only NAME ...]

DIR holds test collections (benchmarks/corpora.py describes their format). Each is loaded into its own
workspace, in a PostgreSQL started for this run, and embedded by the project's model container. The cache
directory stores vectors, so that only the first run takes long. Writes benchmarks/results/retrieval.md.
"""

import argparse
import asyncio
import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from uuid import UUID

# Importing benchmarks.installation sets Django up, in a temporary directory
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from benchmarks import corpora
from benchmarks.corpora import Corpus, Query
from benchmarks.installation import DATA, free_port
from benchmarks.metrics import ndcg, quantile, recall, reciprocal_rank
from benchmarks.stage import service
from documents.chunking import Chunk
from documents.errors import RetrievalFailed
from documents.models import Document
from documents.retrieval import Passage, Retrieval, Scope, SearchConfig, search
from documents.retrieval.calibration import calibrate
from documents.retrieval.follow_up import with_previous
from inference.connect import open_embedder
from inference.tokens import estimate_tokens
from inference.types import Vector
from models_registry.models import Endpoint
from ragsite.embedded import postgres, valkey
from ragsite.embedded.service import running
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = Path(__file__).parent / "results" / "retrieval.md"
DIMENSIONS = 384
DEPTH = 100  # passages requested
PASSAGES, PASSAGE_TOKENS = 6, 1800  # of one answer
SAMPLED, SEED = 200, 7  # questions
NO_BUDGET = 10**9  # tokens
BATCH = 64

# nDCG@10 of bm25s, all-MiniLM-L6-v2, and their fusion by reciprocal rank and by halves, in this order
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
    """The metrics of one collection with one search configuration."""

    corpus: str
    way: str
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
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
        return f"| {self.corpus} | {self.way} | {' | '.join(measures)} |"


# --- loading -------------------------------------------------------------------------------------


def load(corpus: Corpus, embedder: Endpoint) -> tuple[Workspace, dict[UUID, str]]:
    """Return a workspace with the collection, and the page of each document."""
    workspace = provision_workspace(None, name=corpus.name, languages=[corpus.language], embedder=embedder)
    vectors = asyncio.run(embed(workspace, [chunk.text for page in corpus.pages for chunk in page.chunks]))
    pages: dict[UUID, str] = {}
    engine = engine_for(workspace)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")  # durability does not matter here
    for page in corpus.pages:
        with transaction.atomic():  # one transaction per page, as in ingestion, so that few rows contend
            document = Document.objects.create(
                workspace=workspace,
                title=page.id[:200],
                size_bytes=1,
                content_sha256=hashlib.sha256(page.id.encode()).hexdigest(),
                language=corpus.language,
            )
            pages[document.pk] = page.id
            chunks = [replace(chunk, name=page.name) for chunk in new_chunks(page.chunks)]
            engine.stage(document.pk, chunks, [vectors[chunk.text] for chunk in chunks])
            engine.publish(document.pk, len(chunks))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would do it within a minute
    return workspace, pages


def new_chunks(cut: Sequence[Chunk]) -> Iterator[NewChunk]:
    for ordinal, chunk in enumerate(cut):
        key = hashlib.sha256(chunk.text.encode()).digest()
        yield NewChunk(ordinal, chunk.text, key, chunk.section, chunk.start, chunk.end)


async def embed(workspace: Workspace, texts: Sequence[str]) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    alike = sorted(set(texts), key=len)  # a batch takes as long as its longest text
    async with open_embedder(workspace.embedder.spec()) as embedder:
        for first in range(0, len(alike), BATCH):
            batch = alike[first : first + BATCH]
            found |= zip(batch, (await embedder.embed(batch, "passage")).vectors, strict=True)
    return found


# --- searching -----------------------------------------------------------------------------------

Place = tuple[Workspace, dict[UUID, str]]  # a workspace, and the page of each of its documents


async def by_search(row: Row, corpus: Corpus, place: Place, config: SearchConfig) -> Row:
    workspace, pages = place
    for query in corpus.queries:
        found = await searched(workspace, query, config, DEPTH, NO_BUDGET)
        row.add(pages_of([passage.document_id for passage in found.passages], pages), corpus.grades[query.id])
    return row


async def searched(
    workspace: Workspace, query: Query, config: SearchConfig, limit: int, token_budget: int
) -> Retrieval:
    try:
        return await search(
            Scope(workspace),
            query.text,
            config,
            previous=query.previous,
            limit=limit,
            token_budget=token_budget,
        )
    except RetrievalFailed as error:
        raise SystemExit(f"{workspace}, {query.id}: {error}") from error


def by_words(row: Row, corpus: Corpus, place: Place) -> Row:
    """Query the lexical leg alone, which `search` does only if the embedder fails."""
    workspace, pages = place
    for query in corpus.queries:
        sent = with_previous(query.text, query.previous[-1]) if query.previous else query.text
        found = engine_for(workspace).search_lexical(sent, DEPTH)
        row.add(pages_of([chunk.document_id for chunk in found], pages), corpus.grades[query.id])
    return row


def pages_of(documents: Sequence[UUID], pages: dict[UUID, str]) -> list[str]:
    """Return each page once: a page ranks as its best chunk."""
    return list(dict.fromkeys(pages[document] for document in documents))


def measure(corpus: Corpus, place: Place) -> list[Row]:
    workspace = place[0]
    usual = replace(
        SearchConfig.of(workspace), relevance_floor=None
    )  # measures the order, regardless of relevance
    rows = [
        asyncio.run(by_search(Row(corpus.name, "default"), corpus, place, usual)),
        by_words(Row(corpus.name, "words only"), corpus, place),
        asyncio.run(
            by_search(Row(corpus.name, "meaning only"), corpus, place, replace(usual, is_hybrid=False))
        ),
    ]
    sessions = {"after a question about another page": changes_of_subject(corpus)}
    if any(query.previous for query in corpus.queries):
        sessions["of a conversation"] = [query for query in corpus.queries if query.previous]
    for way, queries in sessions.items():
        followed = replace(corpus, queries=tuple(queries))
        alone = replace(corpus, queries=tuple(replace(query, previous=()) for query in queries))
        rows.append(asyncio.run(by_search(Row(corpus.name, way), followed, place, usual)))
        rows.append(asyncio.run(by_search(Row(corpus.name, f"{way}: the same alone"), alone, place, usual)))
    return rows


def measure_without_names(corpus: Corpus, embedder: Endpoint) -> list[Row]:
    """Return rows of the same search where the names of the files are not searched."""
    if not any(page.name for page in corpus.pages):
        return []
    nameless = replace(corpus, pages=tuple(replace(page, name="") for page in corpus.pages))
    place = load(replace(nameless, name=f"{corpus.name}, nameless"), embedder)
    usual = replace(SearchConfig.of(place[0]), relevance_floor=None)
    return [
        asyncio.run(
            by_search(Row(corpus.name, "default, names of files not searched"), nameless, place, usual)
        ),
        by_words(Row(corpus.name, "words only, names of files not searched"), nameless, place),
    ]


def changes_of_subject(corpus: Corpus) -> list[Query]:
    """Return questions, each after a question to which none of its own pages is an answer."""
    chance, made = random.Random(SEED), list[Query]()
    while len(made) < SAMPLED:
        first, query = chance.sample(corpus.queries, 2)
        if not corpus.grades[first.id].keys() & corpus.grades[query.id].keys():
            made.append(replace(query, previous=(first.text,)))
    return made


# --- the passages of an answer --------------------------------------------------------------------


@dataclass
class Quoted:
    """The passages in the prompts of one collection's questions, with one search configuration."""

    corpus: str
    way: str
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    times_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def add(self, query: Query, found: Retrieval, grades: dict[str, int], pages: dict[UUID, str]) -> None:
        self.count += 1
        ranked = pages_of([passage.document_id for passage in found.passages], pages)
        texts = [passage.text for passage in found.passages]
        self.sums["found"] += recall(ranked, grades, len(ranked))
        self.sums["pages"] += len(ranked)
        self.sums["passages"] += len(texts)
        self.sums["tokens"] += sum(map(estimate_tokens, texts))
        self.sums["twice"] += quoted_twice(found.passages)
        self.sums["answered"] += any(answer in text for answer in query.answers for text in texts)
        legs = {leg.name: leg.took_ms for leg in found.trace.legs}
        for name, took_ms in (legs | found.trace.timings_ms).items():
            self.times_ms[name].append(took_ms)
        self.times_ms["ratio"].append(found.trace.timings_ms["total"] / max(legs.values()))

    def as_markdown(self) -> str:
        mean = {name: value / self.count for name, value in self.sums.items()}
        cells = [
            f"{mean['found']:.4f}",
            f"{mean['answered']:.4f}" if mean["answered"] else "",
            f"{mean['pages']:.2f} / {mean['passages']:.2f}",
            f"{mean['tokens']:.0f}",
            f"{mean['twice']:.0f}",
        ]
        return f"| {self.corpus} | {self.way} | {' | '.join(cells)} |"

    def times_as_markdown(self) -> str:
        stages = ("embed question", "dense", "lexical", "total", "ratio")
        return f"| {self.corpus} | {' | '.join(shown(self.times_ms[stage]) for stage in stages)} |"


def shown(times_ms: Sequence[float]) -> str:
    return f"{quantile(times_ms, 0.5):.1f} / {quantile(times_ms, 0.95):.1f}" if times_ms else ""


def quoted_twice(passages: Sequence[Passage]) -> int:
    """Return how many characters are in more than one of the passages."""
    twice = 0
    for one, other in combinations(passages, 2):
        if (one.document_id, one.section) == (other.document_id, other.section):
            twice += max(0, min(one.end, other.end) - max(one.start, other.start))
    return twice


def quote(corpus: Corpus, place: Place) -> list[Quoted]:
    usual = replace(SearchConfig.of(place[0]), relevance_floor=None)
    ways = {
        "default": usual,
        "neighbours apart": replace(usual, merges_neighbours=False),
        "at most two of a document": replace(usual, most_per_document=2),
        "at most one of a document": replace(usual, most_per_document=1),
    }
    return [asyncio.run(_quoted(Quoted(corpus.name, way), corpus, place, ways[way])) for way in ways]


async def _quoted(row: Quoted, corpus: Corpus, place: Place, config: SearchConfig) -> Quoted:
    for query in sample(corpus):
        found = await searched(place[0], query, config, PASSAGES, PASSAGE_TOKENS)
        row.add(query, found, corpus.grades[query.id], place[1])
    return row


def sample(corpus: Corpus) -> list[Query]:
    return random.Random(SEED).sample(corpus.queries, min(SAMPLED, len(corpus.queries)))


# --- relevance and cache ----------------------------------------------------------------------------


def relevance(corpus: Corpus, place: Place, others: Sequence[Corpus]) -> str:
    """Return how often search finds nothing relevant, for a collection's own questions and for others'."""
    calibrate(place[0])
    workspace = workspace_named(corpus.name)
    config = SearchConfig.of(workspace)
    assert config.relevance_floor is not None
    own = asyncio.run(_nothings(workspace, config, sample(corpus)))
    kin = corpus.name.split("/")[0]
    foreign = [query for other in others if other.name.split("/")[0] != kin for query in sample(other)[:50]]
    caught = asyncio.run(_nothings(workspace, config, foreign))
    by_meaning = replace(config, is_hybrid=False)
    own_alone = asyncio.run(_nothings(workspace, by_meaning, sample(corpus)))
    cells = (f"{config.relevance_floor:.3f}", f"{own:.3f}", f"{caught:.3f}", f"{own_alone:.3f}")
    return f"| {corpus.name} | {' | '.join(cells)} |"


async def _nothings(workspace: Workspace, config: SearchConfig, queries: Sequence[Query]) -> float:
    found = [await searched(workspace, query, config, PASSAGES, PASSAGE_TOKENS) for query in queries]
    return sum(each.outcome == "nothing_relevant" for each in found) / max(len(found), 1)


def workspace_named(name: str) -> Workspace:
    models = ("embedder", "reranker", "condenser")
    return Workspace.objects.select_related(*models).get(name=name)


def from_memory(corpus: Corpus, place: Place) -> str:
    """Return the latency of a search whose result is cached, in ms."""
    settings.SEARCH_CACHE_SECONDS = 300
    times = asyncio.run(_remembered(place[0], sample(corpus)))
    settings.SEARCH_CACHE_SECONDS = 0
    return f"| {corpus.name} | {shown(times)} |"


async def _remembered(workspace: Workspace, queries: Sequence[Query]) -> list[float]:
    config, times = SearchConfig.of(workspace), []
    for query in queries:
        await searched(workspace, query, config, PASSAGES, PASSAGE_TOKENS)
    for query in queries:
        found = await searched(workspace, query, config, PASSAGES, PASSAGE_TOKENS)
        assert found.trace.caches["retrieval"] == "hit"
        times.append(found.trace.timings_ms["total"])
    return times


# --- the report ----------------------------------------------------------------------------------


@dataclass
class Results:
    rows: list[Row] = field(default_factory=list)
    quoted: list[Quoted] = field(default_factory=list)
    relevance: list[str] = field(default_factory=list)
    remembered: list[str] = field(default_factory=list)

    def as_markdown(self) -> str:
        return "\n".join([*self._order(), *self._answers(), *self._times(), ""])

    def _order(self) -> list[str]:
        return [
            "# Retrieval",
            "",
            f"Made by `python -m benchmarks.retrieval` on {date.today()}, {os.cpu_count()} cores, load average "
            f"{os.getloadavg()[0]:.1f}. Through `documents.retrieval.search` with all-MiniLM-L6-v2.",
            "",
            f"## The order of {DEPTH} passages",
            "",
            "| collection | | nDCG@10 | R@5 | R@10 | R@100 | MRR |",
            "|---|---|---|---|---|---|---|",
            *(row.as_markdown() for row in self.rows),
            "",
            "## Compared with other tools, nDCG@10",
            "",
            "bm25s 0.3.16 (the best of its variants for the language, k1 1.2, b .75), the same model with exact "
            "search, their fusion by reciprocal rank (k 60) and by halves of min-max scores.",
            "",
            "| collection | bm25s | ours | exact search | ours | RRF | halves | default | vs. better leg |",
            "|---|---|---|---|---|---|---|---|---|",
            *beside(self.rows),
            "",
        ]

    def _answers(self) -> list[str]:
        return [
            f"## The passages of an answer: {PASSAGES} passages in {PASSAGE_TOKENS} tokens",
            "",
            f"At most {SAMPLED} questions. Found: the share of the right pages among those quoted. Answered: "
            "a passage contains the expected words, if a collection gives them. Twice: characters quoted "
            "twice.",
            "",
            "| collection | | found | answered | pages / passages | tokens | twice |",
            "|---|---|---|---|---|---|---|",
            *(each.as_markdown() for each in self.quoted),
            "",
            "## Nothing relevant",
            "",
            "The calibrated floor; the share of a collection's own questions, and of 50 from each other kind "
            "of collection, for which search finds nothing relevant; and of its own by meaning alone.",
            "",
            "| collection | floor | own | foreign | own, by meaning alone |",
            "|---|---|---|---|---|",
            *self.relevance,
            "",
        ]

    def _times(self) -> list[str]:
        return [
            "## Latency, ms, p50 / p95",
            "",
            "Of the searches for an answer. The question's vector is cached from earlier runs and comes from "
            "another process; dense includes it. Ratio: the whole search to its slower leg.",
            "",
            "| collection | embed question | dense | lexical | all | ratio |",
            "|---|---|---|---|---|---|",
            *(each.times_as_markdown() for each in self.quoted if each.way == "default"),
            "",
            "Cached results:",
            "",
            "| collection | all |",
            "|---|---|",
            *self.remembered,
        ]


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
        "--cache", type=Path, default=Path("build/vectors"), help="directory of the vector cache"
    )
    parser.add_argument("--only", nargs="*", help="names of collections, such as scifact xquad/de")
    chosen = parser.parse_args()
    port = free_port()
    remembered = str((chosen.cache / "vectors.sqlite").resolve())
    ports = ("--port", str(port), "--serving-port", str(free_port()))
    embedding = service("embedding", port, ("-m", "benchmarks.vector_cache", remembered, *ports))
    names = chosen.only or corpora.found_in(chosen.data)
    settings.SEARCH_CACHE_SECONDS = 0  # disables the search cache, so that each search runs
    results = Results()
    with ExitStack() as stack:
        for each in (postgres.service(DATA), valkey.service(DATA), embedding):
            stack.enter_context(running(each, DATA / "logs" / f"{each.name}.log"))
        call_command("migrate", verbosity=0)
        embedder = Endpoint.objects.create(
            name="all-MiniLM-L6-v2",
            kind=Endpoint.Kind.EMBEDDING,
            provider="container",
            options={"url": f"http://127.0.0.1:{port}", "batch_size": BATCH},
            dimensions=DIMENSIONS,
        )
        collections = {name: corpora.read(chosen.data, name) for name in names}
        for corpus in collections.values():
            place = load(corpus, embedder)
            results.rows += measure(corpus, place) + measure_without_names(corpus, embedder)
            results.quoted += quote(corpus, place)
            results.relevance.append(relevance(corpus, place, list(collections.values())))
            results.remembered.append(from_memory(corpus, place))
            print(
                *(row.as_markdown() for row in results.rows if row.corpus == corpus.name),
                sep="\n",
                flush=True,
            )
            # After each collection, so that an interrupted run keeps the others.
            RESULT.write_text(results.as_markdown())


if __name__ == "__main__":
    main()
