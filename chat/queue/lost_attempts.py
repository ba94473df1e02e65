"""What the attempts to write an answer took that were broken off.

A turn is billed once for each attempt that reached the model, also if the process that made it is gone. What
became of such an attempt stands in the answer's log: the words it wrote, and what the model's server said it
took, if it came so far. Where it did not, both are estimated: the prompt from the question, and the passages
that the attempt had found.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from chat.answering.answer import count_usage
from chat.answering.answer_request import AnswerRequest
from chat.answering.prompt_builder import estimate_tokens_of
from chat.log.events import Delta, Event, Sources, Started, UsageCounted
from inference.tokens import estimate_tokens
from inference.types import Usage


def usage_of_lost_attempts(
    request: AnswerRequest, asks_workspace: bool, log: Sequence[Event]
) -> list[dict[str, Any]]:
    """Return what each attempt in the log took that reached the model: its fence, and its usage as in the log."""
    took = ((_fence(each), _took(request, asks_workspace, each)) for each in _attempts(log))
    return [{"fence": fence} | counted for fence, counted in took if counted]


def _attempts(log: Sequence[Event]) -> Iterator[Sequence[Event]]:
    starts = [place for place, event in enumerate(log) if isinstance(event, Started)]
    return (log[start:end] for start, end in pairwise([*starts, len(log)]))


def _fence(attempt: Sequence[Event]) -> int:
    return next(event.fence for event in attempt if isinstance(event, Started))


def _took(request: AnswerRequest, asks_workspace: bool, attempt: Sequence[Event]) -> dict[str, Any] | None:
    """Return the usage of an attempt; None if it cannot have reached the model."""
    sources, words = Sources("", []), ""
    for event in attempt:
        match event:
            case UsageCounted():
                return event.data
            case Sources():
                sources = event
            case Delta(text):
                words += text
    if asks_workspace and not sources.passages and sources.grounding != "degraded":
        return None  # it was still searching, or found nothing to ask about
    counted = Usage(estimate_tokens_of(request, sources.passages), estimate_tokens(words), is_estimate=True)
    return count_usage(request.endpoint, counted).data
