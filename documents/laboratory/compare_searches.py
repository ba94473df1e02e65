"""Runs one question through two search configurations and compares the ranks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accounts.models import User
from documents.errors import RetrievalFailed
from documents.fields.filters import Filters
from documents.models import Search
from documents.retrieval import Passage, Retrieval, SearchConfig
from documents.retrieval.search_history import search_and_record
from workspaces.models import Workspace

MAX_PASSAGES = 10
_TOKEN_BUDGET = 20_000  # high enough that the number of passages decides


@dataclass(frozen=True, slots=True)
class Placed:
    """A passage, and its place in the other search."""

    passage: Passage
    other: int | None  # its number there; None: not found there

    @property
    def moved(self) -> int:
        """Return how many places higher it is than in the other search."""
        return self.other - self.passage.number if self.other else 0


@dataclass(frozen=True, slots=True)
class Way:
    """One search configuration and its outcome. If there is no result, `error` says why."""

    config: SearchConfig
    kept: Search | None = None
    retrieval: Retrieval | None = None
    error: str = ""
    placed: tuple[Placed, ...] = ()


def beside(
    user: User, workspace: Workspace, question: str, filters: Filters, configs: Sequence[SearchConfig]
) -> list[Way]:
    """Search with each configuration, one after the other so that none slows another, and compare the ranks.

    Raises InvalidValue for an invalid filter.
    """
    ways = [_way(user, workspace, question, filters, config) for config in configs]
    others = [*ways[1:], ways[0]]
    return [replace(way, placed=_place_passages(way, other)) for way, other in zip(ways, others, strict=True)]


def _way(user: User, workspace: Workspace, question: str, filters: Filters, config: SearchConfig) -> Way:
    how = {"config": config, "limit": MAX_PASSAGES, "token_budget": _TOKEN_BUDGET, "fresh": True}
    try:
        kept, found = search_and_record(user, workspace, question, filters, **how)
    except RetrievalFailed as failure:
        return Way(config, error=str(failure))
    return Way(config, kept, found)


def _place_passages(way: Way, other: Way) -> tuple[Placed, ...]:
    there = other.retrieval.passages if other.retrieval else ()
    here = way.retrieval.passages if way.retrieval else ()
    return tuple(
        Placed(each, next((found.number for found in there if _is_same(each, found)), None)) for each in here
    )


def _is_same(one: Passage, other: Passage) -> bool:
    """Return whether the passages overlap: neighbours may be merged in one search and not in the other."""
    if (one.document_id, one.section) != (other.document_id, other.section):
        return False
    return one.start < other.end and other.start < one.end
