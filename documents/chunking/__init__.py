"""Splits sections into chunks. Each strategy is one module and one line here."""

from . import adaptive, layout, recursive, semantic
from .questions import chunk as questions
from .types import Chunk, Chunker, Embed

__all__ = ["CHUNKERS", "Chunk", "Chunker", "Embed", "questions"]

# workspaces.models.ChunkingStrategy -> its function
CHUNKERS: dict[str, Chunker] = {
    "recursive": recursive.chunk,
    "semantic": semantic.chunk,
    "layout": layout.chunk,
    "adaptive": adaptive.chunk,
}
