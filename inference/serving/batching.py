"""Dynamic batching: one thread runs the models, and priority queues feed it.

Requests are split into single inputs, and inputs of several requests share a batch. Each kind of work has a
lane, and the first lane that is not empty gets the next batch. Batches are small: a user's question is in the
first lane, so it waits for one small batch at most, however many documents are waiting for embedding.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

MAX_BATCH_INPUTS = 32
MAX_BATCH_CHARACTERS = 8_000  # about 2,000 tokens: a third of a second for MiniLM on two cores
MAX_WAITING_CHARACTERS = 32_000_000

log = logging.getLogger(__name__)


class QueueFull(Exception): ...


@dataclass
class _Job:
    """One request. Its future is done when all results are there, one input failed, or the client left."""

    results: list[Any]
    missing: int
    future: "Future[list[Any]]" = field(default_factory=Future)

    def put(self, index: int, result: Any) -> None:
        self.results[index] = result
        self.missing -= 1
        if not self.missing:
            with suppress(InvalidStateError):  # the client left
                self.future.set_result(self.results)

    def fail(self, error: Exception) -> None:
        with suppress(InvalidStateError):  # the client left, or another batch of this request failed
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Input:
    job: _Job
    index: int
    value: Any
    characters: int


@dataclass(frozen=True, eq=False)
class BatchQueue:
    """The queue of one kind of work: the function that runs a batch, and an input's length in characters."""

    run: Callable[[Sequence[Any]], Sequence[Any]]
    characters: Callable[[Any], int] = len
    waiting: deque[_Input] = field(default_factory=deque)


class Worker:
    def __init__(self, lanes: Iterable[BatchQueue]) -> None:
        self._lanes = tuple(lanes)
        self._waiting_characters = 0
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)
        self._thread.start()

    @property
    def is_well(self) -> bool:
        return self._thread.is_alive() and not self._is_stopping

    def submit(self, lane: BatchQueue, values: Sequence[Any]) -> "Future[list[Any]]":
        """Queue the values and return a future with their results, in order. Raise QueueFull.

        Cancel the future to skip the work that has not started.
        """
        job = _Job(results=[None] * len(values), missing=len(values))
        inputs = [_Input(job, index, value, lane.characters(value)) for index, value in enumerate(values)]
        # Inputs of similar length share a batch, because padding costs as much as text.
        inputs.sort(key=lambda item: item.characters, reverse=True)
        characters = sum(item.characters for item in inputs)
        with self._changed:
            if self._waiting_characters + characters > MAX_WAITING_CHARACTERS:
                raise QueueFull
            self._waiting_characters += characters
            lane.waiting.extend(inputs)
            self._changed.notify()
        return job.future

    def stop(self) -> None:
        """Finish all queued work, then return."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            _run(*batch)

    def _next_batch(self) -> tuple[BatchQueue, list[_Input]] | None:
        with self._changed:
            while True:
                for lane in self._lanes:
                    if batch := list(self._take_batch(lane)):
                        return lane, batch
                if self._is_stopping:
                    return None
                self._changed.wait()

    def _take_batch(self, lane: BatchQueue) -> Iterable[_Input]:
        count = longest = 0
        while lane.waiting and count < MAX_BATCH_INPUTS:
            item = lane.waiting[0]
            longest = max(longest, item.characters)
            if count and longest * (count + 1) > MAX_BATCH_CHARACTERS:
                return
            lane.waiting.popleft()
            self._waiting_characters -= item.characters
            if not item.job.future.done():  # otherwise it failed, or its client left
                count += 1
                yield item


def _run(lane: BatchQueue, batch: list[_Input]) -> None:
    try:
        results = lane.run([item.value for item in batch])
    except Exception as error:
        log.exception("A batch of %d failed.", len(batch))
        for item in batch:
            item.job.fail(error)
    else:
        for item, result in zip(batch, results, strict=True):
            item.job.put(item.index, result)
