"""Ranking metrics as trec_eval defines them: linear gains, rank from 1; a query without results counts 0."""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], depth: int = 10) -> float:
    ideal = _gain(sorted(grades.values(), reverse=True)[:depth])
    return _gain([grades.get(each, 0) for each in ranked[:depth]]) / ideal if ideal else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def recall(ranked: Sequence[str], grades: Mapping[str, int], depth: int) -> float:
    relevant = {each for each, grade in grades.items() if grade > 0}
    return len(relevant & set(ranked[:depth])) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    return next((1 / rank for rank, each in enumerate(ranked, 1) if grades.get(each, 0) > 0), 0.0)


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
