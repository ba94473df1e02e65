"""The job queue: messages on the broker, which may be lost.

PostgreSQL is the source of truth: `tasks.recover` queues work again if its message was lost.
"""

import logging
import time
from typing import Any
from uuid import UUID

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.waiting import release_connection

from .models import Document, ReindexItem, Work, WorkQuerySet

log = logging.getLogger(__name__)

INGEST, REINDEX = "documents.ingest", "documents.reindex"  # task names in documents.tasks
# Message priorities, lowest number first: recovery, then work that people wait for, then the next index.
URGENT, USUAL, LEISURELY = 0, 3, 6
MAX_WAITING = 5_000  # messages; a folder of a million files would need a gigabyte of the broker
_LENGTH_KEPT_S = 2.0
_known_length = (0.0, 0)  # time.monotonic() and the length
_SKIP_S, _LONG_SKIP_S = 30.0, 5.0
_skip_until = 0.0  # time.monotonic() in this process


def enqueue(document_id: UUID) -> None:
    """Queue the document, unless the broker was unreachable or had too many messages a moment ago.

    This is a circuit breaker: each failed connection to the broker takes seconds.
    """
    global _skip_until
    if time.monotonic() < _skip_until:
        return
    if not try_enqueue(document_id):
        _skip_until = time.monotonic() + _SKIP_S
    elif is_long():
        _skip_until = time.monotonic() + _LONG_SKIP_S


def try_enqueue(document_id: UUID, priority: int = USUAL) -> bool:
    """Queue the document.

    Return False if the broker is unreachable: `recover` tries again, so no work is lost.
    """
    return _send(Document.objects.filter(pk=document_id), INGEST, str(document_id), priority)


def try_enqueue_item(item_id: int) -> bool:
    """Queue the ingestion of a document into the next index. Return False if the broker is unreachable."""
    return _send(ReindexItem.objects.filter(pk=item_id), REINDEX, item_id, LEISURELY)


def _send(work: WorkQuerySet[Any], task: str, id: str | int, priority: int) -> bool:
    work.update(queued_at=timezone.now())
    release_connection()
    try:
        current_app.send_task(task, (id,), retry=False, priority=priority)
    except (OperationalError, RedisError) as error:  # away, or full
        log.warning("%s %s waits: the broker is unreachable (%s).", task, id, error)
        work.update(queued_at=None)
        return False
    return True


def forget_lost_messages() -> None:
    """Mark work as not queued if its messages are lost.

    Work that is due and was queued, while the queue is empty, lost its message with a worker or a broker.
    """
    cutoff = timezone.now() - Work.LOST_AFTER
    lost = [of.objects.due().filter(queued_at__lt=cutoff) for of in (Document, ReindexItem)]
    if any(each.exists() for each in lost) and _queue_length() == 0:
        for each in lost:
            each.update(queued_at=None)


def is_long() -> bool:
    """Return whether so many messages wait that more would only fill the broker. As of the last seconds.

    A message only says that some document is due (ingestion.fair_share), and `recover` sends further ones later.
    """
    global _known_length
    looked_at, length = _known_length
    if time.monotonic() - looked_at > _LENGTH_KEPT_S:
        length = _queue_length() or 0
        _known_length = (time.monotonic(), length)
    return length >= MAX_WAITING


def _queue_length() -> int | None:
    """Return how many messages wait, or None if the broker is unreachable."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            queue = current_app.conf.task_default_queue
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except (OperationalError, RedisError):
        return None
    except connection.channel_errors:  # the queue does not exist yet
        return 0
