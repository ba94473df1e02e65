"""OpenAI's chat completions: builds the request body, and parses replies into our events.

Servers differ. Some send no usage, some no finish reason, some no [DONE]; any field may be null. vLLM reports
an error inside the stream after a 200. Reasoning models think before the answer, in a field of its own
(reasoning_content, reasoning), in parts of the content (Mistral) or between tags (inference.thinking).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic_core import from_json

from inference.continuation import GO_ON
from inference.errors import BadReply, InferenceError, Unavailable
from inference.thinking import ThinkingSplitter
from inference.types import SIGN_OF_LIFE, ChatEvent, ChatMessage, ChatRequest, Finished, Role, Thinking, Usage

from .http_errors import error_for, reported_error, words_in
from .split_characters import CharacterJoiner

LimitField = Literal["max_tokens", "max_completion_tokens"]
SystemRole = Literal["system", "developer", "user"]
_REASONS: dict[str, Literal["length", "filtered"]] = {
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "safety", "recitation", "sensitive", "refusal", "blocklist"),
        "filtered",
    ),
}
_FAILURES = frozenset(["error", "abort", "aborted", "cancelled", "canceled"])
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # DeepSeek and vLLM; OpenRouter; Ollama
_CHARACTERS_PER_TOKEN = 4  # in English; only for estimates


def body(
    model: str,
    request: ChatRequest,
    *,
    include_usage: bool = True,
    sampling: bool = True,
    limit_field: LimitField = "max_tokens",
    system_role: SystemRole = "system",
    prefill: bool = False,
) -> dict[str, Any]:
    """Return the body of a request.

    prefill: if the answer has begun (`ChatRequest.has_begun`), let the server go on from its last token; else ask the
    model to go on.
    """
    asked = (*request.messages, GO_ON) if request.has_begun and not prefill else request.messages
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(asked, system_role),
        limit_field: request.max_tokens,
        "stream": request.streaming,
    }
    if sampling:
        body |= {"temperature": request.temperature, "top_p": request.top_p}
    if request.streaming and include_usage:
        body["stream_options"] = {"include_usage": True}
    if request.has_begun and prefill:  # vLLM; llama.cpp goes on from the assistant's message by itself
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    return body


def messages(said: Iterable[ChatMessage], system_role: SystemRole = "system") -> list[dict[str, str]]:
    """Return the messages for a server that takes instructions in this role.

    "user": the instructions begin the user's message, and the roles alternate, as the templates of Gemma and
    Mistral want it.
    """
    if system_role == "user":
        said = _alternate(said)
    return [
        {"role": system_role if each.role == "system" else each.role, "content": each.text} for each in said
    ]


def _alternate(said: Iterable[ChatMessage]) -> list[ChatMessage]:
    merged: list[ChatMessage] = []
    for each in said:
        role: Role = "assistant" if each.role == "assistant" else "user"
        if merged and merged[-1].role == role:
            merged[-1] = ChatMessage(role, f"{merged[-1].text}\n\n{each.text}")
        else:
            merged.append(ChatMessage(role, each.text))
    return merged


class ReplyReader:
    """Parses the data of one stream's events, in order.

    thinks_first: the reply begins inside the model's thinking, because the prompt's template opens it.
    """

    def __init__(self, request: ChatRequest, *, thinks_first: bool = False) -> None:
        self.is_complete = False  # the server sent [DONE]
        self._request = request
        self._splitter = ThinkingSplitter(begins_open=thinks_first)
        self._characters = CharacterJoiner()
        self._written = 0  # characters, with those of the thinking
        self._usage: tuple[int | None, int | None] = (None, None)
        self._reason: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the answer is whole: nothing that follows can add to its text."""
        return self.is_complete or self._reason is not None

    def feed(self, data: str, event: str = "message") -> list[ChatEvent]:
        """Return the events in the data. Data without any is a sign of life: Thinking without text.

        Raises InferenceError for a reported error, BadReply for invalid data.
        """
        data = data.strip()
        if event == "error":
            raise _error_event(data)
        if data == "[DONE]":
            self.is_complete = True
            return []
        reply = _parse(data) if data else None
        if reply and (words := _plain_words(reply)):
            self._written += len(words)
            return [*self._splitter.feed(self._characters.feed(words))] or [SIGN_OF_LIFE]
        return [*self._read(reply)] or [SIGN_OF_LIFE]

    def _read(self, reply: dict[str, Any] | None) -> Iterator[ChatEvent]:
        if reply is None:
            return
        if error := reported_error(reply):
            raise error
        choices = reply.get("choices")
        if choices is not None and not isinstance(choices, list):
            raise _not_a_completion()
        self._count(reply.get("usage"))
        for choice in choices or ():
            if isinstance(choice, dict) and not choice.get("index"):  # others were not asked for
                yield from self._take(choice)

    def _take(self, choice: dict[str, Any]) -> Iterator[ChatEvent]:
        self._count(choice.get("usage"))  # Moonshot sends it here
        if error := reported_error({"choices": [], "error": choice.get("error")}):
            raise error
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason in _FAILURES:
            raise Unavailable(f"The model's server broke off the answer ({reason}).")
        for kind, text in _texts_in(choice, is_first=not self._written):
            self._written += len(text)
            if kind == "thinking":
                yield Thinking(text)
            else:
                yield from self._splitter.feed(self._characters.feed(text))
        self._reason = reason if isinstance(reason, str) and reason else self._reason

    def close(self) -> list[ChatEvent]:
        """Return the rest, Usage and Finished. Raise BadReply if the stream ended before the answer did."""
        if not self.has_ended:
            raise BadReply("The model's server ended the answer in the middle.")
        rest = [*self._splitter.feed(self._characters.close()), *self._splitter.close()]
        end = Finished(_REASONS.get((self._reason or "").lower(), "stop"))
        return [*rest, self._usage_or_estimate(), end]

    def _count(self, usage: Any) -> None:
        """Note the counts. A server may send them with each piece, and null in some of them."""
        if isinstance(usage, dict):
            read, written = self._usage
            found = [_number(usage, *names) for names in _COUNTS]
            self._usage = (read if found[0] is None else found[0], written if found[1] is None else found[1])

    def _usage_or_estimate(self) -> Usage:
        read, written = self._usage
        if read is not None and written is not None:
            return Usage(read, written)
        asked = sum(len(message.text) for message in self._request.messages)
        return Usage(
            _estimate(asked) if read is None else read,
            _estimate(self._written) if written is None else written,
            is_estimate=True,
        )


def _plain_words(reply: dict[str, Any]) -> str | None:
    """Return the words of a chunk that holds nothing else, as almost all do: this saves half of the time."""
    choices = reply.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choice := choices[0]) is not dict:
        return None
    delta, has = choice.get("delta"), choice.get
    if type(delta) is not dict or len(delta) - ("role" in delta) != 1 or reply.get("object") == "error":
        return None
    if reply.get("usage") or reply.get("error") or has("finish_reason") or has("index") or has("usage"):
        return None
    words = delta.get("content")
    return words if type(words) is str and not has("error") else None


_COUNTS = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def _number(usage: Mapping[str, Any], *names: str) -> int | None:
    """Return the first of these counts that is a number of tokens."""
    for name in names:
        value = usage.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
            return int(value)
    return None


def _texts_in(choice: Mapping[str, Any], *, is_first: bool) -> Iterator[tuple[str, str]]:
    """Yield ("text" or "thinking", words) in order.

    is_first: nothing was read yet. Some servers repeat the whole message at the end of a stream.
    """
    said = choice.get("delta") or (choice.get("message") if is_first else None)
    if not isinstance(said, dict):
        if isinstance(text := choice.get("text"), str):  # the older API of completions
            yield "text", text
        return
    for name in _THOUGHTS:
        if thought := "".join(text for _, text in _parts(said.get(name))):
            yield "thinking", thought
            break
    yield from _parts(said.get("content") or said.get("refusal"))


def _parts(content: Any) -> Iterator[tuple[str, str]]:
    """Yield the parts of a content, which is a text or a list of parts of several types."""
    if isinstance(content, str):
        if content:
            yield "text", content
    elif isinstance(content, list):
        for part in content:
            yield from _parts(part)
    elif isinstance(content, dict):
        kind = str(content.get("type"))
        is_thought = "thinking" in kind or "reasoning" in kind
        inner = next(
            (
                content[name]
                for name in ("text", "thinking", "reasoning", "summary", "value", "refusal")
                if content.get(name)
            ),
            None,
        )
        for found, text in _parts(inner):
            yield "thinking" if is_thought else found, text


def read_reply(data: bytes, request: ChatRequest, *, thinks_first: bool = False) -> list[ChatEvent]:
    """Return the events of a non-streamed reply. Raise BadReply if it is not one."""
    reader = ReplyReader(request, thinks_first=thinks_first)
    reply = _parse(data.decode(errors="surrogateescape").strip())
    events = [*reader._read(reply)]
    if not reply or not reply.get("choices"):
        raise _not_a_completion()
    reader.is_complete = True
    return [*events, *reader.close()]


def _parse(data: str) -> dict[str, Any] | None:
    """Return the object, or None for null. Raises BadReply."""
    try:
        reply = from_json(data)
    except (ValueError, TypeError):  # a half of a surrogate pair: json takes it, but is slower
        reply = _parse_slowly(data)
    if reply is not None and not isinstance(reply, dict):
        raise _not_a_completion()
    return reply


def _parse_slowly(data: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_a_completion() from error


def _not_a_completion() -> BadReply:
    return BadReply("The model's server sent something that is not a chat completion.")


def _error_event(data: str) -> InferenceError:
    """Return the error of an event of the type "error", whatever its data is."""
    try:
        reply = _parse(data)
    except BadReply:  # plain text
        return error_for(500, words_in(data))
    return reported_error(reply or {}) or error_for(500, words_in(reply))


def _estimate(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
