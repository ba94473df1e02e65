"""HTTP application: GET /ping and POST /invocations. It logs counts and times, never texts."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from inference.errors import Rejected
from inference.types import Vector
from inference.wire import embed_rerank
from inference.wire.embed_rerank import EmbeddingsRequest, Request, ScoresRequest

from .batching import BatchQueue, QueueFull, Worker

MAX_BODY_BYTES = 32 * 2**20

log = logging.getLogger(__name__)


class EmbeddingModel(Protocol):
    name: str

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]: ...
    def embed_passages(self, texts: Sequence[str]) -> list[Vector]: ...
    def length(self, text: str) -> int: ...


class CrossEncoderModel(Protocol):
    name: str

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]: ...
    def length(self, pair: tuple[str, str]) -> int: ...


@dataclass(frozen=True)
class _Embedding:
    name: str
    queries: BatchQueue
    passages: BatchQueue


@dataclass(frozen=True)
class _Scoring:
    name: str
    pairs: BatchQueue


class Container:
    def __init__(self, embedding: EmbeddingModel | None, cross_encoder: CrossEncoderModel | None) -> None:
        self._embedding = self._scoring = None
        lanes: list[BatchQueue] = []  # by priority: users wait for queries and scores, but not for passages
        if embedding:
            queries = BatchQueue(embedding.embed_queries, embedding.length)
            passages = BatchQueue(embedding.embed_passages, embedding.length)
            self._embedding = _Embedding(embedding.name, queries, passages)
            lanes = [queries, passages]
        if cross_encoder:
            self._scoring = _Scoring(
                cross_encoder.name, BatchQueue(cross_encoder.score, cross_encoder.length)
            )
            lanes.insert(1, self._scoring.pairs)
        self._worker = Worker(lanes)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/invocations", self._invocations)
        app.cleanup_ctx.append(self._finish)
        return app

    async def _finish(self, app: web.Application) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self._worker.stop)

    async def _ping(self, request: web.Request) -> web.Response:
        names = [part.name for part in (self._embedding, self._scoring) if part]
        return web.json_response({"models": names}, status=200 if self._worker.is_well else 500)

    async def _invocations(self, request: web.Request) -> web.Response:
        began = time.monotonic()
        try:
            asked = embed_rerank.read_request(await request.read())
            reply = await self._answer(asked)
        except Rejected as error:
            return _refusal(400, str(error))
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, f"Send at most {MAX_BODY_BYTES:,} bytes at once.")
        except QueueFull:
            return _refusal(503, "Too many texts are waiting: try again in some seconds.")
        log.info("%s: %d texts in %.0f ms", asked.type, _count(asked), (time.monotonic() - began) * 1000)
        return web.json_response(reply)

    async def _answer(self, asked: Request) -> dict[str, Any]:
        match asked:
            case EmbeddingsRequest() if part := self._embedding:
                lane = part.queries if asked.role == "query" else part.passages
                return embed_rerank.embeddings_reply(await self._run(lane, asked.input), part.name)
            case ScoresRequest() if scoring := self._scoring:
                pairs = [(asked.query, passage) for passage in asked.passages]
                return embed_rerank.scores_reply(await self._run(scoring.pairs, pairs), scoring.name)
        variable = "SERVING_EMBEDDING_MODEL" if asked.type == "embeddings" else "SERVING_CROSS_ENCODER"
        raise Rejected(f"This container has no model for {asked.type}: start it with {variable}.")

    async def _run(self, lane: BatchQueue, values: Sequence[Any]) -> list[Any]:
        # A client that disconnects cancels this request, and with it the inputs that are still queued.
        return await asyncio.wrap_future(self._worker.submit(lane, values))


def _count(asked: Request) -> int:
    return len(asked.input if isinstance(asked, EmbeddingsRequest) else asked.passages)


def _refusal(status: int, sentence: str) -> web.Response:
    headers = {"Retry-After": "2"} if status == 503 else {}
    return web.json_response({"error": sentence}, status=status, headers=headers)
