"""One attempt at an answer, under one claim: run the pipeline, log its events, commit its end."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from uuid import uuid4

from django.utils import timezone

from chat.answering.answer import Traced, answer, count_usage
from chat.answering.answer_request import build_bare_request, build_request
from chat.answering.history import History
from chat.errors import CannotBegin, PromptTooLong
from chat.log.events import (
    Delta,
    Event,
    Failed,
    Finished,
    Restarted,
    SourcePassage,
    Sources,
    Thinking,
    UsageCounted,
)
from chat.log.follow import since_restart
from chat.log.writer import AnswerWriter
from chat.models import Answer, AnswerPassage
from core.db.threads import to_thread
from core.errors import DomainError
from core.text import storable
from documents.models import Document
from inference.errors import (
    BadReply,
    InferenceError,
    Misconfigured,
    NotConnected,
    Rejected,
    TimedOut,
    Unauthorized,
)
from inference.tokens import estimate_tokens
from inference.types import Usage
from models_registry.errors import EndpointError

from . import claims
from .lost_attempts import usage_of_lost_attempts

logger = logging.getLogger(__name__)

MAX_THINKING_CHARACTERS = 50_000  # of a trace; the log has all of it
SET_UP_WRONGLY = "This model is not set up correctly, so it cannot answer. Choose another one, and tell an operator of this site."


@dataclass(slots=True)
class AttemptState:
    """The state that an answer's events add up to (a fold over them): its row when it ends."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    thinking_from: datetime | None = None
    thinking_s: float = 0.0  # to the first word of the answer; 0: it showed no thinking, or wrote no word
    grounding: str = Answer.Grounding.NONE
    trace: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    was_unread: bool = False
    taken_over: str = ""  # the beginning of the text, from the answer that this one continues
    first_token_at: datetime | None = None
    broken_off: list[dict[str, Any]] = field(default_factory=list)  # chat.queue.lost_attempts

    def apply(self, event: Event) -> None:
        match event:
            case Delta(text, is_old):
                self.text.append(text)
                if is_old:
                    self.taken_over = text
                    return
                self.first_token_at = self.first_token_at or timezone.now()
                if self.thinking_from and not self.thinking_s:
                    self.thinking_s = (timezone.now() - self.thinking_from).total_seconds()
            case Thinking(text, takes_back):
                if takes_back:
                    self.thinking.append("".join(self.text).removeprefix(self.taken_over))
                    self.text.clear()
                self.thinking.append(text)
                self.thinking_from = self.thinking_from or timezone.now()
            case Sources():
                self.grounding = event.grounding
            case UsageCounted():
                self.usage = event.data
            case Finished(reason):
                self.trace["finish_reason"] = reason
            case Traced(trace):
                self.trace = trace

    def forget_trace(self) -> None:
        """Drop all of the trace except what the bill needs."""
        self.trace = {name: self.trace[name] for name in ("prompt_tokens",) if name in self.trace}

    @property
    def is_uncounted(self) -> bool:
        """Whether the model read the prompt, or wrote, but did not report its usage."""
        has_written = "".join(self.text) != self.taken_over or self.thinking
        was_read = bool(has_written) or not self.was_unread
        return self.usage is None and "prompt_tokens" in self.trace and was_read

    def estimate_usage(self) -> Usage:
        words = "".join(self.text).removeprefix(self.taken_over)
        written = estimate_tokens("".join([*self.thinking, words]))
        return Usage(self.trace["prompt_tokens"], written, is_estimate=True)

    def as_fields(self) -> dict[str, Any]:
        rewrite = self.trace.get("condensed")  # the query rewriting call, possibly of another model
        attempts = [*self.broken_off, *([self.usage] if self.usage else []), *([rewrite] if rewrite else [])]
        return {
            "text": "".join(self.text),
            "grounding": self.grounding,
            "trace": self.trace | self._thoughts(),
            "input_tokens": sum(each["input_tokens"] for each in attempts),
            "output_tokens": sum(each["output_tokens"] for each in attempts),
            "cost": sum((Decimal(each["cost"]) for each in attempts), Decimal(0)),
            "broken_off": self.broken_off,
            "first_token_at": self.first_token_at,
        }

    def _thoughts(self) -> dict[str, Any]:
        """Return the thinking as the trace holds it: nothing if the model showed none."""
        text = "".join(self.thinking).strip()
        if not text:
            return {}
        took = {"thinking_s": round(self.thinking_s, 1)} if self.thinking_s else {}
        return {"thinking": text[:MAX_THINKING_CHARACTERS], **took}


@dataclass(slots=True)
class Attempt:
    """One claim on one answer, while this process holds its lease."""

    answer: Answer
    history: History
    log: AnswerWriter
    earlier_events: Sequence[Event] = ()  # the log as earlier claims left it
    state: AttemptState = field(default_factory=AttemptState)
    task: asyncio.Task[None] | None = None
    cancel_reason: Literal["", "stop", "leave"] = ""

    def cancel(self, reason: Literal["stop", "leave"]) -> None:
        if self.task is not None:  # else the next heartbeat tries again
            self.cancel_reason = self.cancel_reason or reason
            self.task.cancel()


async def run_attempt(attempt: Attempt) -> None:
    """Run the answer, log its events except the last, and fold them into the attempt's state."""
    if attempt.answer.fence > 1:  # the first claim logs it itself
        attempt.log.append(claims.started_event(attempt.answer))
    if any(isinstance(event, Delta) for event in since_restart(attempt.earlier_events)):
        reason = "The server process that was writing this answer stopped, so the answer starts again."
        attempt.log.append(Restarted(reason))
    row = attempt.answer
    if row.turn.workspace_id or row.continues_id or attempt.history.may_hold_documents:
        question = await to_thread(build_request)(attempt.answer, attempt.history)
    else:
        question = build_request(attempt.answer, attempt.history)
    async with aclosing(answer(question)) as events:
        async for event in events:
            attempt.state.apply(event)
            match event:
                case Sources():
                    keep = partial(_keep_passages, attempt.answer, event.passages)
                    attempt.log.append(event, in_same_transaction=keep)
                case Traced() | Finished():
                    continue
                case _:
                    attempt.log.append(event)


async def finish_attempt(attempt: Attempt, end: Event) -> None:
    """Commit the answer's last event together with its row, in one transaction."""
    if attempt.state.is_uncounted and attempt.answer.endpoint is not None:
        counted = count_usage(attempt.answer.endpoint, attempt.state.estimate_usage())
        attempt.state.apply(counted)
        attempt.log.append(counted)
    fields = attempt.state.as_fields() | {
        "status": _STATUS[end.kind],
        "error": end.error if isinstance(end, Failed) else "",
        "ended_at": timezone.now(),
    }
    attempt.log.append(end, final_row=fields)
    await attempt.log.flush()


_STATUS = {
    "finished": Answer.Status.FINISHED,
    "stopped": Answer.Status.STOPPED,
    "failed": Answer.Status.FAILED,
}


def failure_of(error: BaseException) -> Event:
    """Return the Failed event for an error: the error's own sentence if it is written for users."""
    if isinstance(error, InferenceError | DomainError):
        is_refusal = isinstance(error, Rejected | PromptTooLong | CannotBegin)
        return failed_event(_words_for_users(error), is_retryable=error.retryable, is_refusal=is_refusal)
    reference = uuid4().hex[:8]
    logger.error("Answer failed, reference %s", reference, exc_info=error)
    return failed_event(
        f"Something went wrong on our side (reference {reference}). Try again.", is_retryable=True
    )


def _words_for_users(error: InferenceError | DomainError) -> str:
    """Return the error's sentence, unless only an operator can do something about it."""
    if not isinstance(error, Misconfigured | Unauthorized | EndpointError):
        return str(error)
    logger.warning("A model is set up wrongly: %s", error)
    return SET_UP_WRONGLY


def read_nothing(error: BaseException) -> bool:
    """Return whether the model read nothing, so that the call costs nothing: its server or we refused it."""
    if isinstance(error, TimedOut | BadReply):
        return isinstance(error, NotConnected)
    return isinstance(error, InferenceError | DomainError)


def health_note(attempt: Attempt, error: BaseException | None) -> Callable[[], None] | None:
    """Return a function that stores what this answer says about its model's health, if that is news."""
    endpoint = attempt.answer.endpoint
    if endpoint is None or isinstance(error, Rejected):  # it refused this question, and may answer the next
        return None
    if isinstance(error, InferenceError | EndpointError):
        return partial(endpoint.note_answer, storable(str(error)))
    has_answered = error is None and attempt.state.usage is not None
    return endpoint.note_answer if has_answered and endpoint.last_check_ok is False else None


def failed_event(words: str, *, is_retryable: bool, is_refusal: bool = False) -> Failed:
    return Failed(storable(words), is_retryable, is_refusal or None)


def lost_usage(attempt: Attempt) -> list[dict[str, Any]]:
    turn, endpoint = attempt.answer.turn, attempt.answer.endpoint
    if endpoint is None:
        return []  # the prices are gone with the endpoint
    question = build_bare_request(turn, endpoint, attempt.history)
    return usage_of_lost_attempts(question, bool(turn.workspace_id), attempt.earlier_events)


def _keep_passages(answer: Answer, passages: Sequence[SourcePassage]) -> None:
    """Store the passages as the prompt quotes them, and delete those of an earlier claim."""
    wanted = {each["document_id"] for each in passages if each["document_id"]}
    there = {str(each) for each in Document.objects.filter(pk__in=wanted).values_list("pk", flat=True)}
    answer.passages.all().delete()
    AnswerPassage.objects.bulk_create(
        AnswerPassage(
            answer=answer,
            number=each["number"],
            document_id=each["document_id"] if each["document_id"] in there else None,
            document_title=each["title"],
            section=each["section"],
            start=each["start"],
            end=each["end"],
            text=each["text"],
            title_path=each["title_path"],
            page=each["page"],
        )
        for each in passages
    )
