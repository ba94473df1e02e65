"""The RAG pipeline of one answer: retrieve passages, build the prompt, stream the model's reply as events.

`answer` knows nothing of sockets and writes nothing. The runner logs its events; commands and benchmarks can
use it too.

If the workspace holds nothing about the question, no model is called, because it would only hallucinate: the
answer ends with the grounding "nothing_relevant" or "empty", and without text. Greetings and thanks skip the
search and are answered as if no workspace were chosen.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chat.log.events import (
    Delta,
    Event,
    Finished,
    Retrieving,
    SourcePassage,
    Sources,
    Thinking,
    UsageCounted,
)
from core.text import storable
from documents.doors import (
    Passage,
    Retrieval,
    Scope,
    flatten_ranks,
    is_small_talk,
    search,
    take_snapshot,
)
from documents.errors import RetrievalFailed
from inference import types as model
from inference.connect import open_chat
from inference.continuation import Seam
from inference.errors import BadReply
from models_registry.models import Endpoint
from workspaces.models import Workspace

from .answer_request import AnswerRequest
from .prompt_builder import Prompt, PromptBuilder, quotable

SEARCH_LIMIT_S = 30.0
MAX_TOKENS = 10_000_000  # the highest count that we believe for one call


@dataclass(frozen=True, slots=True)
class Traced(Event):
    """The trace of the answer so far. It is yielded once, before the model is called, and is not logged.

    trace: {"question", "sent", "legs", "timings_ms", "dropped", "candidates": as in
            documents.retrieval.types.Trace, "passages", "prompt", "prompt_tokens",
            "left_out": how many exchanges of the history did not fit,
            "history": [turn, answer] ids, "summary", "circumstances": what chat.answering.replay starts from}
    """

    kind = "trace"
    trace: dict[str, Any]


async def answer(request: AnswerRequest) -> AsyncGenerator[Event]:
    """Yield the events of the answer, ending with Finished.

    Close the generator (`aclosing`) to stop the model. Raises PromptTooLong, InferenceError, and
    EndpointError if the endpoint's secret reference does not resolve to a key.
    """
    builder, trace = PromptBuilder(request), _replay_data(request)
    sources: Sequence[SourcePassage] = ()
    if request.beginning:
        sources, begun = request.beginning.sources, request.beginning
        trace |= begun.trace
        yield Sources(begun.grounding, list(sources))
    elif request.workspace is not None and not is_small_talk(request.text):
        yield Retrieving(request.workspace.name)
        grounding, found, problem = await _search(request, request.workspace, builder)
        if found:
            sources = await builder.fit_passages([_as_source(each) for each in found.passages])
            trace |= _search_trace(found, len(sources))
        yield Sources(grounding, list(sources), problem or None)
        if found and not sources:
            yield Traced(trace)
            yield Finished("stop")
            return
    prompt = await builder.build(sources)
    yield Traced(trace | _prompt_trace(prompt))
    if request.beginning:
        yield Delta(request.beginning.text, is_old=True)
    async with aclosing(_stream_model(request, prompt, sources)) as events:
        async for event in events:
            yield event


async def _stream_model(
    request: AnswerRequest, prompt: Prompt, sources: Sequence[SourcePassage]
) -> AsyncGenerator[Event]:
    begun = request.beginning.text if request.beginning else ""
    seam = Seam(begun)
    async with (
        open_chat(request.endpoint.spec()) as chat,
        aclosing(chat.stream(_model_request(request, prompt, sources))) as events,
    ):
        async for event in events:
            match event:
                case model.TextDelta(text):
                    if words := seam.feed(storable(text)):
                        yield Delta(words)
                case model.Thinking(text, takes_back):
                    yield Thinking(storable(text), takes_back or None)
                    if takes_back and begun:
                        seam = Seam(begun)
                        yield Delta(begun, is_old=True)
                case model.Usage():
                    if words := seam.close():
                        yield Delta(words)
                    yield count_usage(request.endpoint, event)
                case model.Finished(reason):
                    yield Finished(reason)
                    return
    raise BadReply("The model's server broke off the answer.")


def _model_request(
    request: AnswerRequest, prompt: Prompt, sources: Sequence[SourcePassage]
) -> model.ChatRequest:
    parameters = request.parameters
    return model.ChatRequest(
        messages=prompt.messages,
        question=request.text,
        passages=tuple(map(quotable, sources)),
        max_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        streaming=parameters.streaming,
    )


def count_usage(endpoint: Endpoint, counted: model.Usage) -> UsageCounted:
    """Return the usage of a call with its price.

    Clamp the counts, because a server may report absurd ones.
    """
    read, written = (max(0, min(n, MAX_TOKENS)) for n in (counted.input_tokens, counted.output_tokens))
    return UsageCounted(read, written, counted.is_estimate, str(endpoint.cost(read, written)))


async def _search(
    request: AnswerRequest, workspace: Workspace, builder: PromptBuilder
) -> tuple[str, Retrieval | None, str]:
    """Return the grounding, the search result and an error sentence.

    A failed search only degrades the answer.
    """
    budget = await builder.passage_budget()
    previous = [exchange.question for exchange in request.history]
    scope = Scope(workspace, request.where)
    try:
        async with asyncio.timeout(SEARCH_LIMIT_S):
            found = await search(
                scope, request.text, previous=previous, token_budget=budget, fresh=request.fresh
            )
    except RetrievalFailed as error:
        return "degraded", None, str(error)
    except TimeoutError:
        return "degraded", None, f"The search took longer than {SEARCH_LIMIT_S:.0f} seconds."
    grounding = "nothing_relevant" if found.outcome == "found" and not found.passages else found.outcome
    return grounding, found, ""


def _as_source(passage: Passage) -> SourcePassage:
    return {
        "number": passage.number,
        "document_id": str(passage.document_id),
        "title": passage.document_title,
        "title_path": list(passage.title_path),
        "page": passage.page,
        "text": passage.text,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
    }


# --- the trace -----------------------------------------------------------------------------------


def _replay_data(request: AnswerRequest) -> dict[str, Any]:
    """Return the data that a replay of the answer needs, apart from its question."""
    said = [(str(each.turn_id), _id(each.answer_id)) for each in request.history if each.turn_id]
    data: dict[str, Any] = {"history": said, "summary": request.summary}
    if request.workspace is not None:
        data["circumstances"] = take_snapshot(Scope(request.workspace, request.where))
    return data


def _id(answer_id: UUID | None) -> str | None:
    return str(answer_id) if answer_id else None


def _search_trace(found: Retrieval, fitting: int) -> dict[str, Any]:
    """Return the search's trace. fitting: how many of its passages are in the prompt."""
    trace = found.trace.as_json()
    for each in trace["candidates"]:
        if (each["passage"] or 0) > fitting:
            each["fate"], each["passage"] = "no room in the model's context", None
    ranked = found.passages[:fitting]
    passages = [{"number": each.number, "score": each.score, **flatten_ranks(each.ranks)} for each in ranked]
    return trace | {"passages": passages}


def _prompt_trace(prompt: Prompt) -> dict[str, Any]:
    return {
        "prompt": [{"role": each.role, "text": each.text} for each in prompt.messages],
        "prompt_tokens": prompt.tokens,
        "left_out": prompt.left_out,
    }
