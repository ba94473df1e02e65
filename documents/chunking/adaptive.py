"""The adaptive strategy: the layout strategy for documents with a structure, else the recursive one."""

from collections.abc import Sequence

from documents.parsing.blocks import bounds
from documents.parsing.types import ExtractedSection

from . import layout, recursive
from .types import Chunk, Embed

_MANY_HEADINGS = 3
_MUCH = 0.1  # share of the characters that are in tables and code


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return the chunks of the strategy that suits the document.

    The content decides, not the file's type: a Word file may be one long letter, a text file a manual in
    Markdown.
    """
    if _has_layout(sections):
        return layout.chunk(sections, size, overlap, embed)
    return recursive.chunk(sections, size, overlap, embed)


def _has_layout(sections: Sequence[ExtractedSection]) -> bool:
    headings = {section.title_path for section in sections if section.title_path}
    if len(headings) >= _MANY_HEADINGS:
        return True
    total = sum(len(section.text) for section in sections)
    return sum(map(_in_tables_and_code, sections)) > _MUCH * total


def _in_tables_and_code(section: ExtractedSection) -> int:
    return sum(high - low for kind, low, high in bounds(section.text, 0) if kind in ("table", "code"))
