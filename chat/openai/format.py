"""Translates between OpenAI's chat completions format and ours: requests to questions, events to replies.

https://platform.openai.com/docs/api-reference/chat. Our extensions are `filters`, `citations` and
`grounding`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from chat.answering.answer_request import Parameters
from chat.answering.history import Exchange
from chat.answering.imported_history import ImportedHistory
from chat.log.events import (
    Delta,
    Event,
    Failed,
    Finished,
    Restarted,
    SourcePassage,
    Sources,
    Stopped,
    Thinking,
    UsageCounted,
)
from inference.thinking import without_thinking

from .replies import (
    AnswerMessage,
    Choice,
    Chunk,
    ChunkChoice,
    ChunkDelta,
    Citation,
    Completion,
    Error,
    ErrorDetail,
    Model,
    Usage,
)

_OURS = Parameters()  # our defaults
# Parameters that we ignore: they do not change the text, or are only hints.
_PASSED_OVER = frozenset(
    [
        "user",
        "metadata",
        "store",
        "seed",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "parallel_tool_calls",
        "reasoning_effort",
        "verbosity",
        "top_logprobs",
    ]
)
# Parameters that would change the text and that we do not support: only their no-op values are accepted.
_ASKS_NOTHING: Mapping[str, Sequence[Any]] = {
    "n": [1],
    "tools": [[]],
    "tool_choice": ["none", "auto"],
    "functions": [[]],
    "function_call": ["none", "auto"],
    "stop": [[], ""],
    "logprobs": [False],
    "logit_bias": [{}],
    "frequency_penalty": [0],
    "presence_penalty": [0],
    "response_format": [{"type": "text"}],
    "modalities": [["text"]],
}


class ApiError(Exception):
    """An error in OpenAI's format, sent instead of an answer."""

    def __init__(self, words: str, status: int = 400, *, code: str | None = None, param: str | None = None):
        super().__init__(words)
        self.status, self.code, self.param = status, code, param

    def as_json(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        detail = ErrorDetail(message=str(self), type=kind, param=self.param, code=self.code)
        return Error(error=detail).as_json()


# --- requests ------------------------------------------------------------------------------------


_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_OTHER_PARTS = {"image": "Images are", "audio": "Sound is", "file": "Files are", "video": "Videos are"}


def _text_of_parts(content: Any) -> Any:
    """Return the text of a content that is a list of parts. Raises ValueError for parts that are no text."""
    if not isinstance(content, list):
        return content
    return "\n".join(_text_of_part(part) for part in content)


def _text_of_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = str(part.get("type")) if isinstance(part, dict) else "null"
    text = part.get(_TEXT_PARTS[kind]) if kind in _TEXT_PARTS else None
    if isinstance(text, str):
        return text
    words = next(
        (words for name, words in _OTHER_PARTS.items() if name in kind), f"Parts of type {kind[:40]!r} are"
    )
    raise ValueError(f"{words} not taken here: send the content as text.")


class Message(BaseModel):
    """One message of a request.

    Unknown fields are ignored: clients send back the messages that they got, with fields of newer API versions.
    """

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str | None, BeforeValidator(_text_of_parts)] = None

    @property
    def text(self) -> str:
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(max_length=200)
    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int = _OURS.max_tokens
    max_completion_tokens: int | None = None  # the newer name of max_tokens
    temperature: float = _OURS.temperature
    top_p: float = _OURS.top_p
    # Our extension: which of the workspace's documents to search, for example {"department": ["legal"]}
    filters: dict[str, Any] = Field(default_factory=dict)

    @property
    def parameters(self) -> Parameters:
        longest = self.max_completion_tokens or self.max_tokens
        return Parameters(longest, self.temperature, self.top_p, streaming=self.stream)


def parse_request(body: bytes) -> Request:
    """Parse and validate a request body. Raises ApiError."""
    try:
        raw = from_json(body)
    except ValueError as error:
        raise ApiError("The body is not valid JSON.") from error
    if not isinstance(raw, dict):
        raise ApiError("The body must be a JSON object.")
    asked = {name: value for name, value in raw.items() if _asks_something(name, value)}
    for name in asked:
        if name in _ASKS_NOTHING:
            raise ApiError(
                f"{name} is not supported here: leave it out.", code="unsupported_value", param=name
            )
    try:
        return Request.model_validate(asked)
    except ValidationError as error:
        raise _not_understood(error) from error


def _asks_something(name: str, value: Any) -> bool:
    return value is not None and name not in _PASSED_OVER and value not in _ASKS_NOTHING.get(name, ())


def _not_understood(error: ValidationError) -> ApiError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return ApiError(f"Unrecognized request argument supplied: {place[:80]}", param=place[:80])
    if first["type"] == "value_error":
        return ApiError(str(first["ctx"]["error"]), code="unsupported_value", param=place[:80])
    return ApiError(f"{place}: {first['msg']}"[:300], param=place[:80])


def conversation(messages: Sequence[Message]) -> tuple[ImportedHistory, str]:
    """Split the messages into the earlier history and the question, which is the user's last message.

    Raises ApiError.
    """
    instructions = [each.text for each in messages if each.role in ("system", "developer")]
    rest = [each for each in messages if each.role in ("user", "assistant")]
    said = [(role, _join_texts(some)) for role, some in groupby(rest, key=lambda each: each.role)]
    if not said or said[-1][0] != "user":
        raise ApiError("The last message must be from the user: it is the question.", param="messages")
    *before, (_, question) = said
    exchanges = [
        Exchange(asked, without_thinking(told))
        for (role, asked), (_, told) in pairwise(before)
        if role == "user"
    ]
    return ImportedHistory("\n\n".join(instructions), exchanges), question


def _join_texts(messages: Any) -> str:
    return "\n\n".join(each.text for each in messages)


# --- replies -------------------------------------------------------------------------------------

_FINISH_REASONS = {"filtered": "content_filter"}
_NOTHING_FOUND = {
    "nothing_relevant": "Nothing relevant was found in {workspace}, so no model was asked.",
    "empty": "There is nothing in {workspace} to search yet, so no model was asked.",
}


@dataclass(slots=True)
class CompletionReply:
    """The reply to a client, built from the answer's events. Pass them to `take` in order."""

    answer_id: UUID
    model: str  # as the client named it
    workspace: str  # its name, or ""
    is_streamed: bool
    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    grounding: str = "none"  # chat.models.Answer.Grounding
    usage: Usage = field(default_factory=lambda: _usage(0, 0))
    finish_reason: str | None = None
    problem: ApiError | None = None
    _has_begun: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def has_begun(self) -> bool:
        """Whether the model has begun, so that its server can be reached."""
        return self._has_begun or self.finish_reason is not None

    def take(self, event: Event) -> dict[str, Any] | None:
        """Apply an event, and return its chunk for a streaming client, if it has one."""
        match event:
            case Delta(text):
                self._has_begun = True
                return self._words(text)
            case Thinking():
                self._has_begun = True
                if event.takes_back and not self.is_streamed:  # a stream cannot take words back
                    self.text = ""
            case Sources():
                self.grounding = event.grounding
                self.citations = [_citation(each) for each in event.passages]
                words = _NOTHING_FOUND.get(self.grounding, "").format(workspace=self.workspace)
                return self._words(words, citations=self.citations, grounding=self.grounding)
            case UsageCounted():
                self.usage = _usage(event.input_tokens, event.output_tokens)
            case Restarted(reason) if self.is_streamed and self.text:
                return self.fail(ApiError(f"{reason} Ask again.", 503, code="restarted"))
            case Restarted():
                self.text = ""
            case Failed():
                return self.fail(ApiError(event.error, _status_of(event), code="failed"))
            case Finished() | Stopped():
                reason = event.reason if isinstance(event, Finished) else "stop"
                self.finish_reason = _FINISH_REASONS.get(reason, reason)
                return self.chunk(ChunkDelta(), self.finish_reason)
        return None

    def _words(self, text: str, **ours: Any) -> dict[str, Any]:
        self.text += text
        return self.chunk(ChunkDelta(content=text), **ours)

    def fail(self, problem: ApiError) -> dict[str, Any]:
        """Store the error and return it as the last chunk of a stream."""
        self.problem = problem
        return problem.as_json()

    def chunk(self, delta: ChunkDelta, finish_reason: str | None = None, **ours: Any) -> dict[str, Any]:
        choice = ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=finish_reason)
        return Chunk(**self._head("chat.completion.chunk"), choices=[choice], **ours).as_json()

    def usage_chunk(self) -> dict[str, Any]:
        return Chunk(**self._head("chat.completion.chunk"), choices=[], usage=self.usage).as_json()

    def whole(self) -> dict[str, Any]:
        """Return the complete reply for a client that does not stream. Raises ApiError."""
        if self.problem:
            raise self.problem
        message = AnswerMessage(role="assistant", content=self.text, refusal=None)
        choice = Choice(index=0, message=message, logprobs=None, finish_reason=self.finish_reason or "stop")
        return Completion(
            **self._head("chat.completion"),
            choices=[choice],
            usage=self.usage,
            citations=self.citations,
            grounding=self.grounding,
        ).as_json()

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.answer_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def _status_of(failed: Failed) -> int:
    """Return the HTTP status of a failure. Only what is wrong with the request itself is the client's fault."""
    if failed.is_refusal:
        return 400
    return 503 if failed.retryable else 502


def _usage(read: int, written: int) -> Usage:
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def _citation(passage: SourcePassage) -> Citation:
    return Citation.model_validate({name: passage.get(name) for name in Citation.model_fields})


def model(name: str) -> Model:
    return Model(id=name, object="model", created=0, owned_by="ragsite")
