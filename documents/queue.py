"""How workers are asked for: messages on the broker, which may be lost. PostgreSQL is the truth; `recover` asks again."""

import logging
import time
from typing import Any
from uuid import UUID

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from .models import Document, ReindexItem, Work, WorkQuerySet

log = logging.getLogger(__name__)

INGEST, REINDEX = "documents.ingest", "documents.reindex"  # names of tasks: documents.tasks
# Priorities on the broker, the lowest first: recovery, then what people wait for, then the next index.
URGENT, USUAL, LEISURELY = 0, 3, 6
_SKIP_S = 30.0
_skip_until = 0.0  # of time.monotonic(), in this process


def enqueue(document_id: UUID) -> None:
    """Queue the document, unless the broker was away a moment ago: finding out takes seconds each time."""
    global _skip_until
    if time.monotonic() >= _skip_until and not try_enqueue(document_id):
        _skip_until = time.monotonic() + _SKIP_S


def try_enqueue(document_id: UUID, priority: int = USUAL) -> bool:
    """Queue the document. False if the broker is away: `recover` asks again, and nothing is lost."""
    return _send(Document.objects.filter(pk=document_id), INGEST, str(document_id), priority)


def try_enqueue_item(item_id: int) -> bool:
    """Queue a document's way into the next index. False if the broker is away."""
    return _send(ReindexItem.objects.filter(pk=item_id), REINDEX, item_id, LEISURELY)


def _send(work: WorkQuerySet[Any], task: str, id: str | int, priority: int) -> bool:
    work.update(queued_at=timezone.now())
    try:
        current_app.send_task(task, (id,), retry=False, priority=priority)
    except OperationalError as error:
        log.warning("%s %s waits: the broker is away (%s).", task, id, error)
        work.update(queued_at=None)
        return False
    return True


def forget_lost_messages() -> None:
    """Where workers were asked for and the queue is empty, the messages were lost with a worker or a broker."""
    patient = timezone.now() - Work.LOST_AFTER
    lost = [of.objects.due().filter(queued_at__lt=patient) for of in (Document, ReindexItem)]
    if any(each.exists() for each in lost) and _queue_length() == 0:
        for each in lost:
            each.update(queued_at=None)


def _queue_length() -> int | None:
    """Return how many messages wait, None if the broker is away."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            queue = current_app.conf.task_default_queue
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except OperationalError:
        return None
    except connection.channel_errors:  # there is no such queue yet
        return 0
