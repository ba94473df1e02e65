"""The recursive strategy: splits at the strongest boundary that keeps a chunk at least half full.

The boundaries, strongest first: paragraph, line, sentence, word.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from documents.parsing.types import ExtractedSection
from inference.language.sentence_ends import sentence_ends

from .types import Chunk, Embed

_SPACE = re.compile(r"\s*")


def _ends_of(pattern: str) -> Callable[[str, int, int], Iterator[int]]:
    compiled = re.compile(pattern)
    return lambda text, first, last: (found.end() for found in compiled.finditer(text, first, last))


def _sentences(text: str, first: int, last: int) -> Iterator[int]:
    return (_SPACE.match(text, end, last).end() for end in sentence_ends(text, first, last))  # type: ignore[union-attr]


# Strongest first. Each yields the offsets at which the next chunk may begin.
_BOUNDARIES = (_ends_of(r"\n[ \t]*\n\s*"), _ends_of(r"\n\s*"), _sentences, _ends_of(r"\s+"))
_STARTS = _BOUNDARIES[1:]  # an overlap is short: it often contains no paragraph boundary


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return chunks of at most `size` characters. Neighbours share up to `overlap`; none crosses sections.

    No word is lost: only white space may lie between two chunks. Requires 0 <= overlap < size.
    """
    return [
        Chunk(position, start, end, section.text[start:end])
        for position, section in enumerate(sections)
        for start, end in spans(section.text, size, overlap)
    ]


def spans(
    text: str, size: int, overlap: int, first: int = 0, last: int | None = None
) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each chunk of text[first:last]."""
    start, last = _trim(text, first, len(text) if last is None else last)
    done = start
    while done < last:
        end = last if last - start <= size else _cut(text, max(done + 1, start + size // 2), start + size)
        _, stop = _trim(text, start, end)
        if stop > done:  # else there was only white space after the overlap
            yield start, stop
        done = end
        start, _ = _trim(text, max(start + 1, _next_start(text, done, overlap)), last)


def _cut(text: str, least: int, limit: int) -> int:
    """Return the last occurrence of the strongest boundary from `least` to `limit`."""
    for boundary in _BOUNDARIES:
        if ends := list(boundary(text, least, limit)):
            return ends[-1]
    return limit  # one word longer than a chunk


def _next_start(text: str, end: int, overlap: int) -> int:
    """Return where the next chunk begins: at the first line, sentence or word of the overlap."""
    for boundary in _STARTS if overlap else ():
        start = next(boundary(text, end - overlap, end), end)
        if start < end:
            return start
    return end


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without white space at its ends. strip() would copy the rest of the text for each chunk."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
