"""Markdown becomes blocks: as its author wrote it, or as it reads."""

import re
from collections.abc import Iterator

from .types import ExtractedBlock

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")

_IMAGE = re.compile(r"!\[([^\]]*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_LINK = re.compile(r"(?<!\\)\[([^\[\]]*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)")
_STRONG = re.compile(r"(?<!\\)(\*\*|__|~~)(?=\S)(.+?)(?<=[^\s\\])\1")
_EMPHASIS = re.compile(r"(?<![\\*\w])\*(?=[^\s*])([^*\n]+?)(?<=[^\s\\])\*(?![*\w])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_RULE_ROW = re.compile(r"\|(?:\s*:?-{2,}:?\s*\|)+$")


def blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield headings and what lies between them, as written. `#` within fenced code is no heading."""
    body: list[str] = []
    is_code = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            is_code = not is_code
        level, title, taken = (0, "", 0) if is_code else _heading(line, body)
        if not level:
            body.append(line)
            continue
        kept = len(body) - taken
        yield from _body(body[:kept])
        yield ExtractedBlock("\n".join([*body[kept:], line]), level, title=title)
        body = []
    yield from _body(body)


def plain_blocks(text: str) -> Iterator[ExtractedBlock]:
    """Yield the same, as a reader would type it: for Markdown that a parser made."""
    for block in blocks(text):
        yield ExtractedBlock(_without_marks(block.title or block.text), block.level)


def _heading(line: str, above: list[str]) -> tuple[int, str, int]:
    """Return level, title, and how many lines above belong to it (1 for an underlined one)."""
    if found := _HEADING.match(line):
        return len(found[1]), found[2] or "", 0
    is_alone = bool(above) and bool(above[-1].strip()) and (len(above) == 1 or not above[-2].strip())
    if is_alone and (found := _UNDERLINE.match(line)) and not above[-1].startswith(("|", "-", ">", " ")):
        return (1 if found[1][0] == "=" else 2), above[-1].strip(), 1
    return 0, "", 0


def _body(lines: list[str]) -> Iterator[ExtractedBlock]:
    if (text := "\n".join(lines)).strip():
        yield ExtractedBlock(text)


def _without_marks(text: str) -> str:
    """Return text without links, emphasis, escapes, fences and the rules of tables."""
    lines: list[str] = []
    is_code = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            is_code = not is_code
        elif is_code:
            lines.append(line)
        elif not _RULE_ROW.match(line.strip()):
            lines.append(_plain(line))
    return "\n".join(lines)


def _plain(line: str) -> str:
    line = _LINK.sub(r"\1", _IMAGE.sub(r"\1", line))
    line = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\2", line))
    if line.startswith("|"):
        line = re.sub(r" {2,}", " ", line)  # columns are padded, which only spends characters
    return _ESCAPED.sub(r"\1", line)
