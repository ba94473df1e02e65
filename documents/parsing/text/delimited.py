"""Reads tables of separated values: CSV and TSV, with any separator."""

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from documents.parsing.encodings import decoded
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedBlock, Extraction

VERSION = "1"
READS = {"text/csv", "text/tab-separated-values"}
_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 200
_EXCELS_FIRST_LINE = "sep="  # it names the separator, for Excel only

Row = list[str]


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    """Return the rows as a table. Lines above its header stay lines."""
    found = decoded(path.read_bytes(), languages=languages)
    rows = _rows(found.text)
    header = _header(rows)
    above = "\n".join(" ".join(filter(None, row)) for row in rows[:header])
    table = "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows[header:])
    blocks = [ExtractedBlock(text) for text in (above, table) if text]
    facts = {**found.facts, "rows": max(0, len(rows) - header - 1), "columns": max(map(len, rows), default=0)}
    return Extraction(tuple(outline(blocks)), None, "csv", VERSION, facts=facts, notes=found.notes)


def _rows(text: str) -> list[Row]:
    """Return the rows that have content, with as many cells as they have."""
    csv.field_size_limit(sys.maxsize)
    text = text.removeprefix("\ufeff").replace("\0", "")
    first, _, rest = text.partition("\n")
    if (
        first.lower().startswith(_EXCELS_FIRST_LINE)
        and len(first.rstrip("\r")) == len(_EXCELS_FIRST_LINE) + 1
    ):
        return list(_parse(rest, first[len(_EXCELS_FIRST_LINE)]))
    return list(_parse(text, max(_SEPARATORS, key=lambda each: _regularity(text, each))))


def _parse(text: str, separator: str) -> Iterator[Row]:
    for row in csv.reader(text.splitlines(keepends=True), delimiter=separator, skipinitialspace=True):
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


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
