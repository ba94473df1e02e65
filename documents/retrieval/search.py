"""legs in parallel -> fuse -> relevance -> rerank -> fit the budget -> passages. Each stage leaves its trace."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError

from inference.connect import open_embedder, open_reranker
from inference.errors import InferenceError
from models_registry.secrets import SecretMissing
from workspaces.engines import Engine, EngineError, FoundChunk, engine_for, plain

from .cache import Memory, titles_of
from .fusion import Candidate, fuse
from .passages import Chosen, choose
from .types import (
    IN_PROMPT,
    Found,
    Leg,
    Outcome,
    Passage,
    Retrieval,
    RetrievalFailed,
    Scope,
    SearchConfig,
    Trace,
)

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

CANDIDATES = 100  # each leg's, at least
TRACED = 50  # candidates that a trace tells of
RERANKED = 20  # a cross-encoder reads each of them with the question
# A chunk with this share of a question's words, by their rarity, is about it, however far its vector is
# (docs/adr/0022-relevance.md).
COVERED = 0.2


@dataclass(slots=True)
class _Run:
    """What one search gathers on its way."""

    question: str
    config: SearchConfig
    sent: str
    candidates: int  # of each leg
    legs: list[Leg] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    caches: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=perf_counter)
    fused: list[Candidate] = field(default_factory=list)
    ordered: list[Candidate] = field(default_factory=list)  # `fused`, in the order of the last stage so far
    fates: dict[int, str] = field(default_factory=dict)  # chunk id -> what became of it
    numbers: dict[int, int] = field(default_factory=dict)  # chunk id -> the passage that quotes it

    def note(self, fate: str, candidates: Sequence[Candidate]) -> None:
        """Say what became of these; a later stage may say otherwise."""
        self.fates.update(dict.fromkeys((each.chunk.chunk_id for each in candidates), fate))

    def elapsed_ms(self) -> float:
        return _ms_since(self.started)

    def trace(self) -> Trace:
        self.timings_ms["total"] = self.elapsed_ms()
        dropped = Counter(fate for id, fate in self.fates.items() if id not in self.numbers)
        legs, found = tuple(self.legs), tuple(_traced(self))
        return Trace(self.question, self.sent, legs, self.timings_ms, dict(dropped), found, self.caches)

    def result(self, outcome: Outcome, passages: Sequence[Passage] = ()) -> Retrieval:
        return Retrieval(outcome, tuple(passages), self.trace())


async def search(
    scope: Scope,
    question: str,
    config: SearchConfig | None = None,
    *,
    previous: Sequence[str] = (),
    limit: int = 6,
    token_budget: int = 1800,
) -> Retrieval:
    """Return the best passages for a question, ready to quote, with the trace of how they were found.

    config: how to search; None: as the workspace does.
    previous: the user's earlier questions in this session, oldest first; the last one is searched along.
    limit: how many passages at most. token_budget: how long they may be together, in tokens (estimated).
    Raises RetrievalFailed when no leg could answer.
    """
    config = config or SearchConfig.of(scope.workspace)
    sent = _with_previous(question, previous)
    run = _Run(question, config, sent, candidates=max(CANDIDATES, limit))
    memory = Memory(scope, config, sent, plain(sent), limit, token_budget)
    if remembered := await _in_thread(memory.recall):
        run.timings_ms["total"] = run.elapsed_ms()
        trace = replace(remembered.trace, question=question, timings_ms=run.timings_ms, caches=memory.seen)
        return replace(remembered, trace=trace)
    run.caches = memory.seen
    dense, lexical = await _search_legs(scope, run, memory)
    found = await _chosen(scope, run, dense, lexical, limit, token_budget)
    await _in_thread(lambda: memory.keep(found))
    return found


async def _chosen(
    scope: Scope,
    run: _Run,
    dense: list[FoundChunk],
    lexical: list[FoundChunk],
    limit: int,
    token_budget: int,
) -> Retrieval:
    """Return what is to be quoted of what the legs found."""
    run.fused = run.ordered = fuse(dense, lexical)
    if not run.fused:
        count = await _in_thread(engine_for(scope.workspace).count)
        return run.result("nothing_relevant" if count else "empty")
    if not _is_relevant(run.config, dense, lexical):
        run.note("below the relevance floor", run.fused)
        return run.result("nothing_relevant")
    run.ordered = await _reranked(run, run.fused)
    choice = choose(run.ordered, run.config, limit, token_budget)
    run.fates |= choice.fates
    passages = await _in_thread(lambda: _passages(run, choice.chosen))
    return run.result("found", passages)


def _with_previous(question: str, previous: Sequence[str]) -> str:
    """Return the question after the one before it: the cheapest follow-up rewrite, worth .05 to .08 nDCG."""
    return f"{plain(previous[-1])}\n{question}" if previous else question  # its quotes and minuses are over


# --- legs -----------------------------------------------------------------------------------------


async def _search_legs(scope: Scope, run: _Run, memory: Memory) -> tuple[list[FoundChunk], list[FoundChunk]]:
    engine = engine_for(scope.workspace)
    legs = [_leg("dense", lambda: _dense(scope, engine, run, memory), run)]
    if run.config.is_hybrid:
        legs.append(_leg("lexical", lambda: _lexical(scope, engine, run), run))
    dense, *rest = await asyncio.gather(*legs)
    if all(leg.error for leg in run.legs):
        raise RetrievalFailed(" ".join(leg.error for leg in run.legs))
    return dense, rest[0] if rest else []


async def _leg(name: str, find: Callable[[], Awaitable[list[FoundChunk]]], run: _Run) -> list[FoundChunk]:
    """Run one leg. Its failure is noted, not raised: the other may answer."""
    started, found, error = perf_counter(), list[FoundChunk](), ""
    try:
        found = await find()
    except (InferenceError, SecretMissing, EngineError) as problem:
        error = str(problem)
    except DatabaseError:
        logger.exception("The %s leg failed", name)
        error = "The search engine did not answer."
    run.legs.append(Leg("dense" if name == "dense" else "lexical", len(found), _ms_since(started), error))
    return found


async def _dense(scope: Scope, engine: Engine, run: _Run, memory: Memory) -> list[FoundChunk]:
    vector = memory.vector
    if vector is None:
        started = perf_counter()
        async with open_embedder(scope.workspace.embedder.spec()) as embedder:
            [vector] = await embedder.embed([memory.embedded], "query")
        run.timings_ms["embed question"] = _ms_since(started)
        memory.embedding = vector
    return await _in_thread(lambda: engine.search_dense(vector, run.candidates, scope.where, run.sent))


async def _lexical(scope: Scope, engine: Engine, run: _Run) -> list[FoundChunk]:
    return await _in_thread(lambda: engine.search_lexical(run.sent, run.candidates, scope.where))


def _is_relevant(config: SearchConfig, dense: Sequence[FoundChunk], lexical: Sequence[FoundChunk]) -> bool:
    """Say whether anything found is about the question."""
    if not dense or config.relevance_floor is None:
        return True
    return dense[0].score >= config.relevance_floor or any(hit.coverage >= COVERED for hit in lexical)


async def _reranked(run: _Run, fused: list[Candidate]) -> list[Candidate]:
    """Return the best in the order of the workspace's cross-encoder; unchanged without one, or if it fails."""
    if run.config.reranker is None:
        return fused
    started, error, best = perf_counter(), "", fused[:RERANKED]
    try:
        async with open_reranker(run.config.reranker.spec()) as reranker:
            scores = await reranker.score(run.sent, [candidate.chunk.text for candidate in best])
        scored = [replace(each, rerank_score=score) for each, score in zip(best, scores, strict=True)]
        best = sorted(scored, key=lambda each: -(each.rerank_score or 0))
    except (InferenceError, SecretMissing) as problem:
        error = str(problem)
    run.legs.append(Leg("rerank", len(best), _ms_since(started), error))
    return best + fused[RERANKED:]


# --- passages -------------------------------------------------------------------------------------


def _passages(run: _Run, chosen: Sequence[Chosen]) -> list[Passage]:
    ids = {each.best.chunk.document_id for each in chosen}
    titles = titles_of(ids)
    known = []
    for each in chosen:
        chunk_ids = [chunk.chunk_id for chunk in each.chunks]
        if each.best.chunk.document_id not in titles:
            run.fates |= dict.fromkeys(chunk_ids, "its document was just removed")
            continue
        known.append(each)
        run.numbers |= dict.fromkeys(chunk_ids, len(known))
        run.fates |= dict.fromkeys(chunk_ids, f"merged with {len(known)}")
        run.fates[each.best.chunk.chunk_id] = IN_PROMPT
    return [
        _passage(number, each.as_candidate(), titles[each.best.chunk.document_id])
        for number, each in enumerate(known, 1)
    ]


def _passage(number: int, found: Candidate, title: str) -> Passage:
    chunk = found.chunk
    return Passage(
        number=number,
        document_id=chunk.document_id,
        document_title=title,
        section=chunk.section,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        title_path=chunk.title_path,
        page=chunk.page,
        score=found.score,
        dense_rank=found.dense_rank,
        dense_score=found.dense_score,
        lexical_rank=found.lexical_rank,
        lexical_score=found.lexical_score,
        rerank_score=found.rerank_score,
    )


def _traced(run: _Run) -> Iterator[Found]:
    ranks = {each.chunk.chunk_id: rank for rank, each in enumerate(run.fused, 1)}
    for position, each in enumerate(run.ordered[:TRACED], 1):
        chunk = each.chunk
        yield Found(
            chunk_id=chunk.chunk_id,
            document_id=chunk.document_id,
            section=chunk.section,
            start=chunk.start,
            end=chunk.end,
            rank=ranks[chunk.chunk_id],
            score=each.score,
            dense_rank=each.dense_rank,
            dense_score=each.dense_score,
            lexical_rank=each.lexical_rank,
            lexical_score=each.lexical_score,
            rerank_rank=None if each.rerank_score is None else position,
            rerank_score=each.rerank_score,
            fate=run.fates[chunk.chunk_id],
            passage=run.numbers.get(chunk.chunk_id),
        )


async def _in_thread(function: Callable[[], _T]) -> _T:
    result: _T = await database_sync_to_async(function, thread_sensitive=False)()
    return result


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
