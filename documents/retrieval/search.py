"""The search pipeline. Each stage adds to the trace.

Cache -> hybrid search (dense and lexical legs; for a follow-up also of both questions, and in parallel with
query rewriting) -> fusion -> relevance floor -> reranking -> passages that fit the token budget.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from time import perf_counter

from core.db.threads import to_thread
from core.text import storable
from documents.errors import RetrievalFailed
from inference.connect import open_reranker
from inference.errors import BadReply, InferenceError
from models_registry.completion import Completion
from models_registry.errors import EndpointError
from workspaces.engines import engine_for

from .cache import SearchCache, titles_of
from .follow_up import RELATED, STANDS_ALONE, UNRELATED, are_related, count_own_words, with_previous
from .fusion import Candidate, merge
from .passages import ChosenPassage, choose
from .query_rewrite import LIMIT_S, open_query_rewrite, read_query
from .retrievers import Retrievers, ms_since
from .types import (
    IN_PROMPT,
    Condensed,
    Found,
    Leg,
    Passage,
    Rank,
    Ranks,
    Retrieval,
    Scope,
    SearchConfig,
    SearchOutcome,
    Trace,
)

CANDIDATES = 100  # per leg, at least
TRACED = 50  # candidates in a trace
RERANKED = 20  # candidates that a cross-encoder scores with the question


@dataclass(slots=True)
class _Run:
    """The state of one search while it runs."""

    question: str
    config: SearchConfig
    queries: Sequence[str]  # the question; for a follow-up, also the previous question and this one
    is_elliptical: bool = False  # only the previous question says what it is about
    is_related: bool | None = None  # whether the previous question belongs to this one; None: not searched
    started: float = field(default_factory=perf_counter)
    legs: list[Leg] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)
    caches: dict[str, str] = field(default_factory=dict)
    condensed: Condensed | None = None
    fused: list[Candidate] = field(default_factory=list)
    ordered: list[Candidate] = field(default_factory=list)  # `fused`, in the order of the last stage so far
    fates: dict[int, str] = field(default_factory=dict)  # chunk id -> its fate
    numbers: dict[int, int] = field(default_factory=dict)  # chunk id -> the passage that quotes it

    def note(self, fate: str, candidates: Sequence[Candidate]) -> None:
        """Record the fate of these candidates. A later stage may overwrite it."""
        self.fates.update(dict.fromkeys((each.chunk.chunk_id for each in candidates), fate))

    def trace(self) -> Trace:
        dropped = Counter(fate for id, fate in self.fates.items() if id not in self.numbers)
        return Trace(
            question=self.question,
            sent=self.queries[-1],
            is_related=self.is_related,
            legs=tuple(self.legs),
            timings_ms=self.timings_ms | {"total": ms_since(self.started)},
            dropped=dict(dropped),
            candidates=tuple(_trace_candidates(self)),
            condensed=self.condensed,
            caches=self.caches,
        )

    def result(self, outcome: SearchOutcome, passages: Sequence[Passage] = ()) -> Retrieval:
        return Retrieval(outcome, tuple(passages), self.trace())


async def search(
    scope: Scope,
    question: str,
    config: SearchConfig | None = None,
    *,
    previous: Sequence[str] = (),
    limit: int = 6,
    token_budget: int = 1800,
    fresh: bool = False,
) -> Retrieval:
    """Return the best passages for a question, ready to quote, with the trace of how they were found.

    config: how to search; None: with the workspace's settings.
    previous: the user's earlier questions in this session, oldest first; the last one counts, too.
    limit: the most passages. token_budget: the most tokens of all passages together (estimated).
    fresh: bypass the cache.
    Raises RetrievalFailed if no leg could answer.
    """
    config = config or SearchConfig.of(scope.workspace)
    run = await _begin(question, config, previous, scope.workspace.languages)
    cache = SearchCache(scope, config, run.queries, limit, token_budget)
    run.caches = cache.seen
    if not fresh and (cached := await to_thread(cache.get)()):
        return _as_of_now(cached, run)
    legs = [
        Retrievers(scope, config, query, max(CANDIDATES, limit), vector)
        for query, vector in zip(run.queries, cache.vectors, strict=True)
    ]
    is_relevant = await _search_queries(run, legs, previous)
    found = await _quotable(scope, run, is_relevant, limit, token_budget)
    if scope.where.access_level is not None:
        found = _without_scores(found)
    await to_thread(cache.put)(found, [each.vector for each in legs])
    return found


async def _begin(
    question: str, config: SearchConfig, previous: Sequence[str], languages: Sequence[str]
) -> _Run:
    """Decide whether to search the previous question, too."""
    own_words = await to_thread(count_own_words)(question, languages) if previous else STANDS_ALONE
    if own_words >= STANDS_ALONE:
        return _Run(question, config, (question,))
    both = with_previous(question, previous[-1])
    return _Run(question, config, (question, both), is_elliptical=own_words == 0)


def _as_of_now(cached: Retrieval, run: _Run) -> Retrieval:
    """Return a cached result with the question, the time and the caches of this search."""
    timings_ms = {"total": ms_since(run.started)}
    trace = replace(cached.trace, question=run.question, timings_ms=timings_ms, caches=run.caches)
    return replace(cached, trace=trace)


async def _search_queries(run: _Run, legs: Sequence[Retrievers], previous: Sequence[str]) -> bool:
    """Search all queries concurrently, and fuse their results into the run. Return whether any is relevant.

    legs: the search of each of `run.queries`.
    """
    alone = legs[0]
    async with _condensing(run, alone, previous) as condensing:
        _, *together = await asyncio.gather(alone.search(), *map(_search_or_none, legs[1:]))
        rewritten = await condensing if condensing else None
    # A failed leg of the second query is shown, and keeps the result out of the cache.
    run.legs = [*alone.took, *(leg for each in legs[1:] for leg in each.took if leg.error)]
    if alone.embedding_ms is not None:
        run.timings_ms["embed question"] = alone.embedding_ms
    deciding, run.fused = [alone], alone.fused
    for both in filter(None, together):
        run.is_related = run.is_elliptical or are_related(alone, both)
        run.fused = merge(run.fused, both.fused, RELATED if run.is_related else UNRELATED)
        # Otherwise the previous question has no say in this: a change of subject would always seem relevant.
        deciding += [both] if run.is_elliptical else []
    if rewritten:
        deciding.append(rewritten)
        run.fused = merge(run.fused, rewritten.fused)
    run.ordered = run.fused
    return any(each.is_relevant for each in deciding)


def _without_scores(found: Retrieval) -> Retrieval:
    """Return the result with ranks, but without the scores that depend on the rarity of words.

    Rarity counts the documents of the whole workspace. With the scores, a user with an access level could find out
    which words are in documents above it, by adding a probe document for each guess.
    """
    passages = tuple(
        replace(each, score=1 / each.number, ranks=_without_rarity(each.ranks)) for each in found.passages
    )
    candidates = tuple(
        replace(each, score=1 / each.rank, ranks=_without_rarity(each.ranks))
        for each in found.trace.candidates
    )
    return replace(found, passages=passages, trace=replace(found.trace, candidates=candidates))


def _without_rarity(ranks: Ranks) -> Ranks:
    return {name: replace(rank, score=None) if name == "lexical" else rank for name, rank in ranks.items()}


async def _search_or_none(legs: Retrievers) -> Retrievers | None:
    """Return the search, or None if it fails: the search of the question alone can answer without it."""
    try:
        await legs.search()
    except RetrievalFailed:
        return None
    return legs


async def _quotable(scope: Scope, run: _Run, is_relevant: bool, limit: int, token_budget: int) -> Retrieval:
    """Return the passages made from the fused candidates, if those are relevant."""
    if not run.fused:
        count = await to_thread(engine_for(scope.workspace).count)()
        return run.result("nothing_relevant" if count else "empty")
    if not is_relevant:
        run.note("below the relevance floor", run.fused)
        return run.result("nothing_relevant")
    run.ordered = await _rerank(run, run.fused)
    choice = choose(run.ordered, run.config, limit, token_budget)
    run.fates |= choice.fates
    passages = await to_thread(_passages)(run, choice.chosen)
    return run.result("found", passages)


async def _rerank(run: _Run, fused: list[Candidate]) -> list[Candidate]:
    """Rerank the best candidates with the cross-encoder. Without one, or if it fails, keep the order."""
    if run.config.reranker is None:
        return fused
    started, error, best = perf_counter(), "", fused[:RERANKED]
    try:
        async with open_reranker(run.config.reranker.spec()) as reranker:
            query = run.queries[-1 if run.is_related else 0]
            scores = (await reranker.score(query, [candidate.chunk.text for candidate in best])).values
        if not all(map(isfinite, scores)):
            raise BadReply("The cross-encoder returned scores that are not finite numbers.")
        ordered = sorted(zip(best, scores, strict=True), key=lambda each: -each[1])
        best = [
            replace(each, ranks={**each.ranks, "rerank": Rank(place, score)})
            for place, (each, score) in enumerate(ordered, 1)
        ]
    except (InferenceError, EndpointError) as problem:
        error = storable(str(problem))
    run.legs.append(Leg("rerank", len(best), ms_since(started), error))
    return best + fused[RERANKED:]


# --- query rewriting ------------------------------------------------------------------------------


@asynccontextmanager
async def _condensing(
    run: _Run, legs: Retrievers, previous: Sequence[str]
) -> AsyncIterator[asyncio.Task[Retrievers | None] | None]:
    """Yield the task that rewrites the query and searches it in parallel, or None if there is none."""
    if run.config.condenser is None or not previous:
        yield None
        return
    rewrite = open_query_rewrite(run.config.condenser, run.question, previous)
    task = asyncio.create_task(_search_rewritten(run, legs, rewrite))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _search_rewritten(run: _Run, plainly: Retrievers, rewrite: Completion) -> Retrievers | None:
    """Rewrite the query with a model and search it. Return None if that takes too long or fails."""
    said, error, legs = "", "", None
    try:
        async with asyncio.timeout(LIMIT_S):
            if said := read_query(await rewrite.run()):
                legs = replace(plainly, sent=said, vector=None, took=[])
                await legs.search()
    except TimeoutError:
        legs, error = None, f"It took longer than {LIMIT_S:g} s."
    except (InferenceError, EndpointError, RetrievalFailed) as problem:
        legs, error = None, str(problem)
    finally:
        took, endpoint = rewrite.usage(), rewrite.endpoint
        cost = str(endpoint.cost(took.input_tokens, took.output_tokens))
        counted = (took.input_tokens, took.output_tokens, took.is_estimate)
        run.condensed = Condensed(endpoint.name, said if legs else "", error, *counted, cost)
    return legs


# --- passages -------------------------------------------------------------------------------------


def _passages(run: _Run, chosen: Sequence[ChosenPassage]) -> list[Passage]:
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
        ranks=found.ranks,
    )


def _trace_candidates(run: _Run) -> Iterator[Found]:
    ranks = {each.chunk.chunk_id: rank for rank, each in enumerate(run.fused, 1)}
    for each in run.ordered[:TRACED]:
        chunk = each.chunk
        yield Found(
            chunk_id=chunk.chunk_id,
            document_id=chunk.document_id,
            section=chunk.section,
            start=chunk.start,
            end=chunk.end,
            rank=ranks[chunk.chunk_id],
            score=each.score,
            ranks=each.ranks,
            fate=run.fates[chunk.chunk_id],
            passage=run.numbers.get(chunk.chunk_id),
        )
