"""The layout strategy: paragraphs, tables and code stay whole where they fit, under their headings."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from documents.parsing.blocks import bounds
from documents.parsing.types import ExtractedSection

from . import recursive
from .types import Chunk, Embed

_MIN_SHARE = 4  # a chunk shorter than size / 4 has too little content of its own
_MAX_PATH_CHARACTERS = 200
_CLOSING_FENCE = re.compile(r"\n *(`{3,}|~{3,}) *(?=\n|\Z)")

Span = tuple[int, int]


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return chunks of whole blocks, of at most `size` characters. Each is embedded with its headings.

    Only a block longer than a chunk is split, with `overlap`. A short block joins a neighbour if both fit into one
    chunk.
    """
    return [
        each for position, section in enumerate(sections) for each in _of(position, section, size, overlap)
    ]


def _of(position: int, section: ExtractedSection, size: int, overlap: int) -> Iterator[Chunk]:
    for start, end in _spans(section.text, size, overlap):
        text = section.text[start:end]
        yield Chunk(
            position, start, end, text, "\n".join([*filter(None, [_path(section.title_path, text)]), text])
        )


def _spans(text: str, size: int, overlap: int) -> Iterator[Span]:
    for blocks in _pack(_blocks(text), size):
        yield from recursive.spans(text, size, overlap, blocks[0][0], blocks[-1][1])


def _blocks(text: str) -> list[Span]:
    """Return the spans of the blocks, with only white space between them: fences belong to their code."""
    found: list[Span] = []
    rest = 0
    for kind, _, end in bounds(text, 0):
        fence = _CLOSING_FENCE.match(text, end) if kind == "code" else None
        stop = fence.end() if fence else end
        found.append((stop - len(text[rest:stop].lstrip()), stop))
        rest = stop
    if text[rest:].strip():  # an empty code fence
        found.append((rest, len(text)))
    return found


def _pack(blocks: Sequence[Span], size: int) -> list[list[Span]]:
    """Return the blocks in groups that fit a chunk.

    A group that does not fit is one long block, perhaps with a short one before it.
    """
    groups: list[list[Span]] = []
    for block in blocks:
        group = groups[-1] if groups else []
        if group and (block[1] - group[0][0] <= size or _length(group) < size // _MIN_SHARE):
            group.append(block)
        else:
            groups.append([block])
    if len(groups) > 1:
        _even_out(groups[-2], groups[-1], size)
    return groups


def _even_out(one: list[Span], last: list[Span], size: int) -> None:
    """Move blocks to a last group that is too short, as long as both groups keep enough text."""
    least = size // _MIN_SHARE
    while _length(last) < least and len(one) > 1:
        if last[-1][1] - one[-1][0] > size or one[-2][1] - one[0][0] < least:
            return
        last.insert(0, one.pop())


def _length(group: Sequence[Span]) -> int:
    return group[-1][1] - group[0][0]


def _path(titles: Sequence[str], text: str) -> str:
    """Return the innermost headings that fit and that the text does not begin with."""
    begin = " ".join(text[: 2 * _MAX_PATH_CHARACTERS].split())
    missing = [title for title in titles if title not in begin]
    lengths = accumulate(len(title) + 3 for title in reversed(missing))
    kept = sum(length <= _MAX_PATH_CHARACTERS for length in lengths)
    return " > ".join(missing[len(missing) - kept :])
