"""Puts the header row of a table before each chunk that continues the table: a row alone does not say what it means."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter, itemgetter

from documents.parsing.blocks import bounds
from documents.parsing.types import ExtractedSection

from .types import Chunk

_PIPELESS_HEAD = re.compile(
    r"^[^|\n]+\|[^\n]*\n[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$", re.MULTILINE
)
_MAX_CHARACTERS = 1000  # of a header: longer ones are not headers

Table = tuple[int, int, str]  # where its body begins, where it ends, its header row


def with_heads(chunks: Sequence[Chunk], sections: Sequence[ExtractedSection]) -> list[Chunk]:
    """Return the chunks: those that begin within the body of a table have its header row before their text.

    They do not overlap their neighbours, so that a passage of several chunks stays readable.
    """
    found: list[Chunk] = []
    for position, group in groupby(chunks, attrgetter("section")):
        text = sections[position].text
        tables = sorted(_tables(text))
        is_apart, done = False, 0
        for chunk in group:
            is_apart = bool(_head(tables, chunk.start)) or (is_apart and chunk.start < done)
            if is_apart:
                chunk = _from(max(chunk.start, done), chunk, text)
            head, done = _head(tables, chunk.start), chunk.end
            found.append(_below(head, chunk) if head else chunk)
    return found


def _head(tables: Sequence[Table], start: int) -> str:
    """Return the header of the table whose body contains `start`, or ""."""
    number = bisect_right(tables, start, key=itemgetter(0))
    _, end, head = tables[number - 1] if number else (0, 0, "")
    return head if start < end else ""


def _from(start: int, chunk: Chunk, text: str) -> Chunk:
    """Return the chunk without what is before `start`."""
    own = text[start : chunk.end].lstrip()
    about = chunk.embedded.removesuffix(chunk.text)
    return replace(chunk, start=chunk.end - len(own), text=own, embedded=about and about + own)


def _below(head: str, chunk: Chunk) -> Chunk:
    about, text = chunk.embedded.removesuffix(chunk.text), f"{head}\n{chunk.text}"
    return replace(chunk, text=text, embedded=about and about + text)


def _tables(text: str) -> Iterator[Table]:
    for kind, low, high in bounds(text, 0):
        if kind == "table":
            yield from _table(text, low, high)
        elif kind == "paragraph" and (head := _PIPELESS_HEAD.search(text, low, high)):
            yield from _table(text, head.start(), high)


def _table(text: str, low: int, high: int) -> Iterator[Table]:
    head = text[low:high].partition("\n")[0].strip()
    if len(head) <= _MAX_CHARACTERS:
        yield low + len(head) + 1, high, head


def is_quote(quote: str, section: str, start: int, end: int) -> bool:
    """Return whether a passage's text is section[start:end], perhaps with header rows put in."""
    heads = {head for _, _, head in _tables(section)}
    quoted, own = (
        [line for line in text.split("\n") if line not in heads] for text in (quote, section[start:end])
    )
    return quoted == own
