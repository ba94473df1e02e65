"""Servers that implement OpenAI's HTTP API."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from inference.errors import BadReply, InferenceError, Misconfigured, Rejected, Unavailable
from inference.options import CHAT_ONLY, EMBEDDING_ONLY, BatchSize, HttpAddress, Options
from inference.types import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Embeddings,
    EndpointSpec,
    ServerFacts,
    TextRole,
    Thinking,
)
from inference.wire import openai_chat, openai_embeddings, server_info
from inference.wire.sse import SseReader

if TYPE_CHECKING:
    from inference.http import Http

REMEDIES = {
    "system_role": "user",
    "include_usage": False,
    "limit_field": "max_completion_tokens",
    "sampling": False,
}
_PREFILLING = frozenset(
    ["vllm", "llama.cpp"]
)  # tokenizers of the servers that go on from an assistant's message
_USAGE_S = 5.0  # after the end of an answer, for the token counts; then the answer is whole without them


class OpenAIOptions(Options):
    base_url: HttpAddress = Field(
        default="https://api.openai.com/v1",
        title="Base URL",
        description="Start address of the API, usually ending in /v1.",
    )
    include_usage: bool = Field(
        default=True,
        title="Ask for token counts",
        description="Switch off for servers that refuse stream_options; Ragsite then estimates the tokens.",
        json_schema_extra=CHAT_ONLY,
    )
    sampling: bool = Field(
        default=True,
        title="Send temperature and top-p",
        description="Switch off for reasoning models, which refuse them.",
        json_schema_extra=CHAT_ONLY,
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        title="Name of the token limit",
        description="OpenAI's newer models want max_completion_tokens; most other servers know max_tokens.",
        json_schema_extra=CHAT_ONLY,
    )
    system_role: Literal["system", "developer", "user"] = Field(
        default="system",
        title="Send instructions as",
        description="The role of the instructions; user: in the user's message, for models such as Gemma that "
        "know no system role.",
        json_schema_extra=CHAT_ONLY,
    )
    thinks_first: bool = Field(
        default=False,
        title="Begins inside its thinking",
        description="Switch on if answers begin with thinking that only a closing </think> ends, as with "
        "DeepSeek-R1 and QwQ on a server without a reasoning parser.",
        json_schema_extra=CHAT_ONLY,
    )
    tokenizer: Literal["auto", "vllm", "llama.cpp", "tgi", "off"] = Field(
        default="auto",
        title="Count tokens with",
        description="The server's own tokenizer, used near the token limit; auto: the one that Check finds.",
        json_schema_extra=CHAT_ONLY,
    )
    dimensions: int | None = Field(
        default=None,
        ge=1,
        le=16_000,
        title="Embedding dimensions",
        description="Only for embedding models that can shorten their vectors; empty for the model's own.",
        json_schema_extra=EMBEDDING_ONLY,
    )
    batch_size: BatchSize = 64


class _OpenAI:
    def __init__(self, spec: EndpointSpec, options: OpenAIOptions, http: "Http") -> None:
        self.batch_size = options.batch_size
        self._model = spec.model
        self._options = options
        self._http = http
        self._headers = {"Authorization": f"Bearer {spec.secret}"} if spec.secret else {}


def _tokenizer(spec: EndpointSpec, options: OpenAIOptions) -> str:
    return spec.tokenizer if options.tokenizer == "auto" else options.tokenizer


class OpenAIChat(_OpenAI):
    def __init__(self, spec: EndpointSpec, options: OpenAIOptions, http: "Http") -> None:
        super().__init__(spec, options, http)
        self._has_prefill = _tokenizer(spec, options) in _PREFILLING

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        prefill, is_silent = request.has_begun and self._has_prefill, True
        try:
            async with aclosing(self._stream(request, prefill=prefill)) as events:
                async for event in events:
                    is_silent = False
                    yield event
            return
        except Rejected:  # llama.cpp has no prefill for a model that thinks
            if not (prefill and is_silent):
                raise
        async with aclosing(self._stream(request, prefill=False)) as events:
            async for event in events:
                yield event

    async def _stream(self, request: ChatRequest, *, prefill: bool) -> AsyncGenerator[ChatEvent]:
        url = f"{self._options.base_url}/chat/completions"
        options = self._options
        body = openai_chat.body(
            self._model,
            request,
            include_usage=options.include_usage,
            sampling=options.sampling,
            limit_field=options.limit_field,
            system_role=options.system_role,
            prefill=prefill,
        )
        if not request.streaming:
            reply = await self._http.post(url, body, self._headers)
            for event in openai_chat.read_reply(reply, request, thinks_first=options.thinks_first):
                yield event
            return
        reader = _StreamReader(request, options)
        async with self._http.stream(url, body, self._headers) as pieces:
            async for piece in _until_end(pieces, reader.reply):
                for event in reader.feed(piece):
                    yield event
            for event in reader.close():
                yield event


class _StreamReader:
    """Parses the bytes of a stream into events."""

    def __init__(self, request: ChatRequest, options: OpenAIOptions) -> None:
        self.reply = openai_chat.ReplyReader(request, thinks_first=options.thinks_first)
        self._request, self._options = request, options
        self._sse = SseReader()
        self._has_events = False

    def feed(self, piece: bytes) -> Iterator[ChatEvent]:
        """Yield the piece's events: Thinking without text if there are none, because the server is alive."""
        sent = self._sse.feed(piece)
        self._has_events = self._has_events or bool(sent)
        for each in sent:
            yield from self.reply.feed(each.data, each.event)
        if not sent:
            yield Thinking()

    def close(self) -> Iterator[ChatEvent]:
        with suppress(BadReply):  # the last event may be cut; the end of the reply says if that matters
            for each in self._sse.close():
                self._has_events = True
                yield from self.reply.feed(each.data, each.event)
        if not self._has_events and (text := self._sse.other_text):  # no stream, although we asked for one
            yield from openai_chat.read_reply(text, self._request, thinks_first=self._options.thinks_first)
        else:
            yield from self.reply.close()


async def _until_end(pieces: AsyncIterator[bytes], reply: openai_chat.ReplyReader) -> AsyncIterator[bytes]:
    """Yield the pieces until the reply is complete.

    Once its text is whole, wait only briefly for more, and take a broken connection for the end.
    """
    while not reply.is_complete:
        coming = anext(pieces, b"")
        try:
            piece = await (asyncio.wait_for(coming, _USAGE_S) if reply.has_ended else coming)
        except (Unavailable, TimeoutError):
            if not reply.has_ended:
                raise
            return
        if not piece:
            return
        yield piece


class OpenAIEmbedder(_OpenAI):
    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        url = f"{self._options.base_url}/embeddings"
        body = openai_embeddings.body(self._model, texts, self._options.dimensions)
        return openai_embeddings.read_reply(await self._http.post(url, body, self._headers), texts)


class OpenAIServer(_OpenAI):
    """What servers report beyond OpenAI's API. Each server does it in its own way."""

    def __init__(self, spec: EndpointSpec, options: OpenAIOptions, http: "Http") -> None:
        super().__init__(spec, options, http)
        self._root = options.base_url.removesuffix("/v1")
        self._system_role = options.system_role
        self._tokenizer = _tokenizer(spec, options)

    async def facts(self) -> ServerFacts:
        listed = await self._get_or_nothing(f"{self._options.base_url}/models")
        facts = server_info.from_models(listed, self._model)
        # The context of a slot may be smaller than the context that the model was trained for.
        if facts.tokenizer == "llama.cpp":
            return server_info.from_props(await self._get_or_nothing(f"{self._root}/props"), facts)
        return (
            facts
            if facts.tokenizer
            else server_info.from_info(await self._get_or_nothing(f"{self._root}/info"))
        )

    async def _get_or_nothing(self, url: str) -> bytes:
        """Return the reply, or b"" on an error: few servers have all of these addresses."""
        try:
            return await self._http.get(url, self._headers)
        except InferenceError:
            return b""

    async def count(self, messages: Sequence[ChatMessage]) -> int:
        url, headers = f"{self._root}/tokenize", self._headers
        match self._tokenizer:
            case "vllm":
                body = server_info.vllm_body(self._model, messages, self._system_role)
                return server_info.vllm_count(await self._http.post(url, body, headers))
            case "llama.cpp":
                asked = server_info.template_body(messages, self._system_role)
                filled = await self._http.post(f"{self._root}/apply-template", asked, headers)
                body = server_info.llama_body(filled)
                return server_info.llama_count(await self._http.post(url, body, headers))
            case "tgi":
                body = server_info.tgi_body(messages)
                return server_info.tgi_count(await self._http.post(url, body, headers), messages)
        raise Misconfigured("This server does not count tokens.")
