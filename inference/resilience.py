"""Wraps the models of every provider with deadlines, retries, a circuit breaker and checks of the replies.

No call waits forever. A failed call is retried if a retry may help, none of its output was shown yet, and its
deadline allows it.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Self, TypeVar

from .breaker import guarding
from .errors import BadReply, RateLimited, TimedOut, Unavailable
from .protocols import ChatModel, ModelServer
from .providers import BatchEmbedder, BatchReranker
from .types import (
    SIGN_OF_LIFE,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Embeddings,
    EndpointSpec,
    Scores,
    ServerFacts,
    TextRole,
    Thinking,
    Usage,
    Vector,
)

_FACTS_S, _COUNT_S = 5.0, 2.0  # short: both calls are optional, and the caller goes on without the result
_STOOD_STILL_S = 0.1  # a timer that fires this late shows that the event loop was blocked
_PAUSES_S = (0.2, 0.8)  # before the second and third attempt; each varies by ±50 %
_THINKING_S = 3600.0  # without a word of the answer; no call waits forever
Got = TypeVar("Got")


class ResilientChat:
    """A model that thinks is not silent: whatever its server sends starts its deadline again."""

    def __init__(self, model: ChatModel, spec: EndpointSpec) -> None:
        self._model = model
        self._name = spec.name
        self._deadlines = spec.deadlines

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        limits = self._deadlines
        limit_s = limits.first_token_s if request.streaming else limits.whole_reply_s
        what = "first word" if request.streaming else "answer"
        with guarding(self._name), _DeadlineTimer(limit_s, what) as timer:
            event, events = await timer.wait(_attempt_before(timer, partial(self._begin, request, timer)))
        async with aclosing(events):
            with _DeadlineTimer(limits.between_tokens_s, "next word") as timer:
                while event is not None:
                    if event != SIGN_OF_LIFE:
                        yield event
                    if isinstance(event, Thinking):
                        timer.note_sign_of_life()
                    event = await timer.wait(anext(events, None))

    async def _begin(
        self, request: ChatRequest, timer: "_DeadlineTimer"
    ) -> tuple[ChatEvent | None, AsyncGenerator[ChatEvent]]:
        """Return the first event with text, and the others. Nothing was shown before it, so a retry may help."""
        events = self._model.stream(request)
        while (event := await anext(events, None)) == SIGN_OF_LIFE:
            timer.note_sign_of_life()
        return event, events


class ResilientEmbedder:
    def __init__(self, model: BatchEmbedder, spec: EndpointSpec) -> None:
        self._model = model
        self._name = spec.name
        self._limit_s = spec.deadlines.whole_reply_s

    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        vectors, usage = list[Vector](), Usage(0, 0)
        for batch in _batches(texts, self._model.batch_size):
            call = partial(self._model.embed, batch, role)
            got = await _attempts(self._name, call, self._limit_s, "embedding")
            vectors, usage = vectors + _one_each(got.vectors, batch), usage + got.usage
        if len(lengths := {len(vector) for vector in vectors}) > 1 or 0 in lengths:
            raise BadReply(f"The model sent embeddings of different lengths: {sorted(lengths)}.")
        return Embeddings(vectors, usage)


class ResilientReranker:
    def __init__(self, model: BatchReranker, spec: EndpointSpec) -> None:
        self._model = model
        self._name = spec.name
        self._limit_s = spec.deadlines.whole_reply_s

    async def score(self, query: str, passages: Sequence[str]) -> Scores:
        values, usage = list[float](), Usage(0, 0)
        for batch in _batches(passages, self._model.batch_size):
            call = partial(self._model.score, query, batch)
            got = await _attempts(self._name, call, self._limit_s, "score")
            values, usage = values + _one_each(got.values, batch), usage + got.usage
        return Scores(values, usage)


class TimedServer:
    def __init__(self, server: ModelServer) -> None:
        self._server = server

    async def facts(self) -> ServerFacts:
        return await _within(_FACTS_S, "description of itself", self._server.facts())

    async def count(self, messages: Sequence[ChatMessage]) -> int:
        return await _within(_COUNT_S, "count of tokens", self._server.count(messages))


async def _attempts(name: str, call: Callable[[], Awaitable[Got]], limit_s: float, what: str) -> Got:
    """Return the result of the call, after at most three attempts. Raise TimedOut after limit_s in total."""
    with guarding(name), _DeadlineTimer(limit_s, what) as timer:
        return await timer.wait(_attempt_before(timer, call))


async def _attempt_before(timer: "_DeadlineTimer", call: Callable[[], Awaitable[Got]]) -> Got:
    for pause_s in _PAUSES_S:
        try:
            return await call()
        except (BadReply, TimedOut):  # a retry would give the same reply, or exceed the deadline
            raise
        except Unavailable as error:
            pause_s *= random.uniform(0.5, 1.5)
            if isinstance(error, RateLimited):
                pause_s = max(pause_s, error.retry_after_s or 0)
            if pause_s >= timer.left_s:
                raise
            await asyncio.sleep(pause_s)
    return await call()


async def _within(limit_s: float, what: str, waiting: Awaitable[Got]) -> Got:
    with _DeadlineTimer(limit_s, what) as timer:
        return await timer.wait(waiting)


class _DeadlineTimer:
    """Enforce a time limit on each of several successive waits, with one timer instead of one per token.

    Time in which our own process was blocked does not count: it has not read what the model sent meanwhile.
    """

    def __init__(self, limit_s: float, what: str) -> None:
        self._limit_s = limit_s
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None  # the task that waits now
        self._since = 0.0  # when it began to wait, by the loop's clock
        self._extended = 0.0  # the start of the wait that already got an extension
        self._is_over = False

    @property
    def left_s(self) -> float:
        return self._since + self._limit_s - self._loop.time()

    def note_sign_of_life(self) -> None:
        """Start the limit of this wait again. Raise TimedOut if the model has only thought for too long."""
        self._since = self._loop.time()
        if self._since > self._began + _THINKING_S:
            raise TimedOut(f"The model thought for {_THINKING_S / 60:.0f} minutes without an answer.")

    def __enter__(self) -> Self:
        self._began = self._loop.time()
        self._timer = self._loop.call_later(self._limit_s, self._check)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        now = self._loop.time()
        since = self._since if self._task else now
        end = since + self._limit_s
        late_s = now - self._timer.when()
        # One extension per wait, as an overloaded loop would extend it forever.
        if late_s > _STOOD_STILL_S and since != self._extended:
            end, self._extended = max(end, now + late_s), since
        if self._task and now >= end:
            self._is_over = True
            self._task.cancel()
        else:
            self._timer = self._loop.call_at(end, self._check)

    async def wait(self, waiting: Awaitable[Got]) -> Got:
        task = self._task = asyncio.current_task()
        self._since = self._loop.time()
        assert task is not None
        cancelled = task.cancelling()
        try:
            return await waiting
        except asyncio.CancelledError as error:
            if self._is_over and task.uncancel() <= cancelled:  # otherwise another caller cancelled the task
                raise _timeout_error(self._limit_s, self._what) from error
            raise
        finally:
            self._task = None


def _timeout_error(limit_s: float, what: str) -> TimedOut:
    return TimedOut(f"The model sent no {what} within {limit_s:g} s.")


def _batches(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (texts[start : start + size] for start in range(0, len(texts), size))


def _one_each(got: list[Got], texts: Sequence[str]) -> list[Got]:
    if len(got) != len(texts):
        raise BadReply(f"The model sent {len(got)} results for {len(texts)} texts.")
    return got
