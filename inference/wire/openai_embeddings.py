"""OpenAI's embeddings: builds the request body, and parses the reply into vectors."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, FiniteFloat, ValidationError

from inference.errors import BadReply
from inference.tokens import estimate_usage
from inference.types import Embeddings, Usage


class _Item(BaseModel):
    index: int
    embedding: list[FiniteFloat]


class _Usage(BaseModel):
    prompt_tokens: int


class _Reply(BaseModel):
    data: list[_Item]
    usage: _Usage | None = None


def body(model: str, texts: Sequence[str], dimensions: int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "float"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    return body


def read_reply(data: bytes, texts: Sequence[str]) -> Embeddings:
    """Return the vectors in the order of the texts, by the indexes in the reply. Raises BadReply."""
    try:
        reply = _Reply.model_validate_json(data)
    except ValidationError as error:
        raise BadReply("The model's server sent something that is not a list of embeddings.") from error
    vectors = [item.embedding for item in sorted(reply.data, key=lambda item: item.index)]
    return Embeddings(vectors, Usage(reply.usage.prompt_tokens, 0) if reply.usage else estimate_usage(*texts))
