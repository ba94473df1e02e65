"""Splits sections into chunks. Each strategy is one module and one line here."""

from collections.abc import Sequence
from functools import partial

from documents.parsing.types import ExtractedSection

from . import adaptive, layout, recursive, semantic
from .questions import chunk as questions
from .table_heads import with_heads
from .types import Chunk, Chunker, Embed

__all__ = ["CHUNKERS", "Chunk", "Chunker", "Embed", "questions"]


def _chunk(
    strategy: Chunker, sections: Sequence[ExtractedSection], size: int, overlap: int, embed: Embed
) -> list[Chunk]:
    return list(with_heads(strategy(sections, size, overlap, embed), sections, size))


# workspaces.models.ChunkingStrategy -> its function
CHUNKERS: dict[str, Chunker] = {
    "recursive": partial(_chunk, recursive.chunk),
    "semantic": partial(_chunk, semantic.chunk),
    "layout": partial(_chunk, layout.chunk),
    "adaptive": partial(_chunk, adaptive.chunk),
}
