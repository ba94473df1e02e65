"""The entry points of `inference`: open a chat model, an embedder, a reranker, or the server of a chat model.

The objects they yield keep the spec's deadlines and raise only InferenceError.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from .errors import InferenceError, Misconfigured
from .http import Http
from .masking import mask
from .protocols import ChatModel, Embedder, ModelServer, Reranker
from .providers import PROVIDERS, Model, Opener, Provider, parse_options
from .resilience import ResilientChat, ResilientEmbedder, ResilientReranker, TimedServer
from .types import EndpointSpec


@asynccontextmanager
async def open_chat(spec: EndpointSpec) -> AsyncIterator[ChatModel]:
    with _masking(spec):
        yield ResilientChat(_open(spec, "chat model", lambda provider: provider.chat), spec)


@asynccontextmanager
async def open_embedder(spec: EndpointSpec) -> AsyncIterator[Embedder]:
    with _masking(spec):
        yield ResilientEmbedder(_open(spec, "embedding model", lambda provider: provider.embedding), spec)


@asynccontextmanager
async def open_reranker(spec: EndpointSpec) -> AsyncIterator[Reranker]:
    with _masking(spec):
        yield ResilientReranker(_open(spec, "cross-encoder", lambda provider: provider.reranker), spec)


@asynccontextmanager
async def open_server(spec: EndpointSpec) -> AsyncIterator[ModelServer]:
    with _masking(spec):
        yield TimedServer(_open(spec, "description of its models", lambda provider: provider.server))


@contextmanager
def _masking(spec: EndpointSpec) -> Iterator[None]:
    """Mask the secret in errors: some servers repeat the key that they refuse, or its first and last characters."""
    try:
        yield
    except InferenceError as error:
        error.args = (mask(str(error), spec.secret), *error.args[1:])
        raise


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
