"""OpenAI's embeddings: texts as a body, its reply as vectors."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, FiniteFloat, ValidationError

from inference.errors import BadReply
from inference.types import Vector


class _Item(BaseModel):
    index: int
    embedding: list[FiniteFloat]


class _Reply(BaseModel):
    data: list[_Item]


def body(model: str, texts: Sequence[str], dimensions: int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "float"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    return body


def read_reply(data: bytes) -> list[Vector]:
    """Return the vectors in the order of the texts; the reply numbers them. Raises BadReply."""
    try:
        items = _Reply.model_validate_json(data).data
    except ValidationError as error:
        raise BadReply("The model's server sent something that is no list of embeddings.") from error
    return [item.embedding for item in sorted(items, key=lambda item: item.index)]
