"""Hybrid search fusion: joins the results of the legs into one order.

Each leg's scores are normalised to the range from 0, its last candidate, to 1, its first. A candidate that
only one leg found gets 0 from the other. The weight of each leg is its confidence in this question: how far
its first candidate stands out from its tenth. A model that does not know the language scores everything
alike, so it weighs little. docs/adr/0017-fusion.md has the measurements.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from workspaces.engines import FoundChunk

from .types import Rank, Ranks

RANK_OF_REFERENCE = 10  # the candidate with which a leg's first one is compared
DENSE_WEIGHT = 1.2  # similarities are closer together than BM25 scores


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chunk, with its fused score and its rank in each leg."""

    chunk: FoundChunk
    score: float
    ranks: Ranks


def fuse(dense: Sequence[FoundChunk], lexical: Sequence[FoundChunk]) -> list[Candidate]:
    """Return each chunk once, best first. Both inputs are best first."""
    share = dense_share(dense, lexical)
    heights = {id: share * height for id, height in _heights(dense).items()}
    for id, height in _heights(lexical).items():
        heights[id] = heights.get(id, 0.0) + (1 - share) * height
    chunks, ranks = _rank_all({"dense": dense, "lexical": lexical})
    candidates = [Candidate(chunks[id], height, ranks[id]) for id, height in heights.items()]
    return sorted(candidates, key=lambda each: (-each.score, each.chunk.chunk_id))


def _rank_all(
    found: Mapping[str, Sequence[FoundChunk]],
) -> tuple[dict[int, FoundChunk], dict[int, dict[str, Rank]]]:
    """Return each chunk once, as the first leg that found it returned it, and its rank in each leg."""
    chunks: dict[int, FoundChunk] = {}
    ranks: defaultdict[int, dict[str, Rank]] = defaultdict(dict)
    for name, hits in found.items():
        for place, hit in enumerate(hits, 1):
            chunks.setdefault(hit.chunk_id, hit)
            ranks[hit.chunk_id][name] = Rank(place, hit.score)
    return chunks, ranks


def merge(first: Sequence[Candidate], second: Sequence[Candidate], share: float = 0.5) -> list[Candidate]:
    """Return the results of two searches as one list, best first. The ranks of `first` take precedence.

    share: the weight of `second`, 0 to 1.
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for weight, candidates in ((1 - share, first), (share, second)):
        for candidate in candidates:
            scores[candidate.chunk.chunk_id] += weight * candidate.score
    known = {each.chunk.chunk_id: each for each in (*second, *first)}
    merged = [replace(known[id], score=score) for id, score in scores.items()]
    return sorted(merged, key=lambda each: (-each.score, each.chunk.chunk_id))


def dense_share(dense: Sequence[FoundChunk], lexical: Sequence[FoundChunk]) -> float:
    """Return the weight of the dense leg, 0 to 1. The lexical leg has the rest."""
    if not dense or not lexical:
        return float(bool(dense))
    # The dense leg finds every chunk: with fewer than ten, its last one takes the place of the tenth. A chunk that the
    # lexical leg did not find scores 0.
    by_meaning = DENSE_WEIGHT * _standing_out(dense, dense[-1].score)
    by_words = _standing_out(lexical, 0.0)
    return by_meaning / (by_meaning + by_words) if by_meaning + by_words else 0.5


def _standing_out(found: Sequence[FoundChunk], least: float) -> float:
    """Return by which share of its score the first beats the tenth, 0 to 1. least: the score of a missing tenth."""
    first = found[0].score
    tenth = found[RANK_OF_REFERENCE - 1].score if len(found) >= RANK_OF_REFERENCE else least
    return min(1.0, (first - tenth) / abs(first)) if first else 0.0


def _heights(found: Sequence[FoundChunk]) -> dict[int, float]:
    if not found:
        return {}
    best, span = found[0].score, found[0].score - found[-1].score
    return {hit.chunk_id: 1 - (best - hit.score) / span if span else 1.0 for hit in found}
