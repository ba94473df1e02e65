"""The scheduler of periodic tasks: it survives a wrong clock, a second scheduler and days without a worker.

Celery's own keeps the time of each last run in a file, by the clock of the machine: after the clock is set back,
it sends nothing until the clock gets there. It does not know of a second scheduler, and while no worker runs it
fills the broker. Here each tick is claimed in the database, by the database's clock.
"""

import logging
import os
import socket
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from celery.beat import PersistentScheduler, ScheduleEntry
from celery.signals import task_prerun
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from ragsite.models import Beat, Tick

log = logging.getLogger(__name__)

SIGN_S = 10.0  # between two signs of life
SILENT = timedelta(seconds=60)  # without a sign for this long, a beat counts as stopped
_FORGOTTEN = timedelta(days=1)
_SLACK = 0.8  # of a period: the clocks of a beat and of the database do not run alike
# Claim a tick if its period is over, and its last message was taken or can no longer be. A time in the future
# comes from a clock that was set back.
_CLAIM = """
    INSERT INTO ragsite_tick AS known (name, sent_at) VALUES (%(name)s, statement_timestamp())
    ON CONFLICT (name) DO UPDATE SET sent_at = statement_timestamp()
    WHERE known.sent_at > statement_timestamp() + interval '5 seconds' OR (
        known.sent_at <= statement_timestamp() - %(period)s
        AND (known.taken_at >= known.sent_at OR known.sent_at <= statement_timestamp() - %(waits)s))
    RETURNING name
"""


class Scheduler(PersistentScheduler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._id, self._signed_at, self._ticked_at = uuid4(), -SIGN_S, time.time()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self._drop_future_times()

    def install_default_entries(self, data: Any) -> None:
        """Add none: Celery's own entry cleans up results, and we keep none."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due. Return the seconds until the next tick, at most until the next sign of life."""
        now, before = time.time(), self._ticked_at
        self._ticked_at = now
        if now < before - 1:
            log.warning("The clock was set back by %.0f s.", before - now)
            self._drop_future_times()
        self._sign()
        return min(super().tick(*args, **kwargs), SIGN_S)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        if claim_tick(entry):
            super().apply_entry(entry, producer=producer)

    def _drop_future_times(self) -> None:
        """Let entries whose last run lies in the future run now, once."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at and entry.last_run_at > now:
                log.warning("%s was last sent in the future, at %s.", entry.name, entry.last_run_at)
                entry.last_run_at = now - _period(entry)
        self._heap = None  # Celery sorts the entries again

    def _sign(self) -> None:
        if time.monotonic() < self._signed_at + SIGN_S:
            return
        self._signed_at = time.monotonic()
        try:
            about = {"host": socket.gethostname()[:200], "pid": os.getpid(), "seen_at": Now()}
            Beat.objects.update_or_create(pk=self._id, defaults=about)
            Beat.objects.filter(seen_at__lt=Now() - _FORGOTTEN).delete()
        except (DatabaseError, InterfaceError) as error:
            log.warning("No sign of life: %s", error)
        finally:
            connection.close()  # back to the pool


def claim_tick(entry: ScheduleEntry) -> bool:
    """Return whether to send this task now: no other beat did, and its last message does not still wait.

    Without the database, send it: its worker needs the database, too.
    """
    period = _period(entry)
    waits = max(period, timedelta(seconds=(entry.options or {}).get("expires") or 0))
    values: dict[str, Any] = {"name": entry.name, "period": period * _SLACK, "waits": waits}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, values)
            return cursor.fetchone() is not None
    except (DatabaseError, InterfaceError) as error:
        log.warning("The tick %s is not claimed: %s", entry.name, error)
        return True
    finally:
        connection.close()


def _period(entry: ScheduleEntry) -> timedelta:
    return timedelta(seconds=settings.CELERY_BEAT_SCHEDULE[str(entry.name)]["schedule"])


_NAMES = {each["task"]: name for name, each in settings.CELERY_BEAT_SCHEDULE.items()}


@task_prerun.connect
def note_taken(task: Any = None, **_: Any) -> None:
    """Store that a worker begins a periodic task."""
    if task is not None and (name := _NAMES.get(task.name)) and not task.request.is_eager:
        try:
            Tick.objects.filter(pk=name).update(taken_at=Now())
        except (DatabaseError, InterfaceError) as error:
            log.warning("The task %s is not noted: %s", name, error)


def running_beats() -> list[Beat]:
    """Return the schedulers that gave a sign of life within a minute."""
    return list(Beat.objects.filter(seen_at__gt=Now() - SILENT).order_by("host", "pid"))


def schedule_problem() -> str:
    """Return what is wrong with the schedule, as a sentence with what to do, or ""."""
    beats = running_beats()
    if len(beats) > 1:
        who = "; ".join(str(each) for each in beats)
        return f"{len(beats)} schedulers (beat) run: {who}. Each task is sent once, but stop all except one."
    if beats:
        return ""
    last = Beat.objects.order_by("-seen_at").first()
    seen = f"The last sign of life came from {last} at {last.seen_at:%Y-%m-%d %H:%M} UTC." if last else ""
    return (
        "No scheduler (beat) runs: lost work is not taken over, and no website is visited. Start it: on one machine, "
        f"make run does; else celery -A ragsite beat. {seen}"
    ).strip()
