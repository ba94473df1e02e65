"""Compares the chunking strategies by how well search finds passages.

    python -m benchmarks.chunking --data DIR [--documents 120]

DIR holds site-django (web pages), handbook-de (German prose) and sec-10q (PDFs, questions with answers). Each
collection is ingested as users would add it, once per strategy, with all-MiniLM-L6-v2, chunks of 1,000
characters and an overlap of 150, and queried through documents.retrieval.search. The larger collections are
sampled: the documents that some questions need, and others. Writes benchmarks/results/chunking.md.
"""

import argparse
import asyncio
import csv
import gzip
import json
import math
import random
import re
import socket
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.installation import DATA, ROOT, installed

# isort: split
# The imports below need the settings, which the installation creates.
from django.core.files.base import ContentFile
from django.db.models import Sum

from documents.adding import service as intake
from documents.chunking import CHUNKERS, Chunk, Chunker, Embed, layout, recursive
from documents.ingestion.ingest import ingest
from documents.models import BatchEntry, Document
from documents.parsing.types import ExtractedSection
from documents.retrieval import Scope, search
from inference.providers import PROVIDERS
from inference.providers.container import ContainerEmbedder
from inference.types import Embeddings, TextRole, Usage, Vector
from models_registry.models import Endpoint
from ragsite.embedded.processes import answers
from ragsite.embedded.service import Service, running
from workspaces.models import Workspace
from workspaces.provision import provision_workspace

RESULT = ROOT / "benchmarks" / "results" / "chunking.md"
PASSAGES = 50
SEED = 11
_FIGURE = re.compile(r"\d[\d,.]*\d")
_QUESTIONS = 150


@dataclass(frozen=True)
class Question:
    text: str
    documents: frozenset[str] = frozenset()  # titles of the documents that answer it
    figures: frozenset[str] = frozenset()  # in the answer, for collections where documents say too little


@dataclass(frozen=True)
class Collection:
    name: str
    language: str
    files: dict[str, bytes]
    questions: list[Question]


@dataclass(frozen=True)
class Row:
    collection: str
    strategy: str
    chunks: int
    mean_characters: float
    embedded_texts: int
    ndcg: float | None
    recall: float

    def as_markdown(self) -> str:
        ndcg = "" if self.ndcg is None else f"{self.ndcg:.3f}"
        cells = (self.collection, self.strategy, self.chunks, f"{self.mean_characters:.0f}", self.embedded_texts,
                 ndcg, f"{self.recall:.3f}")  # fmt: skip
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| collection | strategy | chunks | characters each | texts embedded | nDCG@10 | recall@5 |\n"
    + "|---" * 7
    + "|"
)


# --- collections --------------------------------------------------------------------------------


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def _judged(folder: Path) -> list[tuple[str, frozenset[str]]]:
    """Return each question with the ids of the documents that answer it, in a stable order."""
    relevant = defaultdict(set)
    with (folder / "qrels.tsv").open() as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant[row["query-id"]].add(row["corpus-id"])
    texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
    judged = [(text, frozenset(relevant[key])) for key, text in texts.items() if relevant[key]]
    random.Random(SEED).shuffle(judged)
    return judged


def _sample(
    judged: Sequence[tuple[str, frozenset[str]]], names: Sequence[str], size: int
) -> tuple[set[str], list[tuple[str, frozenset[str]]]]:
    """Return a sample of `size` documents, including those of the first questions, and its questions."""
    chosen: set[str] = set()
    for _, needed in judged:
        if len(chosen | needed) <= size * 2 // 3:
            chosen |= needed
    others = [name for name in names if name not in chosen]
    chosen |= set(random.Random(SEED).sample(others, min(len(others), size - len(chosen))))
    return chosen, [each for each in judged if each[1] <= chosen][:_QUESTIONS]


def django_site(folder: Path, size: int) -> Collection:
    with tarfile.open(folder / "site.tar.xz") as archive:
        pages = {
            member.name.removeprefix("./"): archive.extractfile(member).read()
            for member in archive
            if member.isfile() and member.name.endswith(".html")
        }
    known = [row["_id"] for row in _rows(folder / "corpus.jsonl.gz") if row["_id"] in pages]
    chosen, judged = _sample(_judged(folder), known, size)
    files = {name.replace("/", " "): pages[name] for name in sorted(chosen)}
    questions = [
        Question(text, frozenset(name.replace("/", " ") for name in names)) for text, names in judged
    ]
    return Collection("site-django (web pages)", "en", files, questions)


def german_handbook(folder: Path, size: int) -> Collection:
    texts = {f"{row['_id']}.txt": row["text"] for row in _rows(folder / "corpus.jsonl.gz")}
    judged = [(text, frozenset(f"{key}.txt" for key in keys)) for text, keys in _judged(folder)]
    chosen, judged = _sample(judged, list(texts), 2 * size)
    files = {name: texts[name].encode() for name in sorted(chosen)}
    return Collection("handbook-de (German prose)", "de", files, [Question(*each) for each in judged])


def filings(folder: Path, size: int) -> Collection:
    by_company = sorted((folder / "pdfs").glob("*.pdf"), key=lambda path: path.stem.split("_")[::-1])
    paths = by_company[: max(4, size // 30)]
    names = {path.stem for path in paths}
    asked = [json.loads(line) for line in (folder / "qa.jsonl").open()]
    questions = [
        Question(row["question"], figures=frozenset(_FIGURE.findall(row["answer"].partition("SOURCE")[0])))
        for row in asked
        if row["docs"] and {Path(doc).stem.replace(" ", "_") for doc in row["docs"]} <= names
    ]
    files = {path.name: path.read_bytes() for path in paths}
    return Collection("sec-10q (PDF, tables)", "en", files, [each for each in questions if each.figures])


LOADERS = {"site-django": django_site, "sec-10q": filings, "handbook-de": german_handbook}


# --- one strategy on one collection -------------------------------------------------------------


def _bare(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return the layout chunks, embedded without headings: measures what the headings are worth."""
    return [replace(chunk, embedded="") for chunk in layout.chunk(sections, size, overlap, embed)]


def _titled(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return the default chunks, embedded below their headings."""
    return [
        replace(chunk, embedded="\n".join([*sections[chunk.section].title_path[-2:], chunk.text]))
        for chunk in recursive.chunk(sections, size, overlap, embed)
    ]


NAMES = {
    "recursive": "recursive (default)",
    "titled": "recursive, headings embedded",
    "layout": "layout",
    "bare": "layout, headings not embedded",
    "semantic": "semantic",
    "adaptive": "adaptive",
}


class CachedEmbedder(ContainerEmbedder):
    """Embeds each text only once: strategies share many texts, and the machine is slow."""

    _known: ClassVar[dict[str, Vector]] = {}

    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        fresh = list(dict.fromkeys(text for text in texts if text not in self._known))
        if fresh:
            self._known.update(zip(fresh, (await super().embed(fresh, role)).vectors, strict=True))
        return Embeddings([self._known[text] for text in texts], Usage(0, 0))


class Counted:
    """A strategy that records what it did."""

    def __init__(self, chunker: Chunker) -> None:
        self._chunker = chunker
        self.lengths: list[int] = []
        self.asked = 0  # sentences that it embedded to decide where to split

    def __call__(
        self, sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed
    ) -> list[Chunk]:
        def counting(texts: list[str]) -> list[Vector]:
            self.asked += len(texts)
            return embed(texts)

        chunks = self._chunker(sections, size, overlap, counting)
        self.lengths += [len(chunk.text) for chunk in chunks]
        return chunks


def measure(collection: Collection, strategy: str, chunker: Chunker, embedder: Endpoint) -> Row:
    # Replaces the default, so that strategies can be measured that no workspace offers.
    CHUNKERS["recursive"] = counted = Counted(chunker)
    workspace = provision_workspace(
        None,
        name=f"{collection.name} {strategy}"[:80],
        languages=[collection.language],
        embedder=embedder,
    )
    for title, content in collection.files.items():
        document = intake.add_file(workspace, None, ContentFile(content, title), title, ask_worker=False)
        ingest(document.pk)
    ready = workspace.documents.filter(status=Document.Status.READY)
    embedded = BatchEntry.objects.filter(document__in=ready).aggregate(sum=Sum("embedded_count"))["sum"]
    scores = [asyncio.run(_score(workspace, question)) for question in collection.questions]
    ndcgs = [ndcg for ndcg, _ in scores if ndcg is not None]
    return Row(
        collection.name,
        NAMES[strategy],
        len(counted.lengths),
        sum(counted.lengths) / len(counted.lengths),
        embedded + counted.asked,
        sum(ndcgs) / len(ndcgs) if ndcgs else None,
        sum(recall for _, recall in scores) / len(scores),
    )


async def _score(workspace: Workspace, question: Question) -> tuple[float | None, float]:
    found = (await search(Scope(workspace), question.text, limit=PASSAGES, token_budget=10**9)).passages
    if question.figures:
        said = {figure for passage in found[:5] for figure in _FIGURE.findall(passage.text)}
        return None, len(question.figures & said) / len(question.figures)
    ranked = list(dict.fromkeys(passage.document_title for passage in found))
    gain = sum(
        1 / math.log2(rank + 2) for rank, title in enumerate(ranked[:10]) if title in question.documents
    )
    best = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(question.documents))))
    return gain / best, len(question.documents & set(ranked[:5])) / len(question.documents)


# --- the run ------------------------------------------------------------------------------------


@contextmanager
def _embedder() -> Iterator[Endpoint]:
    """Yield an endpoint for the real model, served as in an installation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    service = Service(
        name="serving",
        argv=(sys.executable, "-m", "inference.serving", "--port", str(port)),
        cwd=ROOT,
        is_ready=lambda: answers(f"{url}/ping"),
    )
    PROVIDERS["cached"] = replace(PROVIDERS["container"], embedding=CachedEmbedder)
    with running(service, DATA / "logs" / "serving.log"):
        yield Endpoint.objects.create(
            name="all-MiniLM-L6-v2",
            kind=Endpoint.Kind.EMBEDDING,
            provider="cached",
            options={"url": url},
            dimensions=384,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=120, help="of the largest collection")
    parser.add_argument("--collections", nargs="+", choices=LOADERS, default=list(LOADERS), metavar="NAME")
    arguments = parser.parse_args()
    size = arguments.documents
    strategies: dict[str, Chunker] = {**CHUNKERS, "titled": _titled, "bare": _bare}
    rows = []
    with installed(web_processes=0), _embedder() as embedder:
        for name in arguments.collections:
            collection = LOADERS[name](arguments.data / name, size)
            print(
                f"{collection.name}: {len(collection.files)} documents, {len(collection.questions)} questions"
            )
            for strategy in NAMES:
                rows.append(measure(collection, strategy, strategies[strategy], embedder))
                print(rows[-1].as_markdown(), flush=True)
                RESULT.write_text(_report(rows, size))


def _report(rows: Sequence[Row], size: int) -> str:
    """Return the report; collections that this run skips keep their lines."""
    names = {row.collection for row in rows}
    lines = RESULT.read_text().splitlines() if RESULT.exists() else []
    kept = [
        line
        for line in lines
        if line[:1] == "|" and line[2:3].islower() and line.split(" | ")[0][2:] not in names
    ]
    return "\n".join(
        [
            f"# Chunking strategies, {date.today()}",
            "",
            f"`python -m benchmarks.chunking --data DIR --documents {size}`: all-MiniLM-L6-v2, 1,000 "
            "characters, overlap 150, through documents.retrieval.search (hybrid, no cross-encoder). nDCG@10 "
            "and recall@5 count documents; for sec-10q, recall@5 is the share of the answer's figures in the "
            "first five passages. Texts embedded: chunks, and the sentences that semantic chunking compares.",
            "",
            HEAD,
            *kept[1:],  # without their head
            *(row.as_markdown() for row in rows),
            "",
        ]
    )


if __name__ == "__main__":
    main()
