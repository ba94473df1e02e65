"""What goes into a search and what comes out of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Literal, Self
from uuid import UUID

from models_registry.models import Endpoint
from workspaces.engines import ANYWHERE, Where
from workspaces.models import Workspace

LEGS = ("dense", "lexical", "rerank")
SearchOutcome = Literal["found", "nothing_relevant", "empty"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search, after permission was checked: build it from what `workspace_for` returned."""

    workspace: Workspace
    where: Where = ANYWHERE


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How to search: each stage that can be switched. `of` says how a workspace does."""

    is_hybrid: bool = True  # by words as well as by meaning
    reranker: Endpoint | None = None  # a cross-encoder that orders the best anew
    merges_neighbours: bool = True  # chunks that overlap or touch become one passage
    most_per_document: int | None = None  # chunks, while others are not much worse; None: as many as are best
    condenser: Endpoint | None = (
        None  # a chat model that makes one question of a follow-up, beside the search
    )
    relevance_floor: float | None = None  # similarity below which nothing is relevant; None: not known

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        return cls(
            is_hybrid=workspace.is_hybrid,
            reranker=workspace.reranker,
            merges_neighbours=workspace.merges_neighbours,
            most_per_document=workspace.most_per_document,
            condenser=workspace.condenser,
            relevance_floor=workspace.relevance_floor,
        )


@dataclass(frozen=True, slots=True)
class Rank:
    """Where one way of searching, or of ordering, put a chunk."""

    place: int  # from 1
    score: float  # on its own scale: similarity by the workspace's metric, BM25, the cross-encoder's


Ranks = Mapping[str, Rank]  # by the name of a leg; without those that did not find the chunk


def flatten_ranks(ranks: Ranks) -> dict[str, Any]:
    """Return {"dense_rank": 1, "dense_score": 0.7, ...} as traces and the API name them; None: not found."""
    flat: dict[str, Any] = {}
    for name in LEGS:
        rank = ranks.get(name)
        flat[f"{name}_rank"], flat[f"{name}_score"] = (rank.place, rank.score) if rank else (None, None)
    return flat


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk, or neighbours joined, chosen to be quoted in a prompt."""

    number: int  # from 1, best first; [number] in the answer cites it
    document_id: UUID
    document_title: str
    section: int  # Section.position
    start: int  # characters into the section's text
    end: int
    text: str
    title_path: tuple[str, ...]
    page: int | None
    score: float  # fused; for ordering only
    ranks: Ranks  # of its best chunk


@dataclass(frozen=True, slots=True)
class Leg:
    """One way of finding, or of ordering what was found, as it went."""

    name: str  # of LEGS
    found: int  # by "rerank": how many it ordered
    took_ms: float
    error: str = ""  # in words; a failed leg does not fail the search while the other answers


@dataclass(frozen=True, slots=True)
class Found:
    """One candidate: where each leg put it, and what became of it.

    It names its text instead of holding it: who may read a trace later may not read every document in it.
    """

    chunk_id: int  # of the document as it was then; another version has other ids
    document_id: UUID
    section: int  # Section.position
    start: int  # characters into the section's text
    end: int
    rank: int  # fused, before a cross-encoder
    score: float  # fused; for ordering only
    ranks: Ranks
    fate: str  # IN_PROMPT, or why it was left out, in words
    passage: int | None = None  # the number of the passage that quotes it

    def as_json(self) -> dict[str, Any]:
        # Not `asdict`: an answer's turn waits for fifty of these, and that copies each field.
        plain = dict(zip(_FOUND, _values_of(self), strict=True))
        plain["document_id"] = str(self.document_id)
        return plain | flatten_ranks(plain.pop("ranks"))


_FOUND = tuple(each.name for each in fields(Found))
_values_of = attrgetter(*_FOUND)


IN_PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Condensed:
    """A follow-up as a language model put it, and what that took."""

    endpoint: str  # its name
    question: str  # "": it did not come in time, or failed
    error: str  # in words; "": none
    input_tokens: int
    output_tokens: int
    is_estimate: bool
    cost: str  # US dollars


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that led to the passages, as plain data."""

    question: str
    sent: str  # the question as it was searched, after a follow-up rewrite
    legs: tuple[Leg, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)  # stage -> milliseconds
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> how many candidates
    candidates: tuple[Found, ...] = ()  # the best 50, in the order of the last stage
    condensed: Condensed | None = None  # None: no model was asked
    caches: dict[str, str] = field(default_factory=dict)  # "retrieval", "query embedding" -> hit, miss or off

    def as_json(self) -> dict[str, Any]:
        found = [each.as_json() for each in self.candidates]
        return asdict(replace(self, candidates=())) | {"candidates": found}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """`passages` is empty unless the outcome is "found"."""

    outcome: SearchOutcome
    passages: tuple[Passage, ...]
    trace: Trace
