"""What the attempts to write an answer took that were broken off.

A turn is billed once for each attempt that reached the model, also if the process that made it is gone. What
became of such an attempt stands in the answer's log: the words it wrote, and what the model's server said it
took, if it came so far. Where it did not, both are estimated: the prompt from the question, and the passages
that the attempt had found.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from chat.answering.answer import AnswerRequest, prompt_of, quotable, remembered, usage
from chat.answering.history import tokens_of
from chat.log.events import Event
from inference.tokens import estimate_tokens
from inference.types import Usage


def usage_of_lost_attempts(
    question: AnswerRequest, asks_workspace: bool, log: Sequence[Event]
) -> list[dict[str, Any]]:
    """Return what each attempt in the log took that reached the model: its fence, and its usage as in the log."""
    took = ((_fence(each), _took(question, asks_workspace, each)) for each in _attempts(log))
    return [{"fence": fence} | counted for fence, counted in took if counted]


def _attempts(log: Sequence[Event]) -> Iterator[Sequence[Event]]:
    begun = [place for place, event in enumerate(log) if event.kind == "started"]
    return (log[start:end] for start, end in pairwise([*begun, len(log)]))


def _fence(attempt: Sequence[Event]) -> int:
    return int(attempt[0].data["fence"])


def _took(question: AnswerRequest, asks_workspace: bool, attempt: Sequence[Event]) -> dict[str, Any] | None:
    """Return the usage of an attempt; None if it cannot have reached the model."""
    data = {event.kind: event.data for event in attempt}
    if "usage" in data:
        return data["usage"]
    sources = data.get("sources", {"grounding": "", "passages": []})
    if asks_workspace and not sources["passages"] and sources["grounding"] != "degraded":
        return None  # it was still searching, or found nothing to ask about
    earlier, history = remembered(question)
    prompt = prompt_of(question, [quotable(each) for each in sources["passages"]], (*earlier, *history))
    written = "".join(event.data["text"] for event in attempt if event.kind == "delta")
    counted = Usage(tokens_of(prompt), estimate_tokens(written), is_estimate=True)
    return usage(question.endpoint, counted).data
