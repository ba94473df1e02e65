"""Reads tables of separated values: CSV and TSV, with any separator."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from documents.parsing.encodings import decoded
from documents.parsing.outline import outline, within_limit
from documents.parsing.types import ExtractedBlock, Extraction

VERSION = "1"
READS = {"text/csv", "text/tab-separated-values"}
_SEPARATORS = (",", ";", "\t", "|")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SAMPLE_ROWS = 200
_EXCELS_FIRST_LINE = "sep="  # it names the separator, for Excel only

Row = list[str]


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    """Return the rows as a table. Lines above its header stay lines. Raises Unreadable for a table that is too long.

    The rows are read one by one: all of them at once take ten times the memory of the file.
    """
    found = decoded(path.read_bytes(), languages=languages)
    rows = _rows(found.text)
    first = list(islice(rows, _SAMPLE_ROWS))
    header = _header(first)
    widths = set(map(len, first))
    lines = list(within_limit(_line(row, widths) for row in chain(first[header:], rows)))
    above = "\n".join(" ".join(filter(None, row)) for row in first[:header])
    blocks = [ExtractedBlock(text) for text in (above, "\n".join(lines)) if text]
    facts = {**found.facts, "rows": max(0, len(lines) - 1), "columns": max(widths, default=0)}
    return Extraction(tuple(outline(blocks)), None, "csv", VERSION, facts=facts, notes=found.notes)


def _rows(text: str) -> Iterator[Row]:
    """Return the rows that have content, with as many cells as they have."""
    csv.field_size_limit(sys.maxsize)
    text = text.removeprefix("\ufeff").replace("\0", "")
    first, _, _ = text[: len(_EXCELS_FIRST_LINE) + 3].partition("\n")
    if (
        first.lower().startswith(_EXCELS_FIRST_LINE)
        and len(first.rstrip("\r")) == len(_EXCELS_FIRST_LINE) + 1
    ):
        return _parse(text, first[len(_EXCELS_FIRST_LINE)], start=len(first) + 1)
    return _parse(text, max(_SEPARATORS, key=lambda each: _regularity(text, each)))


def _parse(text: str, separator: str, start: int = 0) -> Iterator[Row]:
    lines = (found[0] for found in _LINE.finditer(text, start))
    for row in csv.reader(lines, delimiter=separator, skipinitialspace=True):
        if any(cell.strip() for cell in row):
            yield row


def _regularity(text: str, separator: str) -> tuple[float, int]:
    """Return how many of the first rows have the commonest number of cells, if that is more than one."""
    widths = Counter(map(len, islice(_parse(text, separator), _SAMPLE_ROWS)))
    [(width, count)] = widths.most_common(1) or [(0, 0)]
    return (count / widths.total(), width) if width > 1 else (0.0, 0)


def _header(rows: Sequence[Row]) -> int:
    """Return the position of the first row with most of its cells filled: titles may be above it."""
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    filled = (sum(bool(cell.strip()) for cell in row) for row in rows)
    return next((position for position, count in enumerate(filled) if 2 * count > width), 0)


def _line(row: Row, widths: set[int]) -> str:
    """Return the row as a line of a table, and add its width."""
    widths.add(len(row))
    return f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
