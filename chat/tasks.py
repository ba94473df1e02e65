"""The Celery tasks of the chat. Answers are no tasks: the runner of a web process writes them."""

from uuid import UUID

from celery import shared_task

from chat.finding import text_index

from .transfer import importer


@shared_task(name="chat.index_conversations")
def index_conversations() -> None:
    """Index the texts of conversations that no search has indexed yet, for a minute at most. Runs every minute."""
    for _ in text_index.forget_outdated():
        pass
    text_index.index_texts(within_s=50)


@shared_task(name=importer.TASK)
def import_conversations(pk: str) -> None:
    importer.run(UUID(pk))


@shared_task(name="chat.ask_for_imports")
def ask_for_imports() -> None:
    """Ask for a worker for each import that none does. Runs every few seconds."""
    importer.ask_workers()
