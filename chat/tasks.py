"""Celery tasks of chat."""

from uuid import UUID

from celery import shared_task

from .transfer import importer


@shared_task(name=importer.TASK)
def import_conversations(pk: str) -> None:
    importer.run(UUID(pk))


@shared_task(name="chat.ask_for_imports")
def ask_for_imports() -> None:
    """Ask for a worker for each import that none does. Runs every few seconds."""
    importer.ask_workers()
