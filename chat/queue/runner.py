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
from chat.log.events import Event, Finished, Logged, Stopped, UsageCounted
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

POLL_INTERVAL_S = 1.0  # for work, and for what became of our leases
GRACE_S = 6.0  # for answers to end when the process is asked to; whoever stops us must wait longer
MAX_ADMITTED = 50  # questions in one transaction
FLUSH_S = 2.0  # then, for what they have written to be committed
MAX_CLAIMS = 5  # of one answer: it may be what kills the process

_local_runner: "Runner | None" = None  # this process's, while it runs


def wake() -> None:
    """Have a runner look for work at once: this process's, if it has one with room, else any."""
    if _local_runner is not None and _local_runner.has_room:
        _local_runner.wake_from_thread()
    else:
        publish_from_thread(RUNNERS, {"type": "work"})


async def admit(record: SubmittedTurn) -> FirstEvents:
    """Record a question, and begin its answers at once if there is room. Nothing: it could not be done here."""
    if _local_runner is None or not _local_runner.is_in_this_loop:
        return {}
    return await _local_runner.admit(record)


def stop(answer_id: UUID) -> None:
    """Have whichever runner writes this answer see at once that it is to stop."""
    if _local_runner is not None and _local_runner.has(answer_id):
        _local_runner.stop_from_thread(answer_id)
    else:
        publish_from_thread(RUNNERS, {"type": "stop", "answer": str(answer_id)})


class Runner:
    """Open it as `async with`, in the event loop of the web process; leaving drains it."""

    def __init__(self, *, concurrency: int | None = None, grace_s: float = GRACE_S) -> None:
        self._concurrency = concurrency or settings.ANSWERS_AT_ONCE
        self._grace_s = grace_s
        self._attempts: dict[UUID, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._summaries: dict[asyncio.Task[None], Summary] = {}
        self._submitted: list[tuple[SubmittedTurn, asyncio.Future[FirstEvents]]] = []
        self._has_work = asyncio.Event()
        self._is_draining = False

    async def __aenter__(self) -> "Runner":
        global _local_runner
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(event_bus().open())
            self._writer = await stack.enter_async_context(LogWriter())
            for forever in (
                self._send_heartbeats(),
                subscribe(RUNNERS, self._handle_message, self._has_work.set),
            ):
                stack.push_async_callback(cancel_and_wait, [asyncio.create_task(forever)])
            stack.push_async_callback(self._drain, asyncio.create_task(self._claim_until_drained()))
            self._stack = stack.pop_all()
        _local_runner = self
        return self

    async def __aexit__(self, *_: object) -> None:
        global _local_runner
        _local_runner = None
        await self._stack.aclose()

    @property
    def has_room(self) -> bool:
        return self._room > 0

    @property
    def _room(self) -> int:
        return self._concurrency - len(self._attempts) - len(self._summaries)

    @property
    def is_in_this_loop(self) -> bool:
        return self._loop is asyncio.get_running_loop()

    async def admit(self, record: SubmittedTurn) -> FirstEvents:
        """Record a question together with those that come meanwhile. Nothing: it could not be done."""
        if self._is_draining:
            return {}
        future: asyncio.Future[FirstEvents] = self._loop.create_future()
        self._submitted.append((record, future))
        self._has_work.set()
        return await future

    def has(self, answer_id: UUID) -> bool:
        return answer_id in self._attempts

    def wake_from_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._has_work.set)

    def stop_from_thread(self, answer_id: UUID) -> None:
        self._loop.call_soon_threadsafe(self._stop, answer_id)

    def _stop(self, answer_id: UUID) -> None:
        if attempt := self._attempts.get(answer_id):
            attempt.cancel("stop")

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "work":
                self._has_work.set()
            case "stop":
                self._stop(UUID(message["answer"]))

    # --- holding answers -------------------------------------------------------------------------

    async def _claim_until_drained(self) -> None:
        """Take what there is room for, until the process leaves."""
        while not self._is_draining:
            self._has_work.clear()
            if self._submitted:
                await self._admit_submitted()
            elif self.has_room:
                self._start(await _try_once(claims.claim_next.aio, self._room, list(self._attempts)) or ())
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._has_work.wait()
            except TimeoutError:
                continue
        self._resolve(self._submitted, {})

    async def _admit_submitted(self) -> None:
        submitted, self._submitted = self._submitted[:MAX_ADMITTED], self._submitted[MAX_ADMITTED:]
        # In one order everywhere, so that two processes cannot wait for each other's sessions
        records = sorted((record for record, _ in submitted), key=lambda record: record.session.pk)
        admitted = await _try_once(
            claims.admit_and_claim.aio, records, max(self._room, 0), list(self._attempts)
        )
        self._resolve(submitted, admitted.first_events if admitted else {})
        if admitted:
            self._start(admitted.claims)
        if self._submitted or not (admitted and admitted.has_looked):
            self._has_work.set()

    def _resolve(
        self,
        submitted: Sequence[tuple[SubmittedTurn, asyncio.Future[FirstEvents]]],
        first_events: FirstEvents,
    ) -> None:
        for record, future in submitted:
            if not future.done():  # else whoever asked is gone
                future.set_result(
                    {each.pk: first_events[each.pk] for each in record.answers if each.pk in first_events}
                )

    def _start(self, claimed: Iterable[claims.Claim | Summary]) -> None:
        for claim in claimed:
            if isinstance(claim, Summary):
                self._start_summary(claim)
            else:
                self._start_attempt(claim)

    def _start_attempt(self, claim: claims.Claim) -> None:
        answer = claim.answer
        attempt = Attempt(answer, claim.history, self._writer.open(answer.pk, answer.fence, claim.seq))
        if answer.fence == 1:
            self._writer.announce({answer.pk: [Logged.of(claim.seq, claims.started_event(answer))]})
        self._attempts[answer.pk] = attempt
        task = asyncio.create_task(self._supervise(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start_summary(self, summary: Summary) -> None:
        task = asyncio.create_task(session_summary.write_summary(summary))
        self._summaries[task] = summary
        task.add_done_callback(self._end_summary)

    def _end_summary(self, task: asyncio.Task[None]) -> None:
        summary = self._summaries.pop(task)
        self._has_work.set()
        if not task.cancelled() and (error := task.exception()):  # the lease runs out
            logger.error("The summary of session %s was not kept", summary.pk, exc_info=error)

    async def _send_heartbeats(self) -> None:
        """Renew the leases of all that is written here, hear what is to stop, say how far the queue is."""
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            self._writer.announce(await _try_once(claims.publish_queue_positions.aio) or {})
            await self._renew_summaries()
            attempts = list(self._attempts.values())
            held = await _try_once(claims.renew_leases.aio, _fences(attempts)) if attempts else None
            if held is None:
                continue
            for attempt in attempts:
                if attempt.answer.pk not in held:
                    attempt.cancel("leave")
                elif held[attempt.answer.pk]:
                    attempt.cancel("stop")

    async def _renew_summaries(self) -> None:
        running = dict(self._summaries)
        fences = {each.pk: each.fence for each in running.values()}
        held = await _try_once(session_summary.renew_leases.aio, fences) if fences else None
        for task, summary in running.items():
            if held is not None and summary.pk not in held:
                task.cancel()

    async def _drain(self, claiming: asyncio.Task[None]) -> None:
        """Let what is being written end; what takes too long goes to another process."""
        self._is_draining = True
        self._has_work.set()
        await claiming
        await cancel_and_wait(self._summaries)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._grace_s)
        left = _fences(self._attempts.values())
        for attempt in list(self._attempts.values()):
            attempt.cancel("leave")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FLUSH_S)
        if left:
            await _try_once(claims.renew_leases.aio, left, 0)
            await publish(RUNNERS, {"type": "work"})

    # --- writing one answer ----------------------------------------------------------------------

    async def _supervise(self, attempt: Attempt) -> None:
        """See one claim through: to the answer's end, or until another process has it."""
        may_be_work = True
        try:
            await self._write_answer(attempt)
            may_be_work = await self._enqueue_summary_if_due(attempt) or self._writer.has_waiting_work
        except Superseded:
            logger.warning("Answer %s was taken over by another process", attempt.answer.pk)
        except Exception:  # the lease runs out, and another claim tries again
            logger.exception("Answer %s could not be ended", attempt.answer.pk)
        finally:
            del self._attempts[attempt.answer.pk]
            if may_be_work:
                self._has_work.set()

    async def _enqueue_summary_if_due(self, attempt: Attempt) -> bool:
        """Have the session's summary written, if enough has fallen out of its window. Returns whether it is."""
        endpoint, session = attempt.answer.endpoint, attempt.answer.turn.session
        is_due = session_summary.is_due(attempt.history, attempt.state.trace.get("left_out", 0))
        if is_due and endpoint and endpoint.can_write and session.preface is None:
            await _try_once(to_thread(session_summary.enqueue_summary), session.pk, endpoint)
            return True
        return False

    async def _write_answer(self, attempt: Attempt) -> None:
        if attempt.answer.fence > 1:
            attempt.earlier_events = await to_thread(read_log)(attempt.answer.pk)
            attempt.state.broken_off = lost_usage(attempt)
        end = self._end_without_attempt(attempt) or await self._run_to_end(attempt)
        if end is None:
            await attempt.log.flush()
            return
        try:
            await finish_attempt(attempt, end)
        except EventsRejected as error:
            attempt.state.forget_trace()  # it may be what cannot be written
            await finish_attempt(attempt, failure_of(error))

    def _end_without_attempt(self, attempt: Attempt) -> Event | None:
        """Return the end of an answer that is not to be tried again; it keeps what people have seen."""
        if attempt.answer.stop_requested:
            end: Event = Stopped()
        elif attempt.answer.fence > MAX_CLAIMS:
            end = failed_event("Writing this answer was interrupted too often. Ask again.", is_retryable=True)
        else:
            return None
        for event in since_restart(attempt.earlier_events):
            if not isinstance(event, UsageCounted):  # of an attempt that was broken off
                attempt.state.apply(event)
        return end

    async def _run_to_end(self, attempt: Attempt) -> Event | None:
        """Let the answer be produced, in a task of its own so that it can be stopped. None: we leave it."""
        attempt.task = asyncio.create_task(run_attempt(attempt))
        await asyncio.wait([attempt.task])
        if attempt.task.cancelled():
            return Stopped() if attempt.cancel_reason == "stop" else None
        error = attempt.task.exception()
        if isinstance(error, Superseded):
            raise error
        if error is not None:
            return failure_of(error)
        return Finished(attempt.state.trace["finish_reason"])


def _fences(attempts: Iterable[Attempt]) -> dict[UUID, int]:
    return {attempt.answer.pk: attempt.answer.fence for attempt in attempts}


# --- the database --------------------------------------------------------------------------------


async def _try_once(
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
