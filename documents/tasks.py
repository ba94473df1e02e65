"""What workers do. Postgres is the truth; the broker only carries reminders, and may lose them."""

import logging
import time
from typing import Any
from uuid import UUID

from celery import Task, current_app, shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from documents.retrieval.calibration import calibrate_due
from documents.retrieval.record import forget_old_searches
from documents.sources.gather import gather, is_source
from documents.sources.visits import start_due_visits
from workspaces.models import Reindex

from . import alarm, reindex
from .ingest import ingest, ingest_again
from .models import Document, ReindexItem, Work, WorkQuerySet

log = logging.getLogger(__name__)

_AT_ONCE = 500  # reminders per round: more would only wait in the broker
_ITEMS_AT_ONCE = 8  # of an index that is being built: each that ends asks for the next
# Of the broker, the lowest first: looking after the rest, then what somebody waits for, then the next index.
URGENT, USUAL, LEISURELY = 0, 3, 6
_SKIP_S = 30.0
_skip_until = 0.0  # of time.monotonic(), in this process


@shared_task(name="documents.ingest")
def ingest_document(document_id: str) -> None:
    key = UUID(document_id)
    if not is_source(key):
        ingest(key)
    elif gather(key, ask_soon):
        ask_soon(key)


@shared_task(name="documents.visit_sources")
def visit_sources() -> None:
    """Start the visits of websites and feeds whose time has come. Runs every minute."""
    for document_id in start_due_visits():
        ask_soon(document_id)


@shared_task(name="documents.forget_searches")
def forget_searches() -> None:
    """Forget the searches that were kept long enough. Runs every hour."""
    forget_old_searches()


@shared_task(name="documents.reindex")
def ingest_item(item_id: int) -> None:
    """Bring one document into the next index, and go on with the next, or switch."""
    item = (
        ReindexItem.objects.select_related("reindex").filter(pk=item_id).first()
    )  # it may be cancelled soon
    ingest_again(item_id)
    _ask_for_items()
    if item and not reindex.has_work(item.reindex_id):
        reindex.advance(item.reindex)


@shared_task(name="documents.recover")
def recover() -> None:
    """Ask for workers where nobody did, or where nothing came of it. Runs every few seconds."""
    _forget_lost_reminders()
    due = Document.objects.unqueued().order_by("created_at").values_list("pk", "status")
    for document_id, status in due[:_AT_ONCE]:
        priority = URGENT if status == Work.Status.PROCESSING else USUAL  # its worker is gone
        if not ask_for_worker(document_id, priority):
            return
    for each in Reindex.objects.filter(status=Reindex.Status.RUNNING):
        reindex.advance(each)
    _ask_for_items()
    reindex.tidy()
    alarm.report()


@shared_task(name="documents.calibrate")
def calibrate() -> None:
    """Find out anew what is relevant in the workspaces that have grown. Runs every minute."""
    calibrate_due()


def ask_soon(document_id: UUID) -> None:
    """Queue the document, unless the broker was away a moment ago: finding out takes seconds each time."""
    global _skip_until
    if time.monotonic() >= _skip_until and not ask_for_worker(document_id):
        _skip_until = time.monotonic() + _SKIP_S


def ask_for_worker(document_id: UUID, priority: int = USUAL) -> bool:
    """Queue the document. False if the broker is away: `recover` asks again, nothing is lost."""
    return _ask(Document.objects.filter(pk=document_id), ingest_document, str(document_id), priority)


def _ask_for_items() -> None:
    for item_id in reindex.next_items(_ITEMS_AT_ONCE):
        if not _ask(ReindexItem.objects.filter(pk=item_id), ingest_item, item_id, LEISURELY):
            return


def _ask(work: WorkQuerySet[Any], task: Task[Any, None], id: str | int, priority: int) -> bool:
    work.update(queued_at=timezone.now())
    try:
        task.apply_async((id,), retry=False, priority=priority)
    except OperationalError as error:
        log.warning("%s %s waits: the broker is away (%s).", task.name, id, error)
        work.update(queued_at=None)
        return False
    return True


def _forget_lost_reminders() -> None:
    """Where workers were asked for and the queue is empty, the messages went with a worker or a broker."""
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
