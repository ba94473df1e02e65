"""Hybrid search of one query: the dense and the lexical leg run concurrently."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from typing import Literal

from django.db import DatabaseError

from core.db.threads import to_thread
from core.text import storable
from documents.errors import RetrievalFailed
from inference.connect import open_embedder
from inference.errors import InferenceError
from inference.types import Vector
from models_registry.errors import EndpointError
from workspaces.engines import FoundChunk, engine_for, plain_query
from workspaces.errors import EngineError

from .fusion import Candidate, fuse
from .types import Leg, Scope, SearchConfig

logger = logging.getLogger(__name__)

# A chunk with this share of a question's words, weighted by rarity, is relevant, however far its vector is
# (docs/adr/0022-relevance.md).
COVERED = 0.2


@dataclass(slots=True)
class Retrievers:
    """The search of one query, with its results."""

    scope: Scope
    config: SearchConfig
    sent: str
    limit: int  # chunks per leg
    vector: Vector | None = None  # the query's embedding; None: `search` asks the embedder
    took: list[Leg] = field(default_factory=list)
    embedding_ms: float | None = None
    dense: list[FoundChunk] = field(default_factory=list)
    lexical: list[FoundChunk] = field(default_factory=list)
    fused: list[Candidate] = field(default_factory=list)

    async def search(self) -> None:
        """Run the legs and fuse their results. Raises RetrievalFailed if no leg could answer."""
        legs = [self._leg("dense", self._by_meaning)]
        if self.config.is_hybrid:
            legs.append(self._leg("lexical", self._by_words))
        self.dense, *rest = await asyncio.gather(*legs)
        if all(leg.error for leg in self.took):
            raise RetrievalFailed(" ".join(leg.error for leg in self.took))
        self.lexical = rest[0] if rest else []
        self.fused = fuse(self.dense, self.lexical)

    @property
    def is_relevant(self) -> bool:
        """Return whether any result is relevant to the question."""
        floor = self.config.floor_for(self.sent)
        if not self.dense or floor is None:
            return bool(self.fused)
        return self.dense[0].score >= floor or any(hit.coverage >= COVERED for hit in self.lexical)

    async def _leg(
        self, name: Literal["dense", "lexical"], find: Callable[[], Awaitable[list[FoundChunk]]]
    ) -> list[FoundChunk]:
        """Run one leg. Record its failure instead of raising it, because the other leg may answer."""
        started, found, error = perf_counter(), list[FoundChunk](), ""
        try:
            found = [hit for hit in await find() if isfinite(hit.score)]
        except (InferenceError, EndpointError, EngineError) as problem:
            error = storable(str(problem))
        except DatabaseError:
            logger.exception("The %s leg failed", name)
            error = "The search engine did not answer."
        self.took.append(Leg(name, len(found), ms_since(started), error))
        return found

    async def _by_meaning(self) -> list[FoundChunk]:
        vector = self.vector or await self._embed()
        engine, where = engine_for(self.scope.workspace), self.scope.where
        return await to_thread(engine.search_dense)(vector, self.limit, where, self.sent)

    async def _embed(self) -> Vector:
        started = perf_counter()
        async with open_embedder(self.scope.workspace.embedder.spec()) as embedder:
            [self.vector] = (await embedder.embed([plain_query(self.sent)], "query")).vectors
        self.embedding_ms = ms_since(started)
        return self.vector

    async def _by_words(self) -> list[FoundChunk]:
        engine, where = engine_for(self.scope.workspace), self.scope.where
        return await to_thread(engine.search_lexical)(self.sent, self.limit, where)


def ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
