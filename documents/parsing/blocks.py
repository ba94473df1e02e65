"""Splits a section's text into blocks for a page to lay out, and keeps the offset of every character.

A citation names characters of the stored text. A Markdown renderer would lose their offsets, so this module
parses just enough: paragraphs, items, tables and code, and within them emphasis, code, links and formulas. It omits
marks such as ** and keeps everything else in order. The browser draws the formulas, from their source.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from . import fences

Kind = Literal["paragraph", "item", "numbered", "table", "code"]
Style = Literal["", "strong", "em", "code"]
Bounds = tuple[int, int]  # of characters, the end exclusive

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_ITEMS = ("item", "numbered")
_ITEM = re.compile(r"( *)([-*+•]|\d{1,3}[.)])[ \t]+(?=\S)")
_RULE = re.compile(r" {0,3}\|(?:\s*:?-+:?\s*\|)+\s*$")
_BAR = re.compile(r"(?<!\\)\|")
# Bounded lengths prevent ReDoS: a hostile text costs no more than a long one.
_INLINE = re.compile(
    r"(?P<maths>\$\$[^$]{1,2000}\$\$|\\\[.{1,2000}?\\\]|\\\(.{1,500}?\\\)|\$(?=[^\s$])[^$\n]{1,300}(?<=\S)\$(?!\w))"
    r"|\*\*(?=\S)(?P<strong>.{1,500}?)(?<=\S)\*\*"
    r"|(?<![\w*])\*(?=[^\s*])(?P<em>[^*]{1,500}?)(?<=\S)\*(?![\w*])"
    r"|(?P<ticks>`{1,3})(?P<code>.{1,500}?)(?P=ticks)"
    r"|!?\[(?P<link>[^\[\]\n]{1,500})\]\([^()\s]{0,2000}\)",
    re.DOTALL,
)
_STYLES: dict[str, Style] = {"strong": "strong", "em": "em", "code": "code", "link": "", "maths": ""}


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    style: Style = ""
    is_marked: bool = False


@dataclass(slots=True)
class Block:
    kind: Kind
    pieces: list[Piece] = field(default_factory=list)
    rows: list[list[list[Piece]]] = field(default_factory=list)  # of a table: cells of pieces
    depth: int = 0  # of an item, from 0
    language: str = ""  # of code, as the fence names it

    @property
    def is_diagram(self) -> bool:
        """Whether it is drawn: a marked passage in it is only seen in its source."""
        return self.language.lower() == "mermaid" and not any(piece.is_marked for piece in self.pieces)

    def all_pieces(self) -> Iterator[Piece]:
        yield from self.pieces
        for row in self.rows:
            for cell in row:
                yield from cell


def blocks(text: str, start: int, mark: Bounds, *, is_markdown: bool) -> list[Block]:
    """Return text[start:] as blocks. is_markdown: interpret marks, and ignore single line ends."""
    found = []
    for kind, low, high in bounds(text, start):
        block = Block(kind)
        if kind == "table":
            block.rows = [
                [pieces(text, *cell, mark, is_markdown) for cell in row] for row in _rows(text, low, high)
            ]
        elif kind in ("item", "numbered") and (marker := _ITEM.match(text, low)):
            block.depth = min(len(marker[1]) // 2, 3)
            # A number carries meaning and stays; the page draws a dash as a bullet.
            block.pieces = pieces(
                text, marker.end() if kind == "item" else marker.start(2), high, mark, is_markdown
            )
        else:
            block.pieces = pieces(text, low, high, mark, is_markdown and kind != "code")
        if kind == "code" and is_markdown:
            block.language = fences.language(text[text.rfind("\n", 0, low - 1) + 1 : low])
        found.append(block)
    return found


def pieces(text: str, start: int, end: int, mark: Bounds, is_markdown: bool = False) -> list[Piece]:
    """Return text[start:end], split where its style changes and at the bounds of the mark."""
    plain: list[tuple[int, int, Style]] = [(start, end, "")]
    runs = _runs(text, start, end) if is_markdown else plain
    return [piece for low, high, style in runs for piece in _cut(text, low, high, style, mark)]


def _cut(text: str, start: int, end: int, style: Style, mark: Bounds) -> Iterator[Piece]:
    low, high = (min(max(border, start), end) for border in mark)
    for piece in (
        Piece(text[start:low], style),
        Piece(text[low:high], style, True),
        Piece(text[high:end], style),
    ):
        if piece.text:
            yield piece


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int, Style]]:
    for found in _INLINE.finditer(text, start, end):
        yield start, found.start(), ""
        name = next(name for name in _STYLES if found[name] is not None)
        yield *found.span(name), _STYLES[name]
        start = found.end()
    yield start, end, ""


def bounds(text: str, start: int) -> Iterator[tuple[Kind, int, int]]:
    """Yield the kind, start and end of each block; neighbouring lines of one kind form a block."""
    kind: Kind | None = None
    low = high = start
    fence = ""
    for line in _LINE.finditer(text, start):
        end = line.end() - line[0].endswith("\n")
        if kind == "code" and not fences.closes(line[0], fence):
            high = end
            continue
        now = None if kind == "code" else _kind(line[0], kind)  # None: this line closes the fence
        if now == "code":
            fence = fences.opening(line[0], is_in_item=kind in _ITEMS)
        if kind and (now != kind or _ITEM.match(line[0])):
            yield kind, low, high
            kind = None
        if now and kind is None:
            kind, low = now, line.end() if now == "code" else line.start()
        high = max(low, end)
    if kind:
        yield kind, low, high


def _kind(line: str, before: Kind | None) -> Kind | None:
    """Return the kind of block that a line belongs to, None if it is blank."""
    if not line.strip():
        return None
    if fences.opening(line, is_in_item=before in _ITEMS):
        return "code"
    if line[:4].lstrip(" ").startswith("|"):
        return "table"
    if marker := _ITEM.match(line):
        return "numbered" if marker[2][0].isdigit() else "item"
    # An item continues in the indented lines below it.
    return before if before in _ITEMS and line.startswith("  ") else "paragraph"


def _rows(text: str, start: int, end: int) -> Iterator[list[Bounds]]:
    """Yield the bounds of each row's cells, without the rule below a table's head."""
    for line in _LINE.finditer(text, start, end):
        if not _RULE.match(line[0]):
            last = line.start() + len(line[0].rstrip().removesuffix("|"))
            edges = [bar.end() for bar in _BAR.finditer(text, line.start(), last)]
            ends = [edge - 1 for edge in edges[1:]] + [last]
            yield [_strip(text, *cell) for cell in zip(edges, ends, strict=False)]


def _strip(text: str, start: int, end: int) -> Bounds:
    cell = text[start:end]
    return start + len(cell) - len(cell.lstrip()), max(start, end - len(cell) + len(cell.rstrip()))
