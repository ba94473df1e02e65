"""Writes answers, whoever asked and whoever still listens. One runner for each web process.

A runner claims queued answers, and those whose writer is gone: a claim raises the answer's fence and takes
a lease, which the heartbeat renews. If the process dies, the lease runs out and another runner takes the
answer over: silently if nobody has seen a word of it, else with a "restarted" event.

The database decides everything. Waking runners and telling them to stop is only quicker than waiting for
the next look, once a second.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError

from chat.answering import session_summary
from chat.log.events import Event, Logged
from chat.log.fanout import RUNNERS, event_bus, publish, publish_from_thread, subscribe
from chat.log.follow import read_log, since_restart
from chat.log.writer import EventsRejected, LogWriter
from chat.models import Summary
from core.async_tasks import cancel_and_wait
from core.db.threads import to_thread
from core.leases import Superseded

from . import claims
from .attempt import Attempt, failed_event, failure_of, finish_attempt, lost_usage, run_attempt
from .record import FirstEvents, SubmittedTurn

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

LOOK_EVERY_S = 1.0  # for work, and for what became of our leases
GRACE_S = 6.0  # for answers to end when the process is asked to; whoever stops us must wait longer
HANDED_IN_MOST = 50  # questions in one transaction
LEAVE_S = 2.0  # then, for what they have written to be committed
CLAIMS_MOST = 5  # of one answer: it may be what kills the process

_here: "Runner | None" = None  # this process's, while it runs


def wake() -> None:
    """Have a runner look for work at once: this process's, if it has one with room, else any."""
    if _here is not None and _here.has_room:
        _here.wake_from_thread()
    else:
        publish_from_thread(RUNNERS, {"type": "work"})


async def admit(record: SubmittedTurn) -> FirstEvents:
    """Record a question, and begin its answers at once if there is room. Nothing: it could not be done here."""
    return await _here.take_in(record) if _here is not None and _here.is_in_this_loop else {}


def stop(answer_id: UUID) -> None:
    """Have whichever runner writes this answer see at once that it is to stop."""
    if _here is not None and _here.has(answer_id):
        _here.stop_from_thread(answer_id)
    else:
        publish_from_thread(RUNNERS, {"type": "stop", "answer": str(answer_id)})


class Runner:
    """Open it as `async with`, in the event loop of the web process; leaving drains it."""

    def __init__(self, *, at_once: int | None = None, grace_s: float = GRACE_S) -> None:
        self._at_once = at_once or settings.ANSWERS_AT_ONCE
        self._grace_s = grace_s
        self._runs: dict[UUID, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._summaries: dict[asyncio.Task[None], Summary] = {}
        self._handed_in: list[tuple[SubmittedTurn, asyncio.Future[FirstEvents]]] = []
        self._work = asyncio.Event()
        self._is_leaving = False

    async def __aenter__(self) -> "Runner":
        global _here
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(event_bus().open())
            self._writer = await stack.enter_async_context(LogWriter())
            for forever in (self._beat(), subscribe(RUNNERS, self._hear, self._work.set)):
                stack.push_async_callback(cancel_and_wait, [asyncio.create_task(forever)])
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

    @property
    def is_in_this_loop(self) -> bool:
        return self._loop is asyncio.get_running_loop()

    async def take_in(self, record: SubmittedTurn) -> FirstEvents:
        """Record a question together with those that come meanwhile. Nothing: it could not be done."""
        if self._is_leaving:
            return {}
        begun: asyncio.Future[FirstEvents] = self._loop.create_future()
        self._handed_in.append((record, begun))
        self._work.set()
        return await begun

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
            if self._handed_in:
                await self._take_in()
            elif self.has_room:
                self._begin(await _tried(claims.claim_next.aio, self._room, list(self._runs)) or ())
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._work.wait()
            except TimeoutError:
                continue
        self._hand_back(self._handed_in, {})

    async def _take_in(self) -> None:
        handed_in, self._handed_in = self._handed_in[:HANDED_IN_MOST], self._handed_in[HANDED_IN_MOST:]
        # In one order everywhere, so that two processes cannot wait for each other's sessions
        records = sorted((record for record, _ in handed_in), key=lambda record: record.session.pk)
        taken = await _tried(claims.admit_and_claim.aio, records, max(self._room, 0), list(self._runs))
        self._hand_back(handed_in, taken.begun if taken else {})
        if taken:
            self._begin(taken.claims)
        if self._handed_in or not (taken and taken.has_looked):
            self._work.set()

    def _hand_back(
        self, handed_in: Sequence[tuple[SubmittedTurn, asyncio.Future[FirstEvents]]], begun: FirstEvents
    ) -> None:
        for record, future in handed_in:
            if not future.done():  # else whoever asked is gone
                future.set_result({each.pk: begun[each.pk] for each in record.answers if each.pk in begun})

    def _begin(self, claimed: Iterable[claims.Claim | Summary]) -> None:
        for claim in claimed:
            if isinstance(claim, Summary):
                self._begin_summary(claim)
            else:
                self._begin_answer(claim)

    def _begin_answer(self, claim: claims.Claim) -> None:
        answer = claim.answer
        run = Attempt(answer, claim.history, self._writer.open(answer.pk, answer.fence, claim.seq))
        if answer.fence == 1:
            self._writer.announce(
                {answer.pk: [Logged(claim.seq, "started", claims.started_event(answer).data)]}
            )
        self._runs[answer.pk] = run
        task = asyncio.create_task(self._attend(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin_summary(self, summary: Summary) -> None:
        task = asyncio.create_task(session_summary.write_summary(summary))
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
            self._writer.announce(await _tried(claims.publish_queue_positions.aio) or {})
            await self._renew_summaries()
            runs = list(self._runs.values())
            held = await _tried(claims.renew_leases.aio, _fences(runs)) if runs else None
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
        held = await _tried(session_summary.renew_leases.aio, fences) if fences else None
        for task, summary in running.items():
            if held is not None and summary.pk not in held:
                task.cancel()

    async def _drain(self, claiming: asyncio.Task[None]) -> None:
        """Let what is being written end; what takes too long goes to another process."""
        self._is_leaving = True
        self._work.set()
        await claiming
        await cancel_and_wait(self._summaries)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._grace_s)
        left = _fences(self._runs.values())
        for run in list(self._runs.values()):
            run.cancel("leave")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LEAVE_S)
        if left:
            await _tried(claims.renew_leases.aio, left, 0)
            await publish(RUNNERS, {"type": "work"})

    # --- writing one answer ----------------------------------------------------------------------

    async def _attend(self, run: Attempt) -> None:
        """See one claim through: to the answer's end, or until another process has it."""
        may_be_work = True
        try:
            await self._write(run)
            may_be_work = await self._remember(run) or self._writer.somebody_waits
        except Superseded:
            logger.warning("Answer %s was taken over by another process", run.answer.pk)
        except Exception:  # the lease runs out, and another claim tries again
            logger.exception("Answer %s could not be ended", run.answer.pk)
        finally:
            del self._runs[run.answer.pk]
            if may_be_work:
                self._work.set()

    async def _remember(self, run: Attempt) -> bool:
        """Have the session's summary written, if enough has fallen out of its window. Returns whether it is."""
        endpoint, session = run.answer.endpoint, run.answer.turn.session
        is_due = session_summary.is_due(run.history, run.draft.trace.get("left_out", 0))
        if is_due and endpoint and endpoint.can_write and session.preface is None:
            await _tried(to_thread(session_summary.enqueue_summary), session.pk, endpoint)
            return True
        return False

    async def _write(self, run: Attempt) -> None:
        if run.answer.fence > 1:
            run.before = await to_thread(read_log)(run.answer.pk)
            run.draft.broken_off = lost_usage(run)
        end = self._abandoned_end(run) or await self._produced_end(run)
        if end is None:
            await run.log.flush()
            return
        try:
            await finish_attempt(run, end)
        except EventsRejected as error:
            run.draft.forget_trace()  # it may be what cannot be written
            await finish_attempt(run, failure_of(error))

    def _abandoned_end(self, run: Attempt) -> Event | None:
        """Return the end of an answer that is not to be tried again; it keeps what people have seen."""
        if run.answer.stop_requested:
            end = Event("stopped", {})
        elif run.answer.fence > CLAIMS_MOST:
            end = failed_event("Writing this answer was interrupted too often. Ask again.", is_retryable=True)
        else:
            return None
        for event in since_restart(run.before):
            if event.kind != "usage":  # of an attempt that was broken off
                run.draft.take(event)
        return end

    async def _produced_end(self, run: Attempt) -> Event | None:
        """Let the answer be produced, in a task of its own so that it can be stopped. None: we leave it."""
        run.producer = asyncio.create_task(run_attempt(run))
        await asyncio.wait([run.producer])
        if run.producer.cancelled():
            return Event("stopped", {}) if run.why == "stop" else None
        error = run.producer.exception()
        if isinstance(error, Superseded):
            raise error
        return failure_of(error) if error else Event("finished", {"reason": run.draft.trace["finish_reason"]})


def _fences(runs: Iterable[Attempt]) -> dict[UUID, int]:
    return {run.answer.pk: run.answer.fence for run in runs}


# --- the database --------------------------------------------------------------------------------


async def _tried(
    function: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **named: P.kwargs
) -> T | None:
    """Call what is tried again a second later anyway: if it fails, note it and return None."""
    try:
        return await function(*arguments, **named)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The runner waits for the database: %s", error)
    except Exception:
        logger.exception("The runner goes on, and tries again soon")
    return None
