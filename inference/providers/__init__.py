"""The table of providers. A provider is a transport with its authentication.

To add one, write a module here and add a row to PROVIDERS; no other code mentions a provider by name.
Importing this table is cheap: the HTTP client is imported only when a model is opened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from inference.errors import Misconfigured
from inference.protocols import ChatModel, Embedder, ModelServer, Reranker
from inference.types import EndpointSpec

from . import container, openai_compat, quotes

if TYPE_CHECKING:
    from inference.http import Http

Kind = Literal["chat", "embedding", "reranker"]
Model = TypeVar("Model")
Opener = Callable[[EndpointSpec, Any, "Http"], Model]  # spec, its parsed options, the connection


class BatchEmbedder(Embedder, Protocol):
    batch_size: int  # the most texts that one request takes


class BatchReranker(Reranker, Protocol):
    batch_size: int  # the most passages that one request takes


@dataclass(frozen=True, slots=True)
class Provider:
    label: str
    description: str  # one sentence for the operator
    options: type[BaseModel]
    needs_model: bool = True  # False: the server has a single model, or the provider needs no model
    takes_secret: bool = False
    chat: Opener[ChatModel] | None = None
    embedding: Opener[BatchEmbedder] | None = None
    reranker: Opener[BatchReranker] | None = None
    server: Opener[ModelServer] | None = None  # what the server reports about its chat models
    # Options with a value that helps with servers that refuse the usual request: the first is tried first
    remedies: Mapping[str, Any] = field(default_factory=dict)
    writes: bool = True  # its chat models generate text; False: they only quote

    def supports(self, kind: str) -> bool:
        return kind in self.kinds

    @property
    def kinds(self) -> tuple[Kind, ...]:
        openers: dict[Kind, object] = {
            "chat": self.chat,
            "embedding": self.embedding,
            "reranker": self.reranker,
        }
        return tuple(kind for kind, opener in openers.items() if opener)


PROVIDERS: dict[str, Provider] = {
    "openai_compat": Provider(
        label="OpenAI-compatible server",
        description="Any server with OpenAI's HTTP interface: OpenAI itself, vLLM, llama.cpp, Ollama, LM Studio.",
        options=openai_compat.OpenAIOptions,
        takes_secret=True,
        chat=openai_compat.OpenAIChat,
        embedding=openai_compat.OpenAIEmbedder,
        server=openai_compat.OpenAIServer,
        remedies=openai_compat.REMEDIES,
    ),
    "container": Provider(
        label="Ragsite model container",
        description="Our own container for embedding models and cross-encoders, reached by plain HTTP.",
        options=container.ContainerOptions,
        needs_model=False,
        embedding=container.ContainerEmbedder,
        reranker=container.ContainerReranker,
    ),
    "quotes": Provider(
        label="Quotes",
        description="Answers with the best sentences of the passages, word for word, without any model.",
        options=quotes.QuotesOptions,
        needs_model=False,
        chat=quotes.Quotes,
        writes=False,
    ),
}


def parse_options(provider: str, raw: Mapping[str, Any]) -> BaseModel:
    """Return the provider's validated options. Raise Misconfigured, which names the field and the remedy."""
    if provider not in PROVIDERS:
        raise Misconfigured(f"There is no provider {provider!r}. Choose one of: {', '.join(PROVIDERS)}.")
    options = PROVIDERS[provider].options
    try:
        return options.model_validate(dict(raw))
    except ValidationError as error:
        raise Misconfigured(" ".join(_sentence(options, dict(item)) for item in error.errors())) from error


def _sentence(options: type[BaseModel], error: dict[str, Any]) -> str:
    name = str(error["loc"][0])
    match error["type"]:
        case "extra_forbidden":
            known = ", ".join(options.model_fields) or "none"
            return f"There is no option {name!r}: remove it. Known options: {known}."
        case "missing":
            return f"{_title(options, name)} ({name}) is missing: fill it in."
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{_title(options, name)} ({name}): {reason[:1].lower()}{reason[1:]}."


def _title(options: type[BaseModel], name: str) -> str:
    return options.model_fields[name].title or name
