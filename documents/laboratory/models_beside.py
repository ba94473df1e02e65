"""What several models make of the same texts. Nothing is stored; one that fails says why and hides no other."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

from inference.connect import open_embedder, open_reranker
from inference.errors import InferenceError
from inference.tokens import estimate_tokens
from inference.types import TextRole, Vector
from models_registry.models import Endpoint
from models_registry.secrets import SecretMissing
from workspaces.models import Metric

MODELS_MOST = 4
TEXTS_MOST = 12  # a matrix that one can read
PASSAGES_MOST = 32
CHARACTERS_MOST = 4_000  # of one text
LIMIT_S = 30.0  # for all models together

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """What one model came to: a result, or an error in words."""

    endpoint: Endpoint
    result: _T | None
    took_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Similarities:
    dimensions: int
    tokens: int  # of all texts, estimated: embedding models do not tell
    matrix: tuple[tuple[float, ...], ...]  # [row][column], by the metric; of L2, the distance


@dataclass(frozen=True, slots=True)
class Ranked:
    rank: int  # from 1
    number: int  # of the passage as it was given, from 1
    score: float  # the model's own scale
    text: str


async def similarities(
    texts: Sequence[str], endpoints: Sequence[Endpoint], metric: Metric, role: TextRole
) -> list[Outcome[Similarities]]:
    """Return how alike each embedding model finds each pair of texts."""

    async def embed(endpoint: Endpoint) -> Similarities:
        async with open_embedder(endpoint.spec()) as embedder:
            vectors = await embedder.embed(texts, role)
        rows = tuple(tuple(_MEASURES[metric](a, b) for b in vectors) for a in vectors)
        return Similarities(len(vectors[0]), sum(map(estimate_tokens, texts)), rows)

    return await _each(endpoints, embed)


async def rankings(
    question: str, passages: Sequence[str], endpoints: Sequence[Endpoint]
) -> list[Outcome[tuple[Ranked, ...]]]:
    """Return the passages in each cross-encoder's order, the best first."""

    async def score(endpoint: Endpoint) -> tuple[Ranked, ...]:
        async with open_reranker(endpoint.spec()) as reranker:
            scores = await reranker.score(question, passages)
        order = sorted(range(len(passages)), key=lambda index: (-scores[index], index))
        return tuple(
            Ranked(rank, index + 1, scores[index], passages[index]) for rank, index in enumerate(order, 1)
        )

    return await _each(endpoints, score)


async def _each(endpoints: Sequence[Endpoint], ask: Callable[[Endpoint], Awaitable[_T]]) -> list[Outcome[_T]]:
    return list(await asyncio.gather(*(_outcome(each, ask) for each in endpoints)))


async def _outcome(endpoint: Endpoint, ask: Callable[[Endpoint], Awaitable[_T]]) -> Outcome[_T]:
    started, result, error = perf_counter(), None, ""
    try:
        async with asyncio.timeout(LIMIT_S):
            result = await ask(endpoint)
    except (InferenceError, SecretMissing) as problem:
        error = str(problem)
    except TimeoutError:
        error = f"{endpoint.name} did not answer within {LIMIT_S:.0f} seconds."
    return Outcome(endpoint, result, round((perf_counter() - started) * 1000, 1), error)


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
