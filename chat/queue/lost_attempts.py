"""Usage accounting for interrupted attempts: attempts at an answer whose process died.

A turn is billed for each attempt that reached the model, even if its process is gone. The answer's log shows
what such an attempt did: the text that it wrote, and the usage that the model's server reported, if it got
that far. Otherwise both are estimated: the prompt from the question and the passages that the attempt found,
the output from the text.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from chat.answering.answer import count_usage
from chat.answering.answer_request import AnswerRequest
from chat.answering.prompt_builder import estimate_tokens_of
from chat.log.events import Delta, Event, Sources, Started, Thinking, UsageCounted
from inference.tokens import estimate_tokens
from inference.types import Usage


def usage_of_lost_attempts(
    request: AnswerRequest, asks_workspace: bool, log: Sequence[Event]
) -> list[dict[str, Any]]:
    """Return the fence and the usage (as in UsageCounted) of each logged attempt that reached the model."""
    took = ((_fence(each), _took(request, asks_workspace, each)) for each in _attempts(log))
    return [{"fence": fence} | counted for fence, counted in took if counted]


def _attempts(log: Sequence[Event]) -> Iterator[Sequence[Event]]:
    starts = [place for place, event in enumerate(log) if isinstance(event, Started)]
    return (log[start:end] for start, end in pairwise([*starts, len(log)]))


def _fence(attempt: Sequence[Event]) -> int:
    return next(event.fence for event in attempt if isinstance(event, Started))


def _took(request: AnswerRequest, asks_workspace: bool, attempt: Sequence[Event]) -> dict[str, Any] | None:
    """Return the usage of an attempt, or None if it cannot have reached the model."""
    sources, words, taken_over = Sources("", []), "", ""
    for event in attempt:
        match event:
            case UsageCounted():
                return event.data
            case Sources():
                sources = event
            case Delta(text, True):  # from the answer that this one continues: read, not written
                taken_over = text
            case Delta(text) | Thinking(text):
                words += text
    if asks_workspace and not sources.passages and sources.grounding != "degraded":
        return None  # it was still searching, or the search found nothing, so no model was called
    read = estimate_tokens_of(request, sources.passages) + estimate_tokens(taken_over)
    counted = Usage(read, estimate_tokens(words), is_estimate=True)
    return count_usage(request.endpoint, counted).data
