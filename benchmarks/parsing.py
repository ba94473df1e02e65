"""What each parser extracts from real and hostile files, and at what cost.

    python -m benchmarks.parsing --data DIR [--parsers fast layout] [--every 1]

DIR holds documents/ (files of many kinds; index.jsonl says what must be found, or which error must occur) and
tools/make_hostile.py, which writes hostile files that must do no harm. Each file is recognised and read as
when a user adds it. Memory is the largest resident size of any process that read a file. With --every 4, only
every fourth file is read. Writes benchmarks/results/parsing.md.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Any

from documents.errors import NotAccepted, Unreadable
from documents.ingestion.extract import extract
from documents.ingestion.parser_process import close, parser_process
from documents.parsing.media_types import recognise

RESULT = Path(__file__).parent / "results" / "parsing.md"
LANGUAGES = ("en",)
_MARKS = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|[|*_#`>\\-]", re.DOTALL)
_LINE_MARKS = re.compile(r"^[#>*|\-\s]+|[*_`]")
_MAY_BE_EMPTY = {"empty-or-clear-error", "text-or-empty", "reject-or-text", "needs-ocr"}
_MUST_FAIL = {"clear-error", "reject"}


@dataclass(frozen=True)
class Read:
    kind: str  # file name extension
    behaviour: str  # the behaviour that the index requires
    name: str
    text: str | None  # None: rejected with a sentence
    said: str  # the sentence of the rejection
    took_s: float
    expected: float | None  # share of the required strings that was found
    recall: float | None  # share of the expected words that was found

    @property
    def holds(self) -> bool:
        """Tell whether the required strings were found, or the required error occurred."""
        if self.behaviour in _MUST_FAIL:
            return self.text is None
        if self.behaviour in _MAY_BE_EMPTY:
            return True
        return self.text is not None and self.expected in (None, 1.0)


def reads(folder: Path, parser: str, every: int) -> Iterator[Read]:
    for line in (folder / "index.jsonl").read_text().splitlines()[::every]:
        row = json.loads(line)
        began = time.monotonic()
        text, said = _text(folder / row["file"], parser)
        took_s = time.monotonic() - began
        gold = (folder / row["gold"]).read_text() if row.get("gold") else ""
        yield Read(
            row["file"].rpartition(".")[2].lower(), row["behaviour"], row["file"], text, said, took_s,
            _expected(row, text), _recall(gold, text),
        )  # fmt: skip


def _text(path: Path, parser: str) -> tuple[str | None, str]:
    try:
        with path.open("rb") as file:
            media_type = recognise(file, path.name).name
        found = extract(path, media_type, parser, languages=LANGUAGES)
    except (NotAccepted, Unreadable) as refusal:
        return None, str(refusal)
    return "\n\n".join(section.text for section in found.sections), ""


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).replace("\u00ad", "")
    return re.sub(r"\s+", " ", folded).strip().lower()


def _expected(row: dict[str, Any], text: str | None) -> float | None:
    if text is None or not row.get("must_include"):
        return None
    said = _plain(re.sub(r"[*_`]", "", text))
    return fmean(_plain(_LINE_MARKS.sub("", each)) in said for each in row["must_include"])


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", _plain(_MARKS.sub(" ", text))))


def _recall(gold: str, text: str | None) -> float | None:
    right = _words(gold)
    return (right & _words(text or "")).total() / right.total() if right.total() >= 5 else None


# --- the report ---------------------------------------------------------------------------------


def _by_kind(parser: str, found: Sequence[Read]) -> Iterator[str]:
    kinds = defaultdict(list)
    for each in found:
        kinds[each.kind].append(each)
    for kind, rows in sorted(kinds.items()):
        recalls = [each.recall for each in rows if each.recall is not None]
        recall = f"{fmean(recalls):.3f}" if recalls else ""
        took = f"{fmean(each.took_s for each in rows) * 1000:.0f}"
        yield f"| {kind} | {parser} | {len(rows)} | {sum(each.holds for each in rows)} | {recall} | {took} |"


def _summary(parser: str, what: str, found: Sequence[Read], cpu_s: float, memory_bytes: int) -> str:
    with_text = [each for each in found if each.behaviour == "text"]
    right = sum(each.holds for each in with_text)
    must_fail = [each for each in found if each.behaviour in _MUST_FAIL]
    failed = sum(each.holds for each in must_fail)
    slowest = max(each.took_s for each in found)
    cells = (
        what, parser, len(found), f"{right} of {len(with_text)}", f"{failed} of {len(must_fail)}",
        f"{1000 * cpu_s / len(found):.0f}", f"{slowest:.1f}", f"{memory_bytes / 1024**2:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def measure(folder: Path, parser: str, every: int) -> tuple[list[Read], float, int]:
    """Return what was read, and the CPU seconds and memory of the processes that read it."""
    parser_process(parser)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = list(reads(folder, parser, every))
    close(parser, parser_process(parser))  # its usage is known only after it has ended
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, cpu_s, after.ru_maxrss * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--parsers", nargs="+", choices=["fast", "layout"], default=["fast", "layout"])
    options.add_argument("--every", type=int, default=1, help="read only every n-th file")
    arguments = options.parse_args()
    summaries, kinds, misses = [], [], []
    with tempfile.TemporaryDirectory() as hostile:
        tool = arguments.data / "tools" / "make_hostile.py"
        subprocess.run([sys.executable, tool, hostile], check=True, stdout=subprocess.DEVNULL)
        for parser in arguments.parsers:
            for what, folder in (("files", arguments.data / "documents"), ("hostile files", Path(hostile))):
                found, cpu_s, memory_bytes = measure(folder, parser, arguments.every)
                summaries.append(_summary(parser, what, found, cpu_s, memory_bytes))
                print(summaries[-1], flush=True)
                kinds += _by_kind(parser, found) if what == "files" else []
                misses += [
                    f"- {parser}: {each.name}: {each.said or 'words are missing'}"
                    for each in found
                    if not each.holds
                ]
    command = f"python -m benchmarks.parsing --data DIR --parsers {' '.join(arguments.parsers)} --every {arguments.every}"
    RESULT.write_text(
        "\n".join(
            [
                f"# Parsers, {date.today()}",
                "",
                f"`{command}`. Columns: files whose expected words were all found, files that were rejected "
                "as they must be, milliseconds of CPU per file, seconds of the slowest file, MB of the "
                "largest process.",
                "",
                "| what | parser | files | text found | rejected | CPU ms | slowest s | MB |",
                "|---|---|---|---|---|---|---|---|",
                *summaries,
                "",
                "Failed checks:",
                "",
                *(misses or ["- none"]),
                "",
                "By kind (recall: share of the expected words; ms: mean elapsed time):",
                "",
                "| kind | parser | files | passed | recall | ms |",
                "|---|---|---|---|---|---|",
                *kinds,
                "",
            ]
        )
    )


if __name__ == "__main__":
    main()
