"""The three things a model can do for us, and what its server tells about it. Providers implement them; everything above uses only them."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from .types import ChatEvent, ChatMessage, ChatRequest, Embeddings, Scores, ServerFacts, TextRole


class ChatModel(Protocol):
    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield TextDelta as it is written, then Usage, then Finished.

        Close it (`aclosing`) to stop the model. Raises InferenceError, before or between deltas.
        """
        ...


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        """Return one vector per text, in order, and what it took. Raises InferenceError."""
        ...


class Reranker(Protocol):
    async def score(self, query: str, passages: Sequence[str]) -> Scores:
        """Return one score per passage, in order, higher is better, and what it took. Raises InferenceError.

        The scale is the model's own: compare scores of one call only.
        """
        ...


class ModelServer(Protocol):
    async def facts(self) -> ServerFacts:
        """Return what the server says about its model: as little as nothing."""
        ...

    async def count(self, messages: Sequence[ChatMessage]) -> int:
        """Return how many tokens a prompt is, by the model's own tokenizer. Raises InferenceError."""
        ...
