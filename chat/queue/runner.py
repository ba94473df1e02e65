"""The background worker that generates answers, whether or not a client listens. One per web process.

A runner claims queued answers, and answers whose process is gone. A claim increments the answer's fence
(fencing token) and takes a lease, which the heartbeat renews. If the process dies, the lease expires and
another runner takes the answer over: silently if no client has seen any text, otherwise with a "restarted"
event.

The database is the only source of truth. Messages that wake or stop a runner only save the wait for its next
poll, once a second.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError

from chat.answering import session_summary, session_title
from chat.log.events import Event, Finished, Logged, Stopped, UsageCounted
from chat.log.fanout import RUNNERS, event_bus, publish, publish_from_thread, subscribe
from chat.log.follow import read_log, since_restart
from chat.log.writer import EventsRejected, LogWriter
from chat.models import Summary
from core.async_tasks import cancel_and_wait
from core.db.threads import to_thread
from core.leases import Superseded

from . import claims
from .attempt import (
    Attempt,
    failed_event,
    failure_of,
    finish_attempt,
    health_note,
    lost_usage,
    read_nothing,
    run_attempt,
)
from .record import FirstEvents, SubmittedTurn

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

POLL_INTERVAL_S = 1.0  # between polls for work, and between heartbeats
GRACE_S = 6.0  # for answers to end at a graceful shutdown; the process manager must wait longer than this
MAX_ADMITTED = 50  # questions in one transaction
FLUSH_S = 2.0  # after the grace period, in which the text so far is committed
MAX_CLAIMS = 5  # per answer, because the answer itself may be what kills the process (a poison message)

_local_runner: "Runner | None" = None  # the runner of this process, while it runs


def wake() -> None:
    """Make a runner poll for work at once: this process's if it has room, else those of all processes."""
    if _local_runner is not None and _local_runner.has_room:
        _local_runner.wake_from_thread()
    else:
        publish_from_thread(RUNNERS, {"type": "work"})


async def admit(record: SubmittedTurn) -> FirstEvents:
    """Record a question, and start its answers at once if there is room. Return {} if this process cannot."""
    if _local_runner is None or not _local_runner.is_in_this_loop:
        return {}
    return await _local_runner.admit(record)


def stop(answer_id: UUID) -> None:
    """Tell the runner that writes this answer, in whichever process, to look at its stop request now."""
    if _local_runner is not None and _local_runner.has(answer_id):
        _local_runner.stop_from_thread(answer_id)
    else:
        publish_from_thread(RUNNERS, {"type": "stop", "answer": str(answer_id)})


class Runner:
    """Use it with `async with` in the event loop of the web process.

    Leaving the block drains it (graceful shutdown).
    """

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
        """Record a question in one transaction with others that arrive meanwhile. Return {} if that fails."""
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

    # --- claims and leases -----------------------------------------------------------------------

    async def _claim_until_drained(self) -> None:
        """Claim as much work as there is room for, until the process shuts down."""
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
        # The same order in every process, so that two processes cannot deadlock on each other's sessions
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
            if not future.done():  # else the caller was cancelled
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
        task = asyncio.create_task(session_title.write_title_and_summary(summary))
        self._summaries[task] = summary
        task.add_done_callback(self._end_summary)

    def _end_summary(self, task: asyncio.Task[None]) -> None:
        summary = self._summaries.pop(task)
        self._has_work.set()
        if not task.cancelled() and (error := task.exception()):  # its lease expires by itself
            logger.error("The summary of session %s could not be stored", summary.pk, exc_info=error)

    async def _send_heartbeats(self) -> None:
        """Once a second, renew this process's leases, look for stop requests, and publish queue positions."""
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
        """Wait for the running answers to end, and hand over to another process those that take too long."""
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

    # --- one answer ------------------------------------------------------------------------------

    async def _supervise(self, attempt: Attempt) -> None:
        """Run one claim to the end of the answer, or until another process takes it over."""
        may_be_work = True
        try:
            await self._write_answer(attempt)
            has_enqueued = [
                await self._enqueue_summary_if_due(attempt),
                await self._enqueue_title_if_due(attempt),
            ]
            may_be_work = any(has_enqueued) or self._writer.has_waiting_work
        except Superseded:
            logger.warning("Answer %s was taken over by another process", attempt.answer.pk)
        except Exception:  # the lease expires, and another claim tries again
            logger.exception("Answer %s could not be completed", attempt.answer.pk)
        finally:
            del self._attempts[attempt.answer.pk]
            if may_be_work:
                self._has_work.set()

    async def _enqueue_summary_if_due(self, attempt: Attempt) -> bool:
        """Enqueue the session's summary if enough messages are outside its window.

        Return whether it was due.
        """
        endpoint, session = attempt.answer.endpoint, attempt.answer.turn.session
        is_due = session_summary.is_due(attempt.history, attempt.state.trace.get("left_out", 0))
        if is_due and endpoint and endpoint.can_write and session.preface is None:
            await _try_once(to_thread(session_summary.enqueue_summary), session.pk, endpoint)
            return True
        return False

    async def _enqueue_title_if_due(self, attempt: Attempt) -> bool:
        """Enqueue the session's title after the first answer to its first question. Return whether it was due."""
        answer = attempt.answer
        if not (answer.endpoint and attempt.state.text and session_title.may_be_due(answer)):
            return False
        await _try_once(to_thread(session_title.enqueue_title), answer.turn.session_id, answer.endpoint)
        return True

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
            attempt.state.forget_trace()  # the trace may be what the database rejected
            await finish_attempt(attempt, failure_of(error))

    def _end_without_attempt(self, attempt: Attempt) -> Event | None:
        """Return the last event of an answer that must not be tried again.

        The text that clients have seen stays.
        """
        if attempt.answer.stop_requested:
            end: Event = Stopped()
        elif attempt.answer.fence > MAX_CLAIMS:
            end = failed_event("This answer was interrupted too often. Ask again.", is_retryable=True)
        else:
            return None
        for event in since_restart(attempt.earlier_events):
            if not isinstance(event, UsageCounted):  # it belongs to an interrupted attempt: see lost_usage
                attempt.state.apply(event)
        return end

    async def _run_to_end(self, attempt: Attempt) -> Event | None:
        """Run the answer in a task of its own, which can be cancelled.

        Return its last event, or None if we leave it.
        """
        attempt.task = asyncio.create_task(run_attempt(attempt))
        await asyncio.wait([attempt.task])
        if attempt.task.cancelled():
            return Stopped() if attempt.cancel_reason == "stop" else None
        error = attempt.task.exception()
        if isinstance(error, Superseded):
            raise error
        if note := health_note(attempt, error):
            await _try_once(to_thread(note))
        if error is not None:
            attempt.state.was_unread = read_nothing(error)
            return failure_of(error)
        return Finished(attempt.state.trace["finish_reason"])


def _fences(attempts: Iterable[Attempt]) -> dict[UUID, int]:
    return {attempt.answer.pk: attempt.answer.fence for attempt in attempts}


# --- the database --------------------------------------------------------------------------------


async def _try_once(
    function: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **named: P.kwargs
) -> T | None:
    """Call the function. If it fails, log the error and return None: the next poll tries again anyway."""
    try:
        return await function(*arguments, **named)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The runner waits for the database: %s", error)
    except Exception:
        logger.exception("The runner hit an error and will try again soon")
    return None
