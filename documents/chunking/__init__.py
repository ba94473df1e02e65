"""Cuts sections into chunks. A strategy is one file and one line here."""

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
