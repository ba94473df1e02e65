"""The semantic strategy: splits where the topic changes, between sentences whose embeddings are far apart."""

import re
from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import fmean, pstdev

from documents.parsing.types import ExtractedSection
from inference.language.sentence_ends import sentence_ends
from inference.types import Vector

from . import recursive
from .types import Chunk, Embed

_MIN_SHARE = 4  # a chunk shorter than size / 4 has too little content of its own
_BATCH = 64  # sentences per call of the model
_MAX_SENTENCE_CHARACTERS = 400  # the rows of a table and the items of a list have no full stops
_STANDS_OUT = 1.0  # a topic shift is this many standard deviations above the document's mean distance

Span = tuple[int, int]


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return chunks of whole sentences, of at most `size` characters, that end where the topic shifts most.

    A section that fits stays whole and needs no call of the model. Chunks do not overlap: a split between two
    topics loses the least context.
    """
    sentences = [_sentences(section.text) if len(section.text) > size else [] for section in sections]
    distances = _distances(sections, sentences, embed)
    shift = _threshold([each for gaps in distances for each in gaps])
    return [
        Chunk(position, start, end, section.text[start:end])
        for position, section in enumerate(sections)
        for start, end in _spans(section.text, sentences[position], distances[position], shift, size)
    ]


def _spans(
    text: str, sentences: Sequence[Span], gaps: Sequence[float], shift: float, size: int
) -> Iterator[Span]:
    if not sentences:
        yield from recursive.spans(text, size, 0)
    for first, last in _groups(sentences, gaps, shift, size):
        yield from recursive.spans(text, size, 0, sentences[first][0], sentences[last][1])


def _groups(
    sentences: Sequence[Span], gaps: Sequence[float], shift: float, size: int
) -> Iterator[tuple[int, int]]:
    """Yield the first and last sentence of each chunk: split at the widest gap until it fits and has one topic."""
    waiting = [(0, len(sentences) - 1)] if sentences else []
    while waiting:
        first, last = waiting.pop()
        is_long = sentences[last][1] - sentences[first][0] > size
        cuts = [cut for cut in range(first, last) if _leaves_enough(sentences, first, cut, last, size)]
        cuts = cuts or list(range(first, last if is_long else first))
        # Ties go to the middle: otherwise a text of equal lines would be scanned again for each chunk.
        middle = (first + last) / 2
        cut = max(cuts, key=lambda cut: (gaps[cut], -abs(cut - middle)), default=None)
        if cut is None or not (is_long or gaps[cut] > shift):
            yield first, last
        else:
            waiting += [(cut + 1, last), (first, cut)]


def _leaves_enough(sentences: Sequence[Span], first: int, cut: int, last: int, size: int) -> bool:
    least = size // _MIN_SHARE
    before, after = sentences[cut][1] - sentences[first][0], sentences[last][1] - sentences[cut + 1][0]
    return before >= least and after >= least


def _sentences(text: str) -> list[Span]:
    """Return the spans of the sentences: each ends at a full stop, a line end, or the maximum length."""
    found: list[Span] = []
    for line in re.finditer(r"\S[^\n]*", text):
        start = line.start()
        for stop in (*sentence_ends(text, start, line.end()), line.end()):
            found += recursive.spans(text, _MAX_SENTENCE_CHARACTERS, 0, start, stop)
            start = stop
    return found


def _distances(
    sections: Sequence[ExtractedSection], sentences: Sequence[Sequence[Span]], embed: Embed
) -> list[list[float]]:
    """Return for each section the cosine distance, 0 to 2, between each sentence and the next."""
    texts = [
        sections[position].text[low:high] for position, spans in enumerate(sentences) for low, high in spans
    ]
    vectors = iter(
        [vector for at in range(0, len(texts), _BATCH) for vector in embed(texts[at : at + _BATCH])]
    )
    return [_gaps([next(vectors) for _ in spans]) for spans in sentences]


def _gaps(vectors: Sequence[Vector]) -> list[float]:
    """Return the distance at each gap, between the two sentences before it and the two after it.

    A comparison of single sentences would be misled by a short one.
    """
    last = len(vectors) - 1
    return [
        _distance(
            _sum(vectors[max(gap - 1, 0)], vectors[gap]), _sum(vectors[gap + 1], vectors[min(gap + 2, last)])
        )
        for gap in range(last)
    ]


def _sum(one: Vector, other: Vector) -> Vector:
    return [a + b for a, b in zip(one, other, strict=True)]


def _distance(one: Vector, other: Vector) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    return 1 - product / lengths if lengths else 0.0


def _threshold(gaps: Sequence[float]) -> float:
    return fmean(gaps) + _STANDS_OUT * pstdev(gaps) if gaps else 0.0
