"""Splits Markdown into blocks: as its author wrote it, or as plain text.

markdown-it-py implements the grammar, CommonMark 0.31: https://spec.commonmark.org/0.31.2/
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .types import ExtractedBlock

_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])  # no inline parsing
_INLINE = MarkdownIt("zero").enable(["backticks", "emphasis", "escape", "image", "link", "strikethrough"])
_MARK = re.compile(r"[*_~\[\\]")  # a line without one of these needs no inline parsing
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_RULE_ROW = re.compile(r"\|(?:\s*:?-{2,}:?\s*\|)+$")


def blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield the headings and the text between them, as written."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines, start = text.split("\n"), 0
    tokens = _BLOCKS.parse(text)
    for token, inline in pairwise(tokens):
        if _is_heading(token, lines):
            first, end = token.map or (0, 0)
            yield from _body(lines[start:first])
            title = " ".join(inline.content.split())
            yield ExtractedBlock("\n".join(lines[first:end]), int(token.tag[1]), title=title)
            start = end
    yield from _body(lines[start:])


def plain_blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield the same blocks without marks: for Markdown that a parser generated."""
    for block in blocks(text):
        yield ExtractedBlock(_without_marks(block.title or block.text), block.level)


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


def _body(lines: Sequence[str]) -> Iterator[ExtractedBlock]:
    if (text := "\n".join(lines)).strip():
        yield ExtractedBlock(text)


def _without_marks(text: str) -> str:
    """Return the text without links, emphasis, escapes, code fences and the rules of tables."""
    lines: list[str] = []
    is_code = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            is_code = not is_code
        elif is_code:
            lines.append(line)
        elif not _RULE_ROW.match(line.strip()):
            lines.append(_without_padding(plain_line(line)))
    return "\n".join(lines)


def _without_padding(line: str) -> str:
    """Return a table's row without the padding of its columns, which only wastes characters."""
    return re.sub(r" {2,}", " ", line) if line.startswith("|") else line


def _text_of(token: Token) -> str:
    if token.type == "code_inline":
        return f"{token.markup}{token.content}{token.markup}"
    if token.type == "image":
        return "".join(map(_text_of, token.children or ()))
    return token.content
