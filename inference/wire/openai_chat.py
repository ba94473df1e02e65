"""OpenAI's chat completions: builds the request body, and parses replies into our events.

Servers differ. Some send no usage, some no finish reason, some no [DONE]. vLLM reports an error inside the
stream after a 200. Reasoning models write `reasoning_content` before the answer; it is not part of the
answer.
"""

from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from inference.errors import BadReply
from inference.types import ChatEvent, ChatRequest, Finished, TextDelta, Usage

from .http_errors import error_for, words_in

LimitField = Literal["max_tokens", "max_completion_tokens"]
_REASONS: dict[str, Literal["length", "filtered"]] = {"length": "length", "content_filter": "filtered"}
_CHARACTERS_PER_TOKEN = 4  # in English; only for estimates


# TypedDicts instead of models: each token is one of these, and creating an object per part takes three times
# as long.
class _Text(TypedDict, total=False):
    content: str | None


class _Choice(TypedDict, total=False):
    index: int
    delta: _Text | None  # in a streamed reply
    message: _Text | None  # in a whole reply
    finish_reason: str | None


class _Usage(TypedDict, total=False):
    prompt_tokens: int
    completion_tokens: int


class _Reply(TypedDict, total=False):
    choices: list[_Choice]
    usage: _Usage | None
    error: Any


_REPLY = TypeAdapter(_Reply)


def body(
    model: str,
    request: ChatRequest,
    *,
    include_usage: bool = True,
    sampling: bool = True,
    limit_field: LimitField = "max_tokens",
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.text} for message in request.messages],
        limit_field: request.max_tokens,
        "stream": request.streaming,
    }
    if sampling:
        body |= {"temperature": request.temperature, "top_p": request.top_p}
    if request.streaming and include_usage:
        body["stream_options"] = {"include_usage": True}
    return body


class ReplyReader:
    """Parses the data of one stream's events, in order."""

    def __init__(self, request: ChatRequest) -> None:
        self.is_complete = False  # the server sent [DONE]
        self._request = request
        self._written = 0  # characters
        self._usage: _Usage | None = None
        self._reason: str | None = None

    def feed(self, data: str) -> list[ChatEvent]:
        """Return the text deltas in the data.

        Raises InferenceError for a reported error, BadReply for invalid data.
        """
        if data == "[DONE]":
            self.is_complete = True
            return []
        reply = _parse(data)
        self._usage = reply.get("usage") or self._usage
        return [TextDelta(text) for choice in reply.get("choices", ()) if (text := self._take(choice))]

    def _take(self, choice: _Choice) -> str:
        if choice.get("index", 0) != 0:
            return ""
        self._reason = choice.get("finish_reason") or self._reason
        text = (choice.get("delta") or choice.get("message") or {}).get("content") or ""
        self._written += len(text)
        return text

    def close(self) -> list[ChatEvent]:
        """Return Usage and Finished. Raise BadReply if the stream ended before the answer did."""
        if not self.is_complete and self._reason is None:
            raise BadReply("The model's server ended the answer in the middle.")
        return [self._usage_or_estimate(), Finished(_REASONS.get(self._reason or "stop", "stop"))]

    def _usage_or_estimate(self) -> Usage:
        if self._usage is not None:
            return Usage(self._usage.get("prompt_tokens", 0), self._usage.get("completion_tokens", 0))
        read = sum(len(message.text) for message in self._request.messages)
        return Usage(_estimate(read), _estimate(self._written), is_estimate=True)


def read_reply(data: bytes, request: ChatRequest) -> list[ChatEvent]:
    """Return the events of a non-streamed reply."""
    reader = ReplyReader(request)
    events = reader.feed(data.decode(errors="replace"))
    return events + reader.close()


def _parse(data: str) -> _Reply:
    try:
        reply = _REPLY.validate_json(data)
    except ValidationError as error:
        raise BadReply("The model's server sent something that is not a chat completion.") from error
    if refused := reply.get("error"):
        code = refused.get("code") if isinstance(refused, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise error_for(status, words_in({"error": refused}))
    return reply


def _estimate(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
