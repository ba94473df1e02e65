"""Finds the best passages for a question with `search`. Small talk needs no search: `is_small_talk`."""

from documents.errors import RetrievalFailed
from inference.language.small_talk import is_small_talk

from .search import search
from .types import IN_PROMPT, Found, Leg, Passage, Retrieval, Scope, SearchConfig, SearchOutcome, Trace

__all__ = [
    "IN_PROMPT",
    "Found",
    "Leg",
    "Passage",
    "Retrieval",
    "RetrievalFailed",
    "Scope",
    "SearchConfig",
    "SearchOutcome",
    "Trace",
    "is_small_talk",
    "search",
]
