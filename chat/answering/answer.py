"""Turns a question into events: find passages, write the prompt, pass on the model's words.

`answer` knows no socket and writes nothing. The runner logs what it yields; a command or a measurement may
use it as well. One kind of event is for whoever calls, and never logged:

trace       {"question", "sent", "legs", "timings_ms", "dropped", "candidates": as in retrieval.Trace,
             "passages", "prompt", "prompt_tokens", "left_out": exchanges of the history that did not fit,
             "history": [turn, answer] ids, "summary", "circumstances": what chat.answering.replay begins with}
            all that led to the answer, as far as it came: once before the model is asked

A question to a workspace that holds nothing about it is not passed on to the model, which would only make
something up: it ends with the grounding "nothing_relevant" or "empty", and without text. Greetings and thanks
are not looked up, and answered as without a workspace.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chat.errors import PromptTooLong
from chat.log.events import Event
from core.text import storable
from documents.doors import Passage, Retrieval, Scope, flatten_ranks, is_small_talk, search, take_snapshot
from documents.errors import RetrievalFailed
from inference.connect import open_chat
from inference.errors import BadReply
from inference.types import ChatMessage, ChatRequest, Finished, Quotable, TextDelta, Usage
from models_registry.models import Endpoint
from workspaces.engines import ANYWHERE, Where
from workspaces.models import Workspace

from . import prompts
from .history import Exchange, messages_within, tokens_of
from .token_budget import TokenBudget

MAX_PASSAGE_TOKENS = 1_800
MIN_PASSAGE_TOKENS = 200  # less room than this is not worth a search
SEARCH_LIMIT_S = 30.0
MAX_TOKENS = 10_000_000  # of one call


@dataclass(frozen=True, slots=True)
class Parameters:
    """How an answer is to be written, as people may choose it."""

    max_tokens: int = 512  # 1 to 8192
    temperature: float = 0.1  # 0 to 2
    top_p: float = 1.0  # 0 to 1
    streaming: bool = True


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    text: str
    endpoint: Endpoint
    parameters: Parameters = Parameters()
    workspace: Workspace | None = None
    where: Where = ANYWHERE  # which of its documents
    history: Sequence[Exchange] = ()  # oldest first
    summary: str = ""  # of what was said before the history
    instructions: str = ""  # how to answer, beside our own
    fresh: bool = False  # search, whatever is remembered


async def answer(question: AnswerRequest) -> AsyncGenerator[Event]:
    """Yield what happens on the way to the answer, ending with "finished".

    Close it (`aclosing`) to stop the model. Raises TooLong, InferenceError, and SecretMissing when the
    endpoint's key is not where its reference leads.
    """
    ruler = TokenBudget(question.endpoint, question.parameters.max_tokens)
    passages: Sequence[Passage] = ()
    trace = _replay_data(question)
    if question.workspace is not None and not is_small_talk(question.text):
        yield Event("retrieving", {"workspace": question.workspace.name})
        grounding, found, problem = await _search(Scope(question.workspace, question.where), question, ruler)
        if found:
            passages = await _choose_fitting(question, found.passages, ruler)
            trace |= _search_trace(found, len(passages))
        yield _sources(grounding, passages, problem)
        if not passages and found:
            yield Event("trace", trace)
            yield Event("finished", {"reason": "stop"})
            return
    prompt = await _prompt(question, passages, ruler)
    yield Event("trace", trace | _prompt_trace(prompt, passages))
    async with aclosing(_stream_model(question, prompt.messages, passages)) as events:
        async for event in events:
            yield event


async def _stream_model(
    question: AnswerRequest, prompt: tuple[ChatMessage, ...], passages: Sequence[Passage]
) -> AsyncGenerator[Event]:
    request = _request(question, prompt, passages)
    async with (
        open_chat(question.endpoint.spec()) as model,
        aclosing(model.stream(request)) as events,
    ):
        async for event in events:
            match event:
                case TextDelta(text):
                    yield Event("delta", {"text": storable(text)})
                case Usage():
                    yield usage(question.endpoint, event)
                case Finished(reason):
                    yield Event("finished", {"reason": reason})
                    return
    raise BadReply("The model's server ended the answer in the middle.")


def _request(
    question: AnswerRequest, prompt: tuple[ChatMessage, ...], passages: Sequence[Passage]
) -> ChatRequest:
    wanted = question.parameters
    return ChatRequest(
        messages=prompt,
        question=question.text,
        passages=tuple(map(_quotable, passages)),
        max_tokens=wanted.max_tokens,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        streaming=wanted.streaming,
    )


def usage(endpoint: Endpoint, counted: Usage) -> Event:
    """Return what a call took, with its price. A server may count wrongly, but not without limit."""
    read, written = (max(0, min(n, MAX_TOKENS)) for n in (counted.input_tokens, counted.output_tokens))
    took = {"input_tokens": read, "output_tokens": written, "is_estimate": counted.is_estimate}
    return Event("usage", took | {"cost": str(endpoint.cost(read, written))})


# --- passages ------------------------------------------------------------------------------------


async def _search(
    scope: Scope, question: AnswerRequest, ruler: TokenBudget
) -> tuple[str, Retrieval | None, str]:
    """Return the grounding, what was found, and what went wrong, in words: without passages we go on."""
    room = ruler.room(await ruler.length(_grounded_prompt(question, ())))
    if room < MIN_PASSAGE_TOKENS:
        raise _too_long(question, MIN_PASSAGE_TOKENS - room)
    budget = min(MAX_PASSAGE_TOKENS, ruler.estimates(room))
    previous = [exchange.question for exchange in question.history]
    try:
        async with asyncio.timeout(SEARCH_LIMIT_S):
            found = await search(
                scope, question.text, previous=previous, token_budget=budget, fresh=question.fresh
            )
    except RetrievalFailed as error:
        return "degraded", None, str(error)
    except TimeoutError:
        return "degraded", None, f"The search took longer than {SEARCH_LIMIT_S:.0f} seconds."
    grounding = "nothing_relevant" if found.outcome == "found" and not found.passages else found.outcome
    return grounding, found, ""


async def _choose_fitting(
    question: AnswerRequest, passages: Sequence[Passage], ruler: TokenBudget
) -> Sequence[Passage]:
    """Return the best passages that fit the model: their titles and fences take room too."""
    room = 0
    for count in range(len(passages), 0, -1):
        fenced = [_quotable(passage) for passage in passages[:count]]
        room = ruler.room(await ruler.length(_grounded_prompt(question, fenced)))
        if room >= 0:
            return passages[:count]
    if passages:
        raise _too_long(question, -room)
    return ()


def _quotable(passage: Passage) -> Quotable:
    return quotable(_as_logged(passage))


def quotable(passage: Mapping[str, Any]) -> Quotable:
    """Return a passage of the event "sources" as it stands in the prompt."""
    place = " › ".join([passage["title"], *passage["title_path"]])
    title = f"{place}, page {passage['page']}" if passage["page"] else place
    return Quotable(passage["number"], title, passage["text"])


def _sources(grounding: str, passages: Sequence[Passage], problem: str) -> Event:
    shown = [_as_logged(each) for each in passages]
    return Event(
        "sources", {"grounding": grounding, "passages": shown} | ({"error": problem} if problem else {})
    )


def _as_logged(passage: Passage) -> dict[str, Any]:
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


# --- prompt --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Prompt:
    messages: tuple[ChatMessage, ...]
    tokens: int
    left_out: int  # exchanges of the history


async def _prompt(question: AnswerRequest, passages: Sequence[Passage], ruler: TokenBudget) -> _Prompt:
    """Return the prompt with as much of what was said before as fits. Raises TooLong."""
    quotables = [_quotable(each) for each in passages]
    earlier, history = remembered(question)
    prompt = prompt_of(question, quotables, (*earlier, *history))
    length = await ruler.length(prompt)
    if ruler.room(length) < 0:
        room = ruler.room(await ruler.length(prompt_of(question, quotables)))
        if room < 0:
            raise _too_long(question, -room)
        room = ruler.estimates(room)
        earlier = earlier if tokens_of(earlier) <= room else ()
        history = messages_within(question.history, room - tokens_of(earlier))
        prompt = prompt_of(question, quotables, (*earlier, *history))
        length = await ruler.length(prompt)
    answered = sum(1 for each in question.history if each.answer)
    return _Prompt(prompt, length, answered - len(history) // 2)


def remembered(question: AnswerRequest) -> tuple[Sequence[ChatMessage], Sequence[ChatMessage]]:
    """Return what a prompt says of the conversation if there is room for it: its summary, its last exchanges."""
    earlier = prompts.earlier(question.summary) if question.summary else ()
    return earlier, messages_within(question.history)


def prompt_of(
    question: AnswerRequest, passages: Sequence[Quotable], history: Sequence[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    """Return the prompt, however long it is."""
    if passages:
        return _grounded_prompt(question, passages, history)
    return _add_instructions(question, prompts.plain(question.text, history))


def _grounded_prompt(
    question: AnswerRequest, passages: Sequence[Quotable], history: Sequence[ChatMessage] = ()
) -> tuple[ChatMessage, ...]:
    return _add_instructions(question, prompts.grounded(question.text, passages, history))


def _add_instructions(question: AnswerRequest, prompt: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Add the client's instructions to ours: some models take one system message only, and only first."""
    if not question.instructions:
        return prompt
    first, *rest = prompt
    return (ChatMessage(first.role, f"{first.text}\n\n{question.instructions}"), *rest)


def _too_long(question: AnswerRequest, by_tokens: int) -> PromptTooLong:
    """Return what to shorten, and by how much."""
    limit, longest = question.endpoint.context_limit, question.parameters.max_tokens
    is_brief = tokens_of([ChatMessage("user", question.text)]) < by_tokens
    shorten = "instructions" if is_brief and question.instructions else "question"
    remedies = f"shorten the {shorten}, allow a shorter answer, or choose a model with a larger context."
    return PromptTooLong(
        f"This question does not fit {question.endpoint.name}, which takes {limit:,} tokens together with the "
        f"passages and an answer of up to {longest:,}. It is about {by_tokens:,} tokens too long: {remedies}"
    )


def _replay_data(question: AnswerRequest) -> dict[str, Any]:
    """Return what an answer is replayed with, beside its question."""
    said = [(str(each.turn_id), _id(each.answer_id)) for each in question.history if each.turn_id]
    kept: dict[str, Any] = {"history": said, "summary": question.summary}
    if question.workspace is not None:
        kept["circumstances"] = take_snapshot(Scope(question.workspace, question.where))
    return kept


def _id(answer_id: UUID | None) -> str | None:
    return str(answer_id) if answer_id else None


def _search_trace(found: Retrieval, fitting: int) -> dict[str, Any]:
    """fitting: how many of its passages are in the prompt."""
    trace = found.trace.as_json()
    for each in trace["candidates"]:
        if (each["passage"] or 0) > fitting:
            each["fate"], each["passage"] = "no room in the model's context", None
    return trace


def _prompt_trace(prompt: _Prompt, passages: Sequence[Passage]) -> dict[str, Any]:
    return {
        "passages": [
            {"number": each.number, "score": each.score, **flatten_ranks(each.ranks)} for each in passages
        ],
        "prompt": [{"role": each.role, "text": each.text} for each in prompt.messages],
        "prompt_tokens": prompt.tokens,
        "left_out": prompt.left_out,
    }
