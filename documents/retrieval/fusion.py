"""Puts the legs' findings into one order."""

from collections.abc import Sequence
from dataclasses import dataclass

from workspaces.engines import FoundChunk

RRF_K = 60  # Cormack, Clarke and Buettcher, SIGIR 2009


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chunk with what each leg said of it. Ranks are from 1; None: the leg did not find it."""

    chunk: FoundChunk
    score: float
    dense_rank: int | None
    dense_score: float | None
    lexical_rank: int | None
    lexical_score: float | None
    rerank_score: float | None = None  # a cross-encoder's own scale


def fuse(dense: Sequence[FoundChunk], lexical: Sequence[FoundChunk]) -> list[Candidate]:
    """Return each chunk once, best first, by reciprocal rank: raw scores of two kinds are never compared."""
    by_dense = {hit.chunk_id: (rank, hit) for rank, hit in enumerate(dense, 1)}
    by_lexical = {hit.chunk_id: (rank, hit) for rank, hit in enumerate(lexical, 1)}
    candidates = [_candidate(by_dense.get(id), by_lexical.get(id)) for id in {**by_dense, **by_lexical}]
    return sorted(candidates, key=lambda each: (-each.score, each.chunk.chunk_id))


def _candidate(dense: tuple[int, FoundChunk] | None, lexical: tuple[int, FoundChunk] | None) -> Candidate:
    found = [each for each in (dense, lexical) if each]
    return Candidate(
        chunk=found[0][1],
        score=sum(1 / (RRF_K + rank) for rank, _ in found),
        dense_rank=dense and dense[0],
        dense_score=dense and dense[1].score,
        lexical_rank=lexical and lexical[0],
        lexical_score=lexical and lexical[1].score,
    )
