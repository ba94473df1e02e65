"""How often the quotes of Quotes contain the expected answer.

    python -m benchmarks.quotes --data DIR

DIR holds collections with answers (corpus.jsonl.gz, queries.jsonl.gz with metadata.answers, qrels.tsv), one
folder per language. Each question is asked with six passages of BM25: once including the right one (at the
end if BM25 missed it), and once without it, when the honest reply is that no passage answers. Writes
benchmarks/results/quotes.md.
"""

import argparse
import csv
import gzip
import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.quoting import best_quotes
from inference.types import Quotable

PASSAGES = 6
RESULT = Path(__file__).parent / "results" / "quotes.md"
_TERM = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


@dataclass(frozen=True)
class Question:
    text: str
    answers: tuple[str, ...]
    gold: str  # the id of the passage that contains the answers


class Bm25:
    """Robertson's BM25 with k1 = 1.2, b = 0.75, over single words or single CJK characters."""

    def __init__(self, corpus: dict[str, Quotable]) -> None:
        self._counts = {key: Counter(_TERM.findall(item.text.lower())) for key, item in corpus.items()}
        self._lengths = {key: sum(counts.values()) for key, counts in self._counts.items()}
        self._mean = sum(self._lengths.values()) / len(corpus)
        self._having = Counter(term for counts in self._counts.values() for term in counts)

    def ranked(self, question: str) -> list[str]:
        terms = set(_TERM.findall(question.lower()))
        return sorted(self._counts, key=lambda key: -sum(self._worth(term, key) for term in terms))

    def _worth(self, term: str, key: str) -> float:
        count, having = self._counts[key][term], self._having[term]
        rarity = math.log(1 + (len(self._counts) - having + 0.5) / (having + 0.5))
        return rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * self._lengths[key] / self._mean))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def questions_in(folder: Path) -> list[Question]:
    with (folder / "qrels.tsv").open() as lines:
        gold = {row["query-id"]: row["corpus-id"] for row in csv.DictReader(lines, delimiter="\t")}
    return [
        Question(row["text"], tuple(row["metadata"]["answers"]), gold[row["_id"]])
        for row in rows(folder / "queries.jsonl.gz")
    ]


def measure(folder: Path) -> str:
    """Return the table row of one collection."""
    corpus = {row["_id"]: Quotable(0, row["title"], row["text"]) for row in rows(folder / "corpus.jsonl.gz")}
    index, questions = Bm25(corpus), questions_in(folder)
    right = first = refused = abstained = quoted = took_s = 0.0
    for question in questions:
        ranked = index.ranked(question.text)[: PASSAGES + 1]
        others = [key for key in ranked if key != question.gold]
        among = (
            ranked[:PASSAGES]
            if question.gold in ranked[:PASSAGES]
            else [*others[: PASSAGES - 1], question.gold]
        )
        began = time.process_time()
        quotes = best_quotes(question.text, _numbered(corpus, among))
        took_s += time.process_time() - began
        found = [any(answer in quote.text for answer in question.answers) for quote in quotes]
        right += any(found)
        first += len(found) > 0 and found[0]
        refused += not quotes
        quoted += len(quotes)
        abstained += not best_quotes(question.text, _numbered(corpus, others[:PASSAGES]))
    count = len(questions)
    shares = " | ".join(f"{value / count:.3f}" for value in (right, first, refused, abstained))
    return f"| {folder.name} | {count} | {shares} | {quoted / count:.2f} | {took_s / count * 1000:.1f} |"


def _numbered(corpus: dict[str, Quotable], keys: list[str]) -> list[Quotable]:
    return [Quotable(number, corpus[key].title, corpus[key].text) for number, key in enumerate(keys, 1)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    folders = sorted(path.parent for path in data.glob("**/queries.jsonl.gz"))
    table = [
        "# Quotes: do the quotes contain the answer?",
        "",
        f"Made by `python -m benchmarks.quotes`. {PASSAGES} passages per question, at most three quotes.",
        "",
        "| collection | questions | answer in the quotes | in the first quote | abstained wrongly | "
        "abstained rightly | quotes | CPU ms |",
        "|---|---|---|---|---|---|---|---|",
        *(measure(folder) for folder in folders),
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(table) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
