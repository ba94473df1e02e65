"""Celery tasks of the chat app."""

from celery import shared_task

from chat.log.compaction import compact_logs as _compact_logs


@shared_task(name="chat.compact_logs")
def compact_logs() -> None:
    _compact_logs()
