"""Splits a question with its answer into chunks: searches match the question and quote the answer."""

from collections.abc import Sequence

from documents.parsing.types import ExtractedSection

from . import recursive
from .types import Chunk, Embed

SEPARATOR = "\n\n"  # between the question, which is one line, and its answer


def chunk(sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed) -> list[Chunk]:
    """Return chunks: the first is embedded as the question alone, each later one as the question and its text.

    An answer longer than a chunk continues in the next one, which the question finds too.
    """
    question = sections[0].text.partition(SEPARATOR)[0]
    first, *rest = recursive.chunk(sections, max(size, len(question) + 100), overlap, embed)
    return [
        _standing_for(question, first),
        *(_standing_for(question + "\n" + each.text, each) for each in rest),
    ]


def _standing_for(embedded: str, chunk: Chunk) -> Chunk:
    return Chunk(chunk.section, chunk.start, chunk.end, chunk.text, embedded)
