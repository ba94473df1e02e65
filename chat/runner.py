"""Writes answers, whoever asked and whoever still listens. One runner for each web process.

A runner claims queued answers, and those whose writer is gone: a claim raises the answer's fence and takes
a lease, which the heartbeat renews. If the process dies, the lease runs out and another runner takes the
answer over: silently if nobody has seen a word of it, else with a "restarted" event.

The database decides everything. Waking runners and telling them to stop is only quicker than waiting for
the next look, once a second.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils import timezone

from documents.access import where_for
from documents.models import Document
from inference.errors import InferenceError
from inference.tokens import estimate_tokens
from inference.types import Usage
from models_registry.models import Endpoint
from models_registry.secrets import SecretMissing
from workspaces.access import workspace_for
from workspaces.engines import ANYWHERE
from workspaces.fields import BadValue

from . import claims, summaries
from .answer import Parameters, Question, TooLong, answer, usage
from .attempts import broken_off
from .events import TERMINAL, Event, Logged, storable
from .history import History
from .hub import RUNNERS, cancelled, hub, listen, say, say_from_thread
from .log import AnswerLog, Fenced, Unwritable, Writer, all_so_far, since_begun_anew
from .models import Answer, AnswerPassage, Summary, Turn
from .preface import Preface
from .threads import in_thread

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

LOOK_EVERY_S = 1.0  # for work, and for what became of our leases
GRACE_S = 6.0  # for answers to end when the process is asked to; whoever stops us must wait longer
LEAVE_S = 2.0  # then, for what they have written to be committed
CLAIMS_MOST = 5  # of one answer: it may be what kills the process

_here: "Runner | None" = None  # this process's, while it runs


class CannotBegin(Exception):
    """What the question needs is not there any more. `str()` says what, for people."""


def wake() -> None:
    """Have a runner look for work at once: this process's, if it has one with room, else any."""
    if _here is not None and _here.has_room:
        _here.wake_from_thread()
    else:
        say_from_thread(RUNNERS, {"type": "work"})


def stop(answer_id: UUID) -> None:
    """Have whichever runner writes this answer see at once that it is to stop."""
    if _here is not None and _here.has(answer_id):
        _here.stop_from_thread(answer_id)
    else:
        say_from_thread(RUNNERS, {"type": "stop", "answer": str(answer_id)})


@dataclass(slots=True)
class _Draft:
    """What an answer's events amount to: its row when it ends."""

    text: list[str] = field(default_factory=list)
    grounding: str = Answer.Grounding.NONE
    trace: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    first_token_at: datetime | None = None
    broken_off: list[dict[str, Any]] = field(default_factory=list)  # chat.attempts

    def take(self, event: Event) -> None:
        match event.kind:
            case "delta":
                self.text.append(event.data["text"])
                self.first_token_at = self.first_token_at or timezone.now()
            case "sources":
                self.grounding = event.data["grounding"]
            case "usage":
                self.usage = event.data
            case "finished":
                self.trace["finish_reason"] = event.data["reason"]

    @property
    def is_uncounted(self) -> bool:
        """The model was asked, and did not come to say what it took."""
        return self.usage is None and "prompt_tokens" in self.trace

    def estimated(self) -> Usage:
        written = estimate_tokens("".join(self.text))
        return Usage(self.trace["prompt_tokens"], written, is_estimate=True)

    def as_fields(self) -> dict[str, Any]:
        beside = self.trace.get("condensed")  # a call of another model
        attempts = [*self.broken_off, *([self.usage] if self.usage else []), *([beside] if beside else [])]
        return {
            "text": "".join(self.text),
            "grounding": self.grounding,
            "trace": self.trace,
            "input_tokens": sum(each["input_tokens"] for each in attempts),
            "output_tokens": sum(each["output_tokens"] for each in attempts),
            "cost": sum((Decimal(each["cost"]) for each in attempts), Decimal(0)),
            "broken_off": self.broken_off,
            "first_token_at": self.first_token_at,
        }


@dataclass(slots=True)
class _Run:
    """One claim on one answer, while this process holds it."""

    answer: Answer
    history: History
    log: AnswerLog
    before: Sequence[Event] = ()  # the log as the earlier claims left it
    draft: _Draft = field(default_factory=_Draft)
    producer: asyncio.Task[None] | None = None
    why: Literal["", "stop", "leave"] = ""  # the producer was cancelled

    def cancel(self, why: Literal["stop", "leave"]) -> None:
        if self.producer is not None:  # else the next heartbeat comes back to it
            self.why = self.why or why
            self.producer.cancel()


class Runner:
    """Open it as `async with`, in the event loop of the web process; leaving drains it."""

    def __init__(self, *, at_once: int | None = None, grace_s: float = GRACE_S) -> None:
        self._at_once = at_once or settings.ANSWERS_AT_ONCE
        self._grace_s = grace_s
        self._runs: dict[UUID, _Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._summaries: dict[asyncio.Task[None], Summary] = {}
        self._work = asyncio.Event()
        self._is_leaving = False

    async def __aenter__(self) -> "Runner":
        global _here
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(hub().open())
            self._writer = await stack.enter_async_context(Writer())
            for forever in (self._beat(), listen(RUNNERS, self._hear, self._work.set)):
                stack.push_async_callback(cancelled, [asyncio.create_task(forever)])
            stack.push_async_callback(self._drain, asyncio.create_task(self._claim()))
            self._stack = stack.pop_all()
        _here = self
        return self

    async def __aexit__(self, *_: object) -> None:
        global _here
        _here = None
        await self._stack.aclose()

    @property
    def has_room(self) -> bool:
        return self._room > 0

    @property
    def _room(self) -> int:
        return self._at_once - len(self._runs) - len(self._summaries)

    def has(self, answer_id: UUID) -> bool:
        return answer_id in self._runs

    def wake_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._work.set)

    def stop_from_thread(self, answer_id: UUID) -> None:
        self._loop.call_soon_threadsafe(self._stop, answer_id)

    def _stop(self, answer_id: UUID) -> None:
        if run := self._runs.get(answer_id):
            run.cancel("stop")

    def _hear(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "work":
                self._work.set()
            case "stop":
                self._stop(UUID(message["answer"]))

    # --- holding answers -------------------------------------------------------------------------

    async def _claim(self) -> None:
        """Take what there is room for, until the process leaves."""
        while not self._is_leaving:
            self._work.clear()
            if self.has_room:
                for claim in await _tried(claims.claimed, self._room, list(self._runs)) or ():
                    if isinstance(claim, Summary):
                        self._begin_summary(claim)
                        continue
                    self._begin(claim)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._work.wait()
            except TimeoutError:
                continue

    def _begin(self, claim: claims.Claim) -> None:
        answer = claim.answer
        run = _Run(answer, claim.history, self._writer.open(answer.pk, answer.fence, claim.seq))
        if answer.fence == 1:
            self._writer.announce({answer.pk: [Logged(claim.seq, "started", claims.started(answer).data)]})
        self._runs[answer.pk] = run
        task = asyncio.create_task(self._attend(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin_summary(self, summary: Summary) -> None:
        task = asyncio.create_task(summaries.write(summary))
        self._summaries[task] = summary
        task.add_done_callback(self._end_summary)

    def _end_summary(self, task: asyncio.Task[None]) -> None:
        summary = self._summaries.pop(task)
        self._work.set()
        if not task.cancelled() and (error := task.exception()):  # the lease runs out
            logger.error("The summary of session %s was not kept", summary.pk, exc_info=error)

    async def _beat(self) -> None:
        """Renew the leases of all that is written here, hear what is to stop, say how far the queue is."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._writer.announce(await _tried(claims.moved_up) or {})
            await self._renew_summaries()
            runs = list(self._runs.values())
            held = await _tried(claims.renewed, _fences(runs)) if runs else None
            if held is None:
                continue
            for run in runs:
                if run.answer.pk not in held:
                    run.cancel("leave")
                elif held[run.answer.pk]:
                    run.cancel("stop")

    async def _renew_summaries(self) -> None:
        running = dict(self._summaries)
        fences = {each.pk: each.fence for each in running.values()}
        held = await _tried(summaries.renewed, fences) if fences else None
        for task, summary in running.items():
            if held is not None and summary.pk not in held:
                task.cancel()

    async def _drain(self, claiming: asyncio.Task[None]) -> None:
        """Let what is being written end; what takes too long goes to another process."""
        self._is_leaving = True
        self._work.set()
        await claiming
        await cancelled(self._summaries)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._grace_s)
        left = _fences(self._runs.values())
        for run in list(self._runs.values()):
            run.cancel("leave")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_S)
        if left:
            await _tried(claims.released, left)
            await say(RUNNERS, {"type": "work"})

    # --- writing one answer ----------------------------------------------------------------------

    async def _attend(self, run: _Run) -> None:
        """See one claim through: to the answer's end, or until another process has it."""
        may_be_work = True
        try:
            await self._write(run)
            may_be_work = await self._remember(run) or self._writer.somebody_waits
        except Fenced:
            logger.warning("Answer %s was taken over by another process", run.answer.pk)
        except Exception:  # the lease runs out, and another claim tries again
            logger.exception("Answer %s could not be ended", run.answer.pk)
        finally:
            del self._runs[run.answer.pk]
            if may_be_work:
                self._work.set()

    async def _remember(self, run: _Run) -> bool:
        """Have the session's summary written, if enough has fallen out of its window. Returns whether it is."""
        endpoint, session = run.answer.endpoint, run.answer.turn.session
        is_due = summaries.is_due(run.history, run.draft.trace.get("left_out", 0))
        if is_due and endpoint and session.preface is None and summaries.can_write(endpoint):
            await _tried(summaries.ask, session.pk, endpoint)
            return True
        return False

    async def _write(self, run: _Run) -> None:
        if run.answer.fence > 1:
            run.before = await in_thread(all_so_far)(run.answer.pk)
            run.draft.broken_off = _broken_off(run)
        end = self._abandoned_end(run) or await self._produced_end(run)
        if end is None:
            await run.log.flush()
            return
        try:
            await _ended(run, end)
        except Unwritable as error:
            await _ended(run, _failed(error))

    def _abandoned_end(self, run: _Run) -> Event | None:
        """Return the end of an answer that is not to be tried again; it keeps what people have seen."""
        if run.answer.stop_requested:
            end = Event("stopped", {})
        elif run.answer.fence > CLAIMS_MOST:
            end = _failure("Writing this answer was interrupted too often. Ask again.", is_retryable=True)
        else:
            return None
        for event in since_begun_anew(run.before):
            if event.kind != "usage":  # of an attempt that was broken off
                run.draft.take(event)
        return end

    async def _produced_end(self, run: _Run) -> Event | None:
        """Let the answer be produced, in a task of its own so that it can be stopped. None: we leave it."""
        run.producer = asyncio.create_task(_produce(run))
        await asyncio.wait([run.producer])
        if run.producer.cancelled():
            return Event("stopped", {}) if run.why == "stop" else None
        error = run.producer.exception()
        if isinstance(error, Fenced):
            raise error
        return _failed(error) if error else Event("finished", {"reason": run.draft.trace["finish_reason"]})


def _fences(runs: Iterable[_Run]) -> dict[UUID, int]:
    return {run.answer.pk: run.answer.fence for run in runs}


async def _produce(run: _Run) -> None:
    if run.answer.fence > 1:  # a first claim has logged it
        run.log.append(claims.started(run.answer))
    if any(event.kind == "delta" for event in since_begun_anew(run.before)):
        reason = "The process that wrote this answer is gone, so it is written anew."
        run.log.append(Event("restarted", {"reason": reason}))
    if run.answer.turn.workspace_id:
        question = await in_thread(question_of)(run.answer, run.history)
    else:
        question = question_of(run.answer, run.history)
    async with aclosing(answer(question)) as events:
        async for event in events:
            if event.kind == "trace":
                run.draft.trace = event.data
                continue
            run.draft.take(event)
            if event.kind == "sources":
                run.log.append(event, along=partial(_keep_passages, run.answer, event.data["passages"]))
            elif event.kind not in TERMINAL:
                run.log.append(event)


async def _ended(run: _Run, end: Event) -> None:
    """Commit the answer's last event together with its row."""
    if run.draft.is_uncounted and run.answer.endpoint is not None:
        counted = usage(run.answer.endpoint, run.draft.estimated())
        run.draft.take(counted)
        run.log.append(counted)
    fields = run.draft.as_fields() | {
        "status": _STATUS[end.kind],
        "error": end.data.get("error", ""),
        "ended_at": timezone.now(),
    }
    run.log.append(end, row=fields)
    await run.log.flush()


_STATUS = {
    "finished": Answer.Status.FINISHED,
    "stopped": Answer.Status.STOPPED,
    "failed": Answer.Status.FAILED,
}


def _failed(error: BaseException) -> Event:
    """Return what people are told: the error's own words if they are meant for them."""
    if isinstance(error, InferenceError | SecretMissing | TooLong | CannotBegin):
        return _failure(str(error), is_retryable=getattr(error, "retryable", False))
    reference = uuid4().hex[:8]
    logger.error("Answer failed, reference %s", reference, exc_info=error)
    return _failure(f"Something went wrong here (reference {reference}). Try again.", is_retryable=True)


def _failure(words: str, *, is_retryable: bool) -> Event:
    return Event("failed", {"error": storable(words), "retryable": is_retryable})


# --- the database --------------------------------------------------------------------------------


async def _tried(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """Call what is tried again a second later anyway: if it fails, note it and return None."""
    try:
        return await in_thread(function)(*arguments, **named)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The runner waits for the database: %s", error)
    except Exception:
        logger.exception("The runner goes on without %s", function.__name__)
    return None


def question_of(answer: Answer, history: History) -> Question:
    """Return what is to be answered. Asks the database if it is about a workspace."""
    turn = answer.turn
    if answer.endpoint is None:
        raise CannotBegin(f"The model {answer.endpoint_name} was removed: choose another one.")
    try:  # again, because the question may have waited
        workspace = workspace_for(turn.session.user, turn.workspace_id) if turn.workspace_id else None
        where = where_for(turn.session.user, workspace, turn.filters) if workspace else ANYWHERE
    except (Http404, BadValue) as error:
        raise CannotBegin(str(error)) from error
    parameters = Parameters(**answer.parameters)
    question = _bare_question(turn, answer.endpoint, history)
    return replace(question, parameters=parameters, workspace=workspace, where=where)


def _bare_question(turn: Turn, endpoint: Endpoint, history: History) -> Question:
    preface = Preface.from_json(turn.session.preface)
    return Question(
        turn.text,
        endpoint,
        history=[*preface.exchanges, *history.exchanges],
        summary=history.summary,
        instructions=preface.instructions,
    )


def _broken_off(run: _Run) -> list[dict[str, Any]]:
    turn, endpoint = run.answer.turn, run.answer.endpoint
    if endpoint is None:
        return []  # nobody knows any more what it cost
    question = _bare_question(turn, endpoint, run.history)
    return broken_off(question, bool(turn.workspace_id), run.before)


def _keep_passages(answer: Answer, passages: Sequence[Mapping[str, Any]]) -> None:
    """Keep the passages as they stand in the prompt, instead of those of an earlier claim."""
    there = set(Document.objects.filter(pk__in={each["document_id"] for each in passages}).values_list("pk"))
    answer.passages.all().delete()
    AnswerPassage.objects.bulk_create(
        AnswerPassage(
            answer=answer,
            number=each["number"],
            document_id=each["document_id"] if (UUID(each["document_id"]),) in there else None,
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
