"""Finds the best passages: `search` is the only door."""

from .search import search
from .types import Leg, Outcome, Passage, Retrieval, RetrievalFailed, Scope, Trace

__all__ = ["Leg", "Outcome", "Passage", "Retrieval", "RetrievalFailed", "Scope", "Trace", "search"]
