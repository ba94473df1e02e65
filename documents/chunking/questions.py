"""Cuts a question with its answer: found by what is asked, quoted with what is answered."""

from collections.abc import Sequence

from documents.parsing.types import ExtractedSection

from . import recursive
from .types import Chunk, Embed

SEPARATOR = "\n\n"  # between the question, which is one line, and its answer


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return chunks of which the first stands for the question alone, and each later one for it and its words.

    An answer longer than a chunk goes on in the next, which the question finds too.
    """
    question = sections[0].text.partition(SEPARATOR)[0]
    first, *rest = recursive.chunk(sections, max(size, len(question) + 100), overlap, embed)
    return [
        _standing_for(question, first),
        *(_standing_for(question + "\n" + each.text, each) for each in rest),
    ]


def _standing_for(embedded: str, chunk: Chunk) -> Chunk:
    return Chunk(chunk.section, chunk.start, chunk.end, chunk.text, embedded)
