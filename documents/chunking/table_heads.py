"""Puts the header row of a table before each chunk that continues the table: a row alone does not say what it means.

A chunk with its header is no longer than the chunk size. A header longer than half of that has its cells shortened; one
that even then is too long is not repeated, because it would leave no room for rows.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from documents.parsing.blocks import bounds
from documents.parsing.types import ExtractedSection

from . import recursive
from .types import Chunk

_PIPELESS_HEAD = re.compile(
    r"^[^|\n]+\|[^\n]*\n[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$", re.MULTILINE
)
_MAX_CHARACTERS = 1000  # of a header: longer ones are not headers
_SPACE = re.compile(r"\s*")
_BAR = re.compile(r"(?<!\\)\|")
_LEAST_OF_A_CELL = 4  # characters that a shortened cell keeps


@dataclass(frozen=True, slots=True)
class _Table:
    low: int  # where its body begins
    high: int
    head: str  # its header row, as its chunks repeat it; "": they do not


def with_heads(chunks: Sequence[Chunk], sections: Sequence[ExtractedSection], size: int) -> Iterator[Chunk]:
    """Yield the chunks: those that begin within the body of a table have its header row before their text.

    They do not overlap their neighbours, so that a passage of several chunks stays readable. Where one of them would be
    longer than `size`, the table is split again.
    """
    for position, group in groupby(chunks, attrgetter("section")):
        yield from _with_heads(group, sections[position].text, size)


def _with_heads(chunks: Iterator[Chunk], text: str, size: int) -> Iterator[Chunk]:
    tables = [replace(each, head=_shortened(each.head, (size - 1) // 2)) for each in _tables(text)]
    for table, group in groupby(_apart(chunks, text, tables), lambda chunk: _table_at(tables, chunk.start)):
        run = list(group)
        yield from _below(table.head, run, text, tables, size) if table else run


def _table_at(tables: Sequence[_Table], start: int) -> _Table | None:
    """Return the table whose body contains `start`, if its header is repeated."""
    number = bisect_right(tables, start, key=attrgetter("low"))
    table = tables[number - 1] if number else None
    return table if table and table.head and start < table.high else None


def _apart(chunks: Iterator[Chunk], text: str, tables: Sequence[_Table]) -> Iterator[Chunk]:
    """Yield the chunks, those of tables without what they share with the chunk before."""
    is_apart, done = False, 0
    for chunk in chunks:
        is_apart = bool(_table_at(tables, chunk.start)) or (is_apart and chunk.start < done)
        yield _span_of(chunk, max(chunk.start, done), chunk.end, text) if is_apart else chunk
        done = chunk.end


def _span_of(chunk: Chunk, start: int, end: int, text: str, head: str = "") -> Chunk:
    """Return the chunk with another span of its section, below the header row."""
    own = text[start:end].lstrip()
    about, shown = chunk.embedded.removesuffix(chunk.text), f"{head}\n{own}" if head else own
    return replace(chunk, start=end - len(own), end=end, text=shown, embedded=about and about + shown)


def _below(
    head: str, run: Sequence[Chunk], text: str, tables: Sequence[_Table], size: int
) -> Iterator[Chunk]:
    """Yield the chunks, all of which begin in one table, below its header row."""
    if all(len(head) + 1 + len(chunk.text) <= size for chunk in run):
        return (_span_of(chunk, chunk.start, chunk.end, text, head) for chunk in run)
    return _split(run[0], run[-1].end, text, tables, size)


def _split(first: Chunk, high: int, text: str, tables: Sequence[_Table], size: int) -> Iterator[Chunk]:
    """Yield chunks from the start of the first one to `high`, each short enough for its header row."""
    start = first.start
    while start < high:
        table = _table_at(tables, start)
        head = table.head if table else ""
        _, end = next(recursive.spans(text, size - len(head) - bool(head), 0, start, high))
        yield _span_of(first, start, end, text, head)
        start = _SPACE.match(text, end, high).end()  # type: ignore[union-attr]


def _tables(text: str) -> Iterator[_Table]:
    for kind, low, high in bounds(text, 0):
        if kind == "table":
            yield from _table(text, low, high)
        elif kind == "paragraph" and (head := _PIPELESS_HEAD.search(text, low, high)):
            yield from _table(text, head.start(), high)


def _table(text: str, low: int, high: int) -> Iterator[_Table]:
    head = text[low:high].partition("\n")[0].strip()
    if len(head) <= _MAX_CHARACTERS:
        yield _Table(low + len(head) + 1, high, head)


def _shortened(head: str, limit: int) -> str:
    """Return the header row with its longest cells shortened to fit the limit, or "" where they cannot."""
    if len(head) <= limit:
        return head
    cells = [cell.strip() for cell in _BAR.split(head)]
    longest = max(map(len, cells))
    rows = (
        " | ".join(_cut(cell, each) for cell in cells).strip()
        for each in range(longest, _LEAST_OF_A_CELL, -1)
    )
    return next((row for row in rows if len(row) <= limit), "")


def _cut(cell: str, limit: int) -> str:
    return cell if len(cell) <= limit else f"{cell[: limit - 1].rstrip()}…"


def is_quote(quote: str, section: str, start: int, end: int) -> bool:
    """Return whether a passage's text is section[start:end], perhaps with header rows put in."""
    heads = {table.head for table in _tables(section)}
    quoted, own = (
        [line for line in text.split("\n") if not _is_head(line, heads)]
        for text in (quote, section[start:end])
    )
    return quoted == own


def _is_head(line: str, heads: set[str]) -> bool:
    return line in heads or ("…" in line and any(line == _shortened(head, len(line)) for head in heads))
