"""Celery tasks of accounts."""

from celery import shared_task

from . import deletion, removal  # noqa: F401 (removal registers how users are deleted)


@shared_task(name=deletion.TASK)
def continue_deletion(pk: int) -> None:
    deletion.go_on(pk)


@shared_task(name="accounts.ask_for_deletions")
def ask_for_deletions() -> None:
    """Ask for a worker for each deletion that none does. Runs every few seconds."""
    deletion.ask_workers()
