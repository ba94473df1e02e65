"""The entry points of `inference`: open a chat model, an embedder, a reranker, or the server of a chat model.

The objects they yield keep the spec's deadlines and raise only InferenceError.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .errors import Misconfigured
from .http import Http
from .protocols import ChatModel, Embedder, ModelServer, Reranker
from .providers import PROVIDERS, Model, Opener, Provider, parse_options
from .resilience import ResilientChat, ResilientEmbedder, ResilientReranker, TimedServer
from .types import EndpointSpec


@asynccontextmanager
async def open_chat(spec: EndpointSpec) -> AsyncIterator[ChatModel]:
    yield ResilientChat(_open(spec, "chat model", lambda provider: provider.chat), spec)


@asynccontextmanager
async def open_embedder(spec: EndpointSpec) -> AsyncIterator[Embedder]:
    model = _open(spec, "embedding model", lambda provider: provider.embedding)
    yield ResilientEmbedder(model, spec)


@asynccontextmanager
async def open_reranker(spec: EndpointSpec) -> AsyncIterator[Reranker]:
    model = _open(spec, "cross-encoder", lambda provider: provider.reranker)
    yield ResilientReranker(model, spec)


@asynccontextmanager
async def open_server(spec: EndpointSpec) -> AsyncIterator[ModelServer]:
    yield TimedServer(_open(spec, "description of its models", lambda provider: provider.server))


def _open(spec: EndpointSpec, kind: str, opener_of: Callable[[Provider], Opener[Model] | None]) -> Model:
    options = parse_options(spec.provider, spec.options)
    provider = PROVIDERS[spec.provider]
    opener = opener_of(provider)
    if opener is None:
        raise Misconfigured(f"{provider.label} offers no {kind}: choose another provider.")
    if provider.needs_model and not spec.model:
        raise Misconfigured(f"{provider.label} has several models: fill in the model id.")
    if spec.secret and not (spec.secret.isascii() and spec.secret.isprintable()):
        raise Misconfigured("The secret contains characters that no key has: store it again, on one line.")
    return opener(spec, options, Http(spec))
