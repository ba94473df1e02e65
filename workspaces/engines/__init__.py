"""Engines store and search a workspace's chunks.

`engine_for` returns one; each implements `contract.Engine`.
"""

from workspaces.errors import EngineError, Incomplete, WrongDimensions

from .contract import (
    ANYWHERE,
    NO_METADATA,
    Condition,
    Engine,
    FoundChunk,
    FoundDocument,
    IndexedMetadata,
    NewChunk,
    Value,
    Where,
)
from .query_parser import plain_query
from .registry import ENGINES, engine_for

__all__ = [
    "ANYWHERE",
    "ENGINES",
    "NO_METADATA",
    "Condition",
    "Engine",
    "EngineError",
    "FoundChunk",
    "FoundDocument",
    "Incomplete",
    "IndexedMetadata",
    "NewChunk",
    "Value",
    "Where",
    "WrongDimensions",
    "engine_for",
    "plain_query",
]
