"""The replies of OpenAI's API, as we send them and as the OpenAPI document describes them.

https://platform.openai.com/docs/api-reference/chat/object. Our extensions are `citations` and `grounding`.
Chunks omit the same fields as OpenAI's: set only the fields that exist, and serialise with `as_json`.
"""

from typing import Any

from pydantic import BaseModel


class Reply(BaseModel):
    def as_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class Citation(Reply):
    number: int  # as cited in the text: [1]
    document_id: str | None
    title: str
    page: int | None
    text: str


class AnswerMessage(Reply):
    role: str
    content: str
    refusal: str | None = None


class Choice(Reply):
    index: int
    message: AnswerMessage
    logprobs: dict[str, Any] | None = None
    finish_reason: str


class Usage(Reply):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Reply):
    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    citations: list[Citation]
    grounding: str


class ChunkDelta(Reply):
    role: str = ""
    content: str = ""


class ChunkChoice(Reply):
    index: int
    delta: ChunkDelta
    logprobs: dict[str, Any] | None
    finish_reason: str | None


class Chunk(Reply):
    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    citations: list[Citation] = []
    grounding: str = ""


class Model(Reply):
    id: str
    object: str
    created: int
    owned_by: str


class Models(Reply):
    object: str
    data: list[Model]


class ErrorDetail(Reply):
    message: str
    type: str
    param: str | None
    code: str | None


class Error(Reply):
    error: ErrorDetail
