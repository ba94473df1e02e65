"""Cuts sections into chunks. A strategy is one file and one line here."""

from .recursive import chunk as recursive
from .types import Chunk, Chunker

__all__ = ["CHUNKERS", "Chunk", "Chunker"]

CHUNKERS: dict[str, Chunker] = {"recursive": recursive}  # workspaces.models.ChunkingStrategy -> its function
