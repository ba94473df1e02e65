"""Where a workspace's chunks live. `engine_for` is the door; every engine keeps `contract.Engine`."""

from collections.abc import Callable

from workspaces.models import Workspace

from .contract import (
    ANYWHERE,
    NO_FACTS,
    Condition,
    Engine,
    EngineError,
    Facts,
    FoundChunk,
    FoundDocument,
    Incomplete,
    NewChunk,
    Value,
    Where,
    WrongDimensions,
)
from .pgvector import PgVector
from .question import plain
from .tables import drop_tables, tables
from .vector_index import MAX_INDEXED_DIMENSIONS

__all__ = [
    "ANYWHERE",
    "ENGINES",
    "MAX_INDEXED_DIMENSIONS",
    "NO_FACTS",
    "Condition",
    "Engine",
    "EngineError",
    "Facts",
    "FoundChunk",
    "FoundDocument",
    "Incomplete",
    "NewChunk",
    "PgVector",
    "Value",
    "Where",
    "WrongDimensions",
    "drop_tables",
    "engine_for",
    "plain",
    "tables",
]

ENGINES: dict[str, tuple[str, Callable[[Workspace], Engine]]] = {
    "pgvector": ("PostgreSQL (pgvector)", PgVector),
}


def engine_for(workspace: Workspace) -> Engine:
    """Return its index that answers now; of `Reindex.target()`, the one that is being built."""
    return ENGINES[workspace.engine][1](workspace)
