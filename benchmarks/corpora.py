"""Test collections on disk: corpus.jsonl.gz, queries.jsonl.gz and qrels.tsv in one folder each.

A folder with `site.tar.xz` is a web site, one with `qa.jsonl` has PDFs: the project's own parser and chunker process
them, and a page or file scores as its best chunk.
"""

import csv
import gzip
import json
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from documents.chunking import Chunk, recursive
from documents.parsing import fast
from inference.types import Vector
from workspaces.languages import LANGUAGES

CHUNK_SIZE, CHUNK_OVERLAP = 1000, 150  # characters: the defaults of a new workspace


@dataclass(frozen=True, slots=True)
class Page:
    id: str
    chunks: tuple[Chunk, ...]
    name: str = ""  # of its file


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
    previous: tuple[str, ...]  # earlier questions of the same user, oldest first
    answers: tuple[str, ...] = ()  # short and verbatim


@dataclass(frozen=True, slots=True)
class Corpus:
    name: str
    language: str
    pages: tuple[Page, ...]
    queries: tuple[Query, ...]  # only queries with a judgement
    grades: dict[str, dict[str, int]]  # query -> page -> grade; 1 and higher is relevant


def found_in(data: Path) -> list[str]:
    """Return the names of the collections below a directory that have judgements of pages, passages or files."""
    judged = {path.parent for name in ("qrels.tsv", "qa.jsonl") for path in data.glob(f"**/{name}")}
    return sorted(str(folder.relative_to(data)) for folder in judged)


def read(data: Path, name: str) -> Corpus:
    folder = data / name
    if (folder / "qa.jsonl").exists():
        return _filings(name, folder)
    grades = _grades(folder)
    pages = _site(folder) if (folder / "site.tar.xz").exists() else _passages(folder)
    queries = [_query(row) for row in _rows(folder / "queries.jsonl.gz") if row["_id"] in grades]
    return Corpus(name, _language(name), tuple(pages), tuple(queries), grades)


def _language(name: str) -> str:
    """Return the language at the end of the name, as in xquad/zh or handbook-de."""
    last = name.replace("-", "/").rpartition("/")[2]
    return last if last in LANGUAGES else "en"


def _grades(folder: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    with (folder / "qrels.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            grades[row["query-id"]][row["corpus-id"]] = int(row["score"])
    return {query: judged for query, judged in grades.items() if any(judged.values())}


def _passages(folder: Path) -> Iterator[Page]:
    names = _names_of_files(folder)
    for row in _rows(folder / "corpus.jsonl.gz"):
        title = row.get("title") or ""
        text = row["text"] if row["text"].startswith(title) else f"{title}\n{row['text']}"
        yield Page(
            row["_id"], (Chunk(0, 0, len(text), text),), names.get(row["_id"].partition("_chunk_")[0], "")
        )


def _names_of_files(folder: Path) -> dict[str, str]:
    """Return the name of each file that passages were cut from, by its id."""
    files = folder / "files.jsonl.gz"
    return {row["_id"]: row["title"] for row in _rows(files)} if files.exists() else {}


def _filings(name: str, folder: Path) -> Corpus:
    """Return PDFs as pages, with the questions about them."""
    asked = [row for row in map(json.loads, (folder / "qa.jsonl").open(encoding="utf-8")) if row["docs"]]
    queries = [Query(row["_id"], row["question"], ()) for row in asked]
    grades = {row["_id"]: dict.fromkeys(row["docs"], 1) for row in asked}
    return Corpus(name, "en", tuple(map(_cut_pdf, sorted(folder.glob("pdfs/*.pdf")))), tuple(queries), grades)


def _cut_pdf(path: Path) -> Page:
    sections = fast.read(path, "application/pdf").sections
    return Page(
        path.name, tuple(recursive.chunk(sections, CHUNK_SIZE, CHUNK_OVERLAP, _no_embedder)), path.name
    )


def _site(folder: Path) -> Iterator[Page]:
    wanted = {row["_id"] for row in _rows(folder / "corpus.jsonl.gz")}
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(folder / "site.tar.xz") as archive:
        archive.extractall(scratch, filter="data")
        for path in sorted(Path(scratch).rglob("*.html")):
            if (name := str(path.relative_to(scratch))) in wanted:
                sections = fast.read(path, "text/html").sections
                cut = recursive.chunk(sections, CHUNK_SIZE, CHUNK_OVERLAP, _no_embedder)
                yield Page(name, tuple(cut), name)


def _no_embedder(texts: list[str]) -> list[Vector]:
    raise AssertionError("The recursive chunker uses no model.")


def _query(row: dict[str, Any]) -> Query:
    metadata = row.get("metadata", {})
    asked = [turn["content"] for turn in metadata.get("history", []) if turn["role"] == "user"]
    return Query(row["_id"], row["text"], tuple(asked), tuple(metadata.get("answers", ())))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
