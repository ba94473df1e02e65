"""The three things a model can do for us, and what its server tells about it. Providers implement them; everything above uses only them."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from .types import ChatEvent, ChatMessage, ChatRequest, ServerFacts, TextRole, Vector


class ChatModel(Protocol):
    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield TextDelta as it is written, then Usage, then Finished.

        Close it (`aclosing`) to stop the model. Raises InferenceError, before or between deltas.
        """
        ...


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str], role: TextRole) -> list[Vector]:
        """Return one vector per text, in order. Raises InferenceError."""
        ...


class Reranker(Protocol):
    async def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, in order, higher is better. Raises InferenceError.

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
