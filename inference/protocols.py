"""The protocols of models (chat, embedding, reranking) and of their servers.

Providers implement these protocols, and all code above uses only them.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from .types import ChatEvent, ChatMessage, ChatRequest, Embeddings, Scores, ServerFacts, TextRole


class ChatModel(Protocol):
    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield Thinking and TextDelta as the model writes, then Usage, then Finished.

        Close the generator (`aclosing`) to stop the model. Raises InferenceError, before or between deltas.
        """
        ...


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        """Return one vector per text, in order, and the tokens used. Raises InferenceError."""
        ...


class Reranker(Protocol):
    async def score(self, query: str, passages: Sequence[str]) -> Scores:
        """Return one score per passage, in order, and the tokens used.

        Higher is better. Raises InferenceError.

        The scale is the model's own: compare only scores of the same call.
        """
        ...


class ModelServer(Protocol):
    async def facts(self) -> ServerFacts:
        """Return what the server reports about its model; every fact may be missing."""
        ...

    async def count(self, messages: Sequence[ChatMessage]) -> int:
        """Return how many tokens a prompt has, by the model's own tokenizer. Raises InferenceError."""
        ...
