"""The Celery tasks of the chat. Answers are no tasks: the runner of a web process writes them."""

from celery import shared_task

from chat.finding import text_index


@shared_task(name="chat.index_conversations")
def index_conversations() -> None:
    """Index the texts of conversations that no search has indexed yet, for a minute at most. Runs every minute."""
    for _ in text_index.forget_outdated():
        pass
    text_index.index_texts(within_s=50)
