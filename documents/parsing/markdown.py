"""Splits Markdown into blocks: as its author wrote it, or as plain text.

markdown-it-py implements the grammar, CommonMark 0.31: https://spec.commonmark.org/0.31.2/
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from . import fences
from .types import ExtractedBlock

_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])  # no inline parsing
_INLINE = MarkdownIt("zero").enable(["backticks", "emphasis", "escape", "image", "link", "strikethrough"])
_MARK = re.compile(r"[*_~\[\\]")  # a line without one of these needs no inline parsing
_RULE_ROW = re.compile(r"\|(?:\s*:?-{2,}:?\s*\|)+$")


def blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield the headings and the text between them, as written."""
    lines, tokens = _parse(text)
    for first, end, heading in _parts(lines, tokens):
        body = "\n".join(lines[first:end])
        if heading or body.strip():
            yield replace(heading, text=body) if heading else ExtractedBlock(body)


def plain_blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield the same blocks without marks: for Markdown that a parser generated."""
    lines, tokens = _parse(text)
    code = _code_lines(lines, tokens)
    for first, end, heading in _parts(lines, tokens):
        if heading:
            yield ExtractedBlock(plain_line(heading.title), heading.level)
        elif any(map(str.strip, lines[first:end])):
            yield ExtractedBlock("\n".join(_without_marks(lines, code, range(first, end))))


def _parse(text: str) -> tuple[list[str], list[Token]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n"), _BLOCKS.parse(text)


def _parts(lines: Sequence[str], tokens: Sequence[Token]) -> Iterator[tuple[int, int, ExtractedBlock | None]]:
    """Yield the first line, the line after the last, and the heading or None for the text below one."""
    start = 0
    for token, inline in pairwise(tokens):
        if _is_heading(token, lines):
            first, end = token.map or (0, 0)
            yield start, first, None
            yield first, end, ExtractedBlock("", int(token.tag[1]), title=" ".join(inline.content.split()))
            start = end
    yield start, len(lines), None


def _code_lines(lines: Sequence[str], tokens: Sequence[Token]) -> dict[int, bool]:
    """Return the lines of code by number, and whether each is a fence. Fences in items and quotations count."""
    found: dict[int, bool] = {}
    for token in tokens:
        if token.type in ("fence", "code_block") and token.map:
            first, end = token.map
            found |= dict.fromkeys(range(first, end), False)
            if token.type == "fence":
                found[first] = True
                found[end - 1] |= fences.closes(lines[end - 1].strip(" >"), token.markup)
    return found


def plain_line(line: str) -> str:
    """Return the line without links, emphasis and escapes; code keeps its backticks."""
    if not _MARK.search(line):
        return line
    [inline] = _INLINE.parseInline(line)
    return "".join(map(_text_of, inline.children or ()))


def _is_heading(token: Token, lines: Sequence[str]) -> bool:
    """Return whether a heading begins here, outside of quotations.

    An underlined heading must be a single line after a blank one. Otherwise the rule below a paragraph, or
    around the front matter of a file, would turn the lines above it into a heading.
    """
    if token.type != "heading_open" or token.level or token.map is None:
        return False
    first, end = token.map
    return token.markup.startswith("#") or (end - first == 2 and not (first and lines[first - 1].strip()))


def _without_marks(lines: Sequence[str], code: Mapping[int, bool], numbers: range) -> Iterator[str]:
    """Yield the lines without links, emphasis, escapes, code fences and the rules of tables."""
    for number in numbers:
        if number in code:
            if not code[number]:
                yield lines[number]
        elif not _RULE_ROW.match(lines[number].strip()):
            yield _without_padding(plain_line(lines[number]))


def _without_padding(line: str) -> str:
    """Return a table's row without the padding of its columns, which only wastes characters."""
    return re.sub(r" {2,}", " ", line) if line.startswith("|") else line


def _text_of(token: Token) -> str:
    if token.type == "code_inline":
        return f"{token.markup}{token.content}{token.markup}"
    if token.type == "image":
        return "".join(map(_text_of, token.children or ()))
    return token.content
