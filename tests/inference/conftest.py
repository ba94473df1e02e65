from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from inference.protocols import ChatModel
from inference.serving.app import Container
from inference.types import ChatEvent, ChatMessage, ChatRequest, EndpointSpec, Quotable, Vector
from tests.fakes.openai_server import OpenAIServer, embed

QUESTION = "What is the capital of France?"
REQUEST = ChatRequest(
    messages=(ChatMessage("user", f"[1] The capital of France is Paris.\n\n{QUESTION}"),),
    question=QUESTION,
    passages=(Quotable(1, "France", "France lies in Europe. The capital of France is Paris."),),
)


class WordEmbedder:
    """Nearness by common words; a query has its sign turned, so that one can tell the roles apart."""

    name = "words"

    def embed_queries(self, texts: Sequence[str]) -> list[Vector]:
        return [[-value for value in embed(text, 64)] for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        return [embed(text, 64) for text in texts]

    def length(self, text: str) -> int:
        return len(text)


class WordReranker:
    name = "common words"

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [float(len(set(query.split()) & set(passage.split()))) for query, passage in pairs]

    def length(self, pair: tuple[str, str]) -> int:
        return sum(map(len, pair))


@pytest.fixture
async def openai_server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@asynccontextmanager
async def running_app(app: web.Application) -> AsyncIterator[str]:
    """Yield the application's address."""
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def container_url() -> AsyncIterator[str]:
    """Of our container's own application, with models that need no weights."""
    async with running_app(Container(WordEmbedder(), WordReranker()).app()) as url:
        yield url


@pytest.fixture
def spec(openai_server: OpenAIServer) -> EndpointSpec:
    """An endpoint of the fake server."""
    return EndpointSpec("openai_compat", "fake", {"base_url": openai_server.base_url}, secret="sk-hush")


async def events_of(model: ChatModel, request: ChatRequest = REQUEST) -> list[ChatEvent]:
    async with aclosing(model.stream(request)) as events:
        return [event async for event in events]
