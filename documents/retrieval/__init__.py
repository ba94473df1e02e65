"""Finds the best passages: `search` is the only door. `asks_nothing` says when not to knock."""

from .search import search
from .small_talk import asks_nothing
from .types import Leg, Outcome, Passage, Retrieval, RetrievalFailed, Scope, SearchConfig, Trace

__all__ = [
    "Leg",
    "Outcome",
    "Passage",
    "Retrieval",
    "RetrievalFailed",
    "Scope",
    "SearchConfig",
    "Trace",
    "asks_nothing",
    "search",
]
