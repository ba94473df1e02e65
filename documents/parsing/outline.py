"""Groups blocks into sections by headings and pages."""

import re
from collections.abc import Iterable, Iterator

from .types import ExtractedBlock, ExtractedSection

MAX_SECTION_CHARACTERS = 20_000  # as much as a page shows at once; longer sections are split at a paragraph
_MAX_TITLE_CHARACTERS = 200
# Characters that are not text to a reader: control characters (PostgreSQL refuses NUL), lone surrogates, soft
# hyphens.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\ufffe\uffff\ud800-\udfff\u00ad]")


def tidy(text: str) -> str:
    """Return text with plain line ends, without control characters and runs of blank lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    text = "\n".join(line.rstrip() for line in _UNPRINTABLE.sub("", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


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
    rest = section.text
    while len(rest) > MAX_SECTION_CHARACTERS:
        cuts = (rest.rfind(mark, 1, MAX_SECTION_CHARACTERS) for mark in ("\n\n", "\n", " "))
        cut = next((cut for cut in cuts if cut > 0), MAX_SECTION_CHARACTERS)
        yield ExtractedSection(rest[:cut], section.title_path, section.page)
        rest = rest[cut:].lstrip("\n ")
    if rest:
        yield ExtractedSection(rest, section.title_path, section.page)
