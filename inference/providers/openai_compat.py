"""Servers that implement OpenAI's HTTP API."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from inference.errors import InferenceError, Misconfigured
from inference.options import CHAT_ONLY, EMBEDDING_ONLY, BatchSize, HttpAddress, Options
from inference.types import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Embeddings,
    EndpointSpec,
    ServerFacts,
    TextRole,
)
from inference.wire import openai_chat, openai_embeddings, server_info
from inference.wire.sse import SseReader

if TYPE_CHECKING:
    from inference.http import Http


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


class OpenAIChat(_OpenAI):
    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        url = f"{self._options.base_url}/chat/completions"
        body = openai_chat.body(
            self._model,
            request,
            include_usage=self._options.include_usage,
            sampling=self._options.sampling,
            limit_field=self._options.limit_field,
        )
        if not request.streaming:
            for event in openai_chat.read_reply(await self._http.post(url, body, self._headers), request):
                yield event
            return
        reader, reply = SseReader(), openai_chat.ReplyReader(request)
        async with self._http.stream(url, body, self._headers) as pieces:
            async for piece in pieces:
                for sent in reader.feed(piece):
                    for event in reply.feed(sent.data):
                        yield event
                if reply.is_complete:
                    break
            for event in reply.close():
                yield event


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
        self._tokenizer = spec.tokenizer if options.tokenizer == "auto" else options.tokenizer

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
                body = server_info.vllm_body(self._model, messages)
                return server_info.vllm_count(await self._http.post(url, body, headers))
            case "llama.cpp":
                asked = server_info.template_body(messages)
                filled = await self._http.post(f"{self._root}/apply-template", asked, headers)
                body = server_info.llama_body(filled)
                return server_info.llama_count(await self._http.post(url, body, headers))
            case "tgi":
                body = server_info.tgi_body(messages)
                return server_info.tgi_count(await self._http.post(url, body, headers), messages)
        raise Misconfigured("This server does not count tokens.")
