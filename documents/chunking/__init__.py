"""Cuts sections into chunks. A strategy is one file and one line here."""

from .questions import chunk as questions
from .recursive import chunk as recursive
from .types import Chunk, Chunker, Embed

__all__ = ["CHUNKERS", "Chunk", "Chunker", "Embed", "questions"]

# workspaces.models.ChunkingStrategy -> its function
CHUNKERS: dict[str, Chunker] = {
    "recursive": lambda sections, size, overlap, _: recursive([s.text for s in sections], size, overlap)
}
