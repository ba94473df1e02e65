"""The Celery task of cleanings."""

from celery import shared_task

from . import runs

_PAUSE_S = 30  # between two runs of a cleaning that is not complete


@shared_task(name="ragsite.clean")
def clean(name: str) -> None:
    """Run a cleaning, and ask for another run if its time was over before its end."""
    if not runs.clean(name):
        clean.apply_async((name,), countdown=_PAUSE_S, retry=False, priority=9)
