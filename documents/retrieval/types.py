"""The inputs and results of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Literal, Self
from uuid import UUID

from inference.language.detection import detect
from models_registry.models import Endpoint
from workspaces.engines import ANYWHERE, Where
from workspaces.models import Workspace

LEGS = ("dense", "lexical", "rerank")
SearchOutcome = Literal["found", "nothing_relevant", "empty"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search. Build it from the result of `workspace_for`, which checks the permission."""

    workspace: Workspace
    where: Where = ANYWHERE


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How to search: the optional stages. `of` returns the settings of a workspace."""

    is_hybrid: bool = True  # hybrid search: the lexical leg as well as the dense one
    reranker: Endpoint | None = None  # a cross-encoder that reranks the best candidates
    merges_neighbours: bool = True  # chunks that overlap or touch become one passage
    most_per_document: int | None = None  # chunks, unless others are much worse; None: no limit
    condenser: Endpoint | None = None  # a chat model that rewrites follow-ups, in parallel with the search
    relevance_floor: float | None = None  # similarity below which nothing is relevant; None: not calibrated
    relevance_floors: Mapping[str, float] = field(default_factory=dict)  # language of a question -> its floor

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        return cls(
            is_hybrid=workspace.is_hybrid,
            reranker=workspace.reranker,
            merges_neighbours=workspace.merges_neighbours,
            most_per_document=workspace.most_per_document,
            condenser=workspace.condenser,
            relevance_floor=workspace.relevance_floor,
            relevance_floors=workspace.relevance_floors,
        )

    def floor_for(self, question: str) -> float | None:
        """Return the floor of the question's language, or that of all."""
        floors = self.relevance_floors
        if self.relevance_floor is None or len(floors) < 2:
            return self.relevance_floor
        return floors.get(detect(question, floors) or "", self.relevance_floor)


@dataclass(frozen=True, slots=True)
class Rank:
    """The place and score that one leg, or the reranking, gave a chunk."""

    place: int  # from 1
    # On the leg's own scale: the workspace's metric, BM25, or the cross-encoder's. None: withheld
    score: float | None


Ranks = Mapping[str, Rank]  # by leg name, without the legs that did not find the chunk


def flatten_ranks(ranks: Ranks) -> dict[str, Any]:
    """Return {"dense_rank": 1, "dense_score": 0.7, ...} named as in traces and the API. None: not found."""
    flat: dict[str, Any] = {}
    for name in LEGS:
        rank = ranks.get(name)
        flat[f"{name}_rank"], flat[f"{name}_score"] = (rank.place, rank.score) if rank else (None, None)
    return flat


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk, or merged neighbours, chosen to be quoted in a prompt."""

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
    """How one leg, or the reranking, went."""

    name: str  # of LEGS
    found: int  # for "rerank": how many it reranked
    took_ms: float
    error: str = ""  # a sentence; a failed leg does not fail the search if the other one answers


@dataclass(frozen=True, slots=True)
class Found:
    """One candidate: its rank in each leg, and its fate.

    It refers to its text and does not contain it: a user who may read the trace may not read every document.
    """

    chunk_id: int  # in the document's version at that time; another version has other ids
    document_id: UUID
    section: int  # Section.position
    start: int  # characters into the section's text
    end: int
    rank: int  # after fusion, before reranking
    score: float  # fused; for ordering only
    ranks: Ranks
    fate: str  # IN_PROMPT, or in words why it was left out
    passage: int | None = None  # the number of the passage that quotes it

    def as_json(self) -> dict[str, Any]:
        # Not `asdict`, which copies each field: a turn waits for the conversion of fifty of these.
        plain = dict(zip(_FOUND, _values_of(self), strict=True))
        plain["document_id"] = str(self.document_id)
        return plain | flatten_ranks(plain.pop("ranks"))


_FOUND = tuple(each.name for each in fields(Found))
_values_of = attrgetter(*_FOUND)


IN_PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Condensed:
    """A follow-up that a language model rewrote, with the tokens and the cost."""

    endpoint: str  # its name
    question: str  # the rewritten query; "": too late, or failed
    error: str  # in words; "": none
    input_tokens: int
    output_tokens: int
    is_estimate: bool
    cost: str  # US dollars


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that led to the passages, as plain data."""

    question: str
    sent: str  # the query that was searched; for a follow-up, after the previous question
    legs: tuple[Leg, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)  # stage -> milliseconds
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> how many candidates
    candidates: tuple[Found, ...] = ()  # the best 50, in the order of the last stage
    condensed: Condensed | None = None  # None: no model was asked
    caches: dict[str, str] = field(default_factory=dict)  # "retrieval", "query embedding" -> hit, miss or off
    is_related: bool | None = None  # whether the previous question belongs to this one; None: not searched

    def as_json(self) -> dict[str, Any]:
        found = [each.as_json() for each in self.candidates]
        return asdict(replace(self, candidates=())) | {"candidates": found}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of a search. `passages` is empty unless the outcome is "found"."""

    outcome: SearchOutcome
    passages: tuple[Passage, ...]
    trace: Trace
