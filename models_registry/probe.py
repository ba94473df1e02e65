"""Health probe: makes one tiny real call to an endpoint, and stores the result."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from time import perf_counter

from core.waiting import wait_for
from inference.connect import open_chat, open_embedder, open_reranker, open_server
from inference.errors import BadReply, InferenceError, Misconfigured, Rejected
from inference.providers import PROVIDERS
from inference.types import (
    ChatMessage,
    ChatRequest,
    Deadlines,
    EndpointSpec,
    Finished,
    ServerFacts,
    TextDelta,
    Thinking,
    Vector,
)

from . import identity
from .errors import EndpointError
from .models import Endpoint

logger = logging.getLogger(__name__)

# An operator may be waiting for the form to load, so a check gets less time than an answer.
_DEADLINES = Deadlines(connect_s=3, first_token_s=15, between_tokens_s=10, whole_reply_s=15)
_TIMEOUT_S = 20
_QUESTION = (ChatMessage("system", "You are a helpful assistant."), ChatMessage("user", "Say ok"))


@dataclass(frozen=True, slots=True)
class _Finding:
    took_ms: int
    error: str = ""  # a sentence; empty: healthy
    vectors: Sequence[Vector] = ()  # of identity.TEXTS, by an embedding model
    facts: ServerFacts = field(default_factory=ServerFacts)  # of a chat model


def probe(endpoint: Endpoint) -> None:
    """Make one tiny real call of at most 20 s, and store latency, error and the server's facts.

    Raises Busy if too many checks run already.
    """
    probe_each([endpoint])


def find_problem(endpoint: Endpoint) -> str:
    """Probe the endpoint. Return the problem as a sentence, or "" if the endpoint answers."""
    probe(endpoint)
    return "" if endpoint.last_check_ok else f"{endpoint} is not answering right now: {endpoint.last_error}"


def probe_each(endpoints: Sequence[Endpoint], *, are_pings: bool = False) -> None:
    """Probe the endpoints concurrently, so that a slow endpoint delays no other. Raises Busy.

    are_pings: routine checks, so real answers that failed lately count more.
    """
    for endpoint, finding in zip(endpoints, wait_for(_probe_each, "checks")(endpoints), strict=True):
        problem = identity.compare(endpoint, finding.vectors) if finding.vectors else ""
        if problem:
            endpoint.note_other_model(problem)
        endpoint.note_check(
            took_ms=finding.took_ms,
            error=finding.error or problem,
            dimensions=len(finding.vectors[0]) if finding.vectors and not problem else None,
            facts=finding.facts,
            is_ping=are_pings,
        )


async def _probe_each(endpoints: Sequence[Endpoint]) -> list[_Finding]:
    return await asyncio.gather(*(_probe(endpoint) for endpoint in endpoints))


async def _probe(endpoint: Endpoint) -> _Finding:
    started, error, facts = perf_counter(), "", ServerFacts()
    vectors: Sequence[Vector] = ()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            vectors = await _call(endpoint)
    except TimeoutError:
        error = f"It did not answer within {_TIMEOUT_S} seconds."
    except (InferenceError, EndpointError) as problem:
        error = str(problem)
    except Exception:
        logger.exception("The check of endpoint %s crashed", endpoint.pk)
        error = "The check itself crashed. The log of this process has the details."
    took_ms = round((perf_counter() - started) * 1000)
    if not error and endpoint.kind == Endpoint.Kind.CHAT:
        facts = await _facts(endpoint)
    return _Finding(took_ms, error, () if error else vectors, facts)


async def _facts(endpoint: Endpoint) -> ServerFacts:
    """Return what the server reports about the model. A server that reports nothing is healthy, too."""
    if PROVIDERS[endpoint.provider].server is None:
        return ServerFacts()
    try:
        async with open_server(replace(endpoint.spec(), deadlines=_DEADLINES)) as server:
            return await server.facts()
    except InferenceError as error:
        logger.info("The server of endpoint %s reports no facts: %s", endpoint.pk, error)
        return ServerFacts()


async def _call(endpoint: Endpoint) -> Sequence[Vector]:
    """Return an embedding's vectors of the known texts, or none for other kinds.

    Raises InferenceError, EndpointError.
    """
    # Without a name there is no circuit breaker, so this is always a real call.
    spec = replace(endpoint.unchecked_spec(), deadlines=_DEADLINES, name="")
    match Endpoint.Kind(endpoint.kind):
        case Endpoint.Kind.CHAT:
            await _say_ok(spec)
        case Endpoint.Kind.EMBEDDING:
            async with open_embedder(spec) as embedder:
                return (await embedder.embed(identity.TEXTS, "passage")).vectors
        case Endpoint.Kind.RERANKER:
            async with open_reranker(spec) as reranker:
                await reranker.score("Is it well?", ["It is well."])
    return ()


async def _say_ok(spec: EndpointSpec) -> None:
    """Ask the model as a real question does. Raise Misconfigured with an option that helps, if one does."""
    try:
        await _ask(spec)
    except Rejected as refusal:
        if remedy := await _find_remedy(spec):
            raise Misconfigured(f"{refusal} It answers with the option {remedy}: set it so.") from refusal
        raise


async def _find_remedy(spec: EndpointSpec) -> str:
    """Return the option, with its value, with which the model answers, or "" if none of those known helps."""
    provider = PROVIDERS[spec.provider]
    for name, value in provider.remedies.items():
        try:
            await _ask(replace(spec, options={**spec.options, name: value}))
        except InferenceError:
            continue
        return f"“{provider.options.model_fields[name].title}”: {'off' if value is False else value}"
    return ""


async def _ask(spec: EndpointSpec) -> None:
    request = ChatRequest(_QUESTION, question="Say ok", max_tokens=8, temperature=0)
    async with open_chat(spec) as model, aclosing(model.stream(request)) as events:
        async for event in events:
            match event:
                case TextDelta(text) | Thinking(text) if text.strip():
                    return
                case Finished("length"):  # a reasoning model used up the eight tokens for thinking
                    return
    raise BadReply("The model sent an empty answer.")
