"""Wire format of our model container's POST /invocations. Client and server both use this module.

{"type": "embeddings", "role": "query" | "passage", "input": [text, ...]}
    -> {"embeddings": [[number, ...], ...], "dimensions": number, "model": name}
{"type": "cross-encoder", "query": text, "passages": [text, ...]}
    -> {"scores": [number, ...], "model": name}

An error is an HTTP status with {"error": sentence}.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from inference.errors import BadReply, Rejected
from inference.types import TextRole, Vector

MAX_TEXTS = 2048  # per request
MAX_CHARACTERS = 100_000  # per text; models truncate long before that

Text = Annotated[str, Field(max_length=MAX_CHARACTERS)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddingsRequest(_Request):
    type: Literal["embeddings"]
    role: TextRole = "passage"
    input: Texts


class ScoresRequest(_Request):
    type: Literal["cross-encoder"]
    query: Text
    passages: Texts


Request = EmbeddingsRequest | ScoresRequest
_request: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="type")])


class _Embeddings(BaseModel):
    embeddings: list[list[FiniteFloat]]


class _Scores(BaseModel):
    scores: list[FiniteFloat]


def embeddings_request(texts: Sequence[str], role: TextRole) -> dict[str, Any]:
    return {"type": "embeddings", "role": role, "input": list(texts)}


def scores_request(query: str, passages: Sequence[str]) -> dict[str, Any]:
    return {"type": "cross-encoder", "query": query, "passages": list(passages)}


def read_request(body: bytes) -> Request:
    """Parse a request. Raise Rejected, which names the invalid field."""
    try:
        return _request.validate_json(body)
    except ValidationError as error:
        raise Rejected(_refusal(dict(error.errors(include_input=False, include_url=False)[0]))) from error


def embeddings_reply(vectors: list[Vector], model: str) -> dict[str, Any]:
    return {"embeddings": vectors, "dimensions": len(vectors[0]), "model": model}


def scores_reply(scores: list[float], model: str) -> dict[str, Any]:
    return {"scores": scores, "model": model}


def read_embeddings(reply: bytes) -> list[Vector]:
    try:
        return _Embeddings.model_validate_json(reply).embeddings
    except ValidationError as error:
        raise BadReply("The model container sent something that is not a list of embeddings.") from error


def read_scores(reply: bytes) -> list[float]:
    try:
        return _Scores.model_validate_json(reply).scores
    except ValidationError as error:
        raise BadReply("The model container sent something that is not a list of scores.") from error


def _refusal(error: dict[str, Any]) -> str:
    # The first part of the location is the request type, which is not a field.
    place = ".".join(str(part) for part in error["loc"] if part not in {"embeddings", "cross-encoder"})
    return f"{place}: {error['msg']}." if place else f"{error['msg']}."
