"""Compares several models on the same texts.

Nothing is stored. A model that fails does not affect the others.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from accounts.models import User
from core.waiting import wait_for
from inference.connect import open_embedder, open_reranker
from inference.errors import InferenceError
from inference.tokens import estimate_tokens
from inference.types import TextRole, Vector
from models_registry.errors import EndpointError
from models_registry.models import Endpoint
from workspaces.models import Metric

MAX_MODELS = 4
MAX_TEXTS = 12  # a larger matrix is hard to read
MAX_PASSAGES = 32
MAX_CHARACTERS = 4_000  # of one text
LIMIT_S = 30.0  # for all models together
_LEVELS = 10  # of a heat map

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModelResult(Generic[_T]):
    """The outcome of one model: a result, or an error as a sentence."""

    endpoint: Endpoint
    result: _T | None
    took_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Similarities:
    texts: Sequence[str]
    metric: Metric
    dimensions: int
    tokens: int  # of all texts, estimated: embedding models do not report them
    matrix: tuple[tuple[float, ...], ...]  # [row][column], by the metric; for L2, the distance

    def rows(self) -> Iterator[tuple[str, list[tuple[float, int]]]]:
        """Yield each text with its values, each with its level on the heat map, 0 to _LEVELS."""
        largest = max(max(map(abs, row)) for row in self.matrix) or 1.0
        for text, values in zip(self.texts, self.matrix, strict=True):
            yield text, [(value, _level(value, largest, self.metric)) for value in values]


def _level(value: float, largest: float, metric: Metric) -> int:
    share = (
        1 - value / largest if metric == Metric.L2 else value / (1 if metric == Metric.COSINE else largest)
    )
    return round(_LEVELS * min(1.0, max(0.0, share)))


@dataclass(frozen=True, slots=True)
class Ranked:
    rank: int  # from 1
    number: int  # the passage's position in the input, from 1
    score: float  # on the model's own scale
    text: str


def similarities(
    user: User, texts: Sequence[str], models: Sequence[Endpoint], metric: str, role: TextRole
) -> list[ModelResult[Similarities]]:
    """Return the similarity of each pair of texts by each embedding model."""

    async def embed(endpoint: Endpoint) -> Similarities:
        async with open_embedder(endpoint.spec()) as embedder:
            vectors = (await embedder.embed(texts, role)).vectors
        nearness = _MEASURES[Metric(metric)]
        matrix = tuple(tuple(nearness(a, b) for b in vectors) for a in vectors)
        return Similarities(texts, Metric(metric), len(vectors[0]), sum(map(estimate_tokens, texts)), matrix)

    return wait_for(_each, user.pk)(models, embed)


def rankings(
    user: User, query: str, passages: Sequence[str], models: Sequence[Endpoint]
) -> list[ModelResult[tuple[Ranked, ...]]]:
    """Return the passages in each cross-encoder's order, best first."""

    async def score(endpoint: Endpoint) -> tuple[Ranked, ...]:
        async with open_reranker(endpoint.spec()) as reranker:
            scores = (await reranker.score(query, passages)).values
        order = sorted(range(len(passages)), key=lambda index: (-scores[index], index))
        return tuple(
            Ranked(rank, index + 1, scores[index], passages[index]) for rank, index in enumerate(order, 1)
        )

    return wait_for(_each, user.pk)(models, score)


async def _each(
    models: Sequence[Endpoint], ask: Callable[[Endpoint], Awaitable[_T]]
) -> list[ModelResult[_T]]:
    return list(await asyncio.gather(*(_outcome(each, ask) for each in models)))


async def _outcome(endpoint: Endpoint, ask: Callable[[Endpoint], Awaitable[_T]]) -> ModelResult[_T]:
    started, result, error = perf_counter(), None, ""
    try:
        async with asyncio.timeout(LIMIT_S):
            result = await ask(endpoint)
    except (InferenceError, EndpointError) as problem:
        error = str(problem)
    except TimeoutError:
        error = f"{endpoint.name} did not answer within {LIMIT_S:.0f} seconds."
    return ModelResult(endpoint, result, round((perf_counter() - started) * 1000, 1), error)


def _inner_product(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _cosine(a: Vector, b: Vector) -> float:
    lengths = math.hypot(*a) * math.hypot(*b)
    return _inner_product(a, b) / lengths if lengths else 0.0


_MEASURES: dict[Metric, Callable[[Vector, Vector], float]] = {
    Metric.COSINE: _cosine,
    Metric.INNER_PRODUCT: _inner_product,
    Metric.L2: math.dist,
}
