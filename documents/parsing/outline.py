"""Groups blocks into sections by headings and pages."""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from documents.errors import Unreadable

from .types import MAX_CHARACTERS, TOO_LONG, ExtractedBlock, ExtractedSection

MAX_SECTION_CHARACTERS = 20_000  # as much as a page shows at once; longer sections are split at a paragraph
_MAX_TITLE_CHARACTERS = 200
_MAX_HEAD_CHARACTERS = 2000
_NEXT_TEXT = re.compile(r"[\n ]*")
# Terminal codes of ECMA-48, such as colours: CSI, OSC (titles, links) and two-character sequences. Logs also write the
# escape character as ␛, #033 (rsyslog) or ^[.
_TERMINAL_CODES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|(?:␛|#033|\^\[)\[[0-9;]*[A-Za-z]|\x9b[0-?]*[@-~]"
)
# A picture within the text, as bytes that no reader understands
_EMBEDDED_DATA = re.compile(r"(data:[\w/+.-]+(?:;[\w=-]+)*;base64,)[A-Za-z0-9+/=_%-]{200,}")
_OVERSTRUCK = re.compile(r"[^\n]\x08")  # manual pages print a letter twice to make it bold
_LINE_ENDS = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ufffe\uffff\ufeff\u200b\u2060\ud800-\udfff\u00ad]"
)


def tidy(text: str) -> str:
    """Return text with plain line ends, without terminal codes, control characters and runs of blank lines."""
    text = _OVERSTRUCK.sub("", _TERMINAL_CODES.sub("", text))
    text = _EMBEDDED_DATA.sub(r"\1…", _LINE_ENDS.sub("\n", text))
    text = "\n".join(line.rstrip() for line in _UNPRINTABLE.sub("", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def within_limit(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a table while a document may have so many characters. Then raise Unreadable.

    A small file can be a huge table, such as a sheet with two cells far apart.
    """
    left = MAX_CHARACTERS
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            raise Unreadable(TOO_LONG.format(limit=MAX_CHARACTERS))
        yield line


def outline(blocks: Iterable[ExtractedBlock]) -> list[ExtractedSection]:
    """Return a section for each heading and each page, in reading order.

    A heading without its own text becomes part of the section below it, so that nothing is lost and no
    section is only a title.
    """
    sections: list[ExtractedSection] = []
    path: list[tuple[int, str]] = []
    pending: list[ExtractedBlock] = []

    def close() -> None:
        if text := tidy("\n\n".join(block.text for block in pending)):
            titles = tuple(title for _, title in path)
            sections.extend(_split_long(ExtractedSection(text, titles, pending[-1].page)))
        pending.clear()

    for block in blocks:
        has_body = any(each.level is None for each in pending)
        turns_page = bool(pending) and block.page != pending[-1].page
        if turns_page or (block.level is not None and has_body):
            close()
        if block.level is not None:
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, " ".join((block.title or block.text).split())[:_MAX_TITLE_CHARACTERS]))
        pending.append(block)
    close()
    return sections


def _split_long(section: ExtractedSection) -> Iterator[ExtractedSection]:
    """Yield parts that fit. A part that continues a table begins with its header row."""
    text, head, start = section.text, "", 0
    while len(head) + len(text) - start > MAX_SECTION_CHARACTERS:
        part = (
            head + text[start : start + MAX_SECTION_CHARACTERS]
        )  # a copy of the rest would take quadratic time
        cut = _cut(part)
        yield ExtractedSection(part[:cut], section.title_path, section.page)
        start += cut - len(head)
        head = _head_of_open_table(part[:cut]) if text.startswith("\n|", start) else ""
        start = _NEXT_TEXT.match(text, start).end()  # type: ignore[union-attr]
    if rest := head + text[start:]:
        yield ExtractedSection(rest, section.title_path, section.page)


def _cut(text: str) -> int:
    """Return the last paragraph, line or word boundary in the second half of what fits."""
    for mark in ("\n\n", "\n", " "):
        if (cut := text.rfind(mark, MAX_SECTION_CHARACTERS // 2, MAX_SECTION_CHARACTERS)) > 0:
            return cut
    return MAX_SECTION_CHARACTERS


def _head_of_open_table(text: str) -> str:
    """Return the first rows of the table that a text ends with: its header, and the rule below it."""
    above = takewhile(lambda line: line.startswith("|"), reversed(text.split("\n")))
    rows = list(above)[::-1]
    is_ruled = len(rows) > 1 and not rows[1].strip("|-: ")
    head = "".join(f"{row}\n" for row in rows[: 1 + is_ruled])
    return head if len(head) < _MAX_HEAD_CHARACTERS else ""
