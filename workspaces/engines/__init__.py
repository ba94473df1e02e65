"""Where a workspace's chunks live. `engine_for` is the door; every engine keeps `contract.Engine`."""

from collections.abc import Callable

from workspaces.models import Workspace

from .contract import Engine, EngineError, FoundChunk, Incomplete, NewChunk, WrongDimensions
from .pgvector import MAX_INDEXED_DIMENSIONS, PgVector

__all__ = [
    "ENGINES",
    "MAX_INDEXED_DIMENSIONS",
    "Engine",
    "EngineError",
    "FoundChunk",
    "Incomplete",
    "NewChunk",
    "WrongDimensions",
    "engine_for",
]

ENGINES: dict[str, tuple[str, Callable[[Workspace], Engine]]] = {
    "pgvector": ("PostgreSQL (pgvector)", PgVector),
}


def engine_for(workspace: Workspace) -> Engine:
    return ENGINES[workspace.engine][1](workspace)
