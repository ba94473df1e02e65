"""What workers do. Postgres is the truth; the broker only carries reminders, and may lose them."""

import logging
import time
from uuid import UUID

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from .ingest import ingest
from .models import Document
from .sources.gather import gather, is_source
from .sources.visits import start_due_visits

log = logging.getLogger(__name__)

_AT_ONCE = 500  # reminders per round: more would only wait in the broker
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


@shared_task(name="documents.recover")
def recover() -> None:
    """Ask for workers where nobody did, or where nothing came of it. Runs every few seconds."""
    due = Document.objects.unqueued().order_by("created_at").values_list("pk", flat=True)
    for document_id in due[:_AT_ONCE]:
        if not ask_for_worker(document_id):
            return


def ask_soon(document_id: UUID) -> None:
    """Queue the document, unless the broker was away a moment ago: finding out takes seconds each time."""
    global _skip_until
    if time.monotonic() >= _skip_until and not ask_for_worker(document_id):
        _skip_until = time.monotonic() + _SKIP_S


def ask_for_worker(document_id: UUID) -> bool:
    """Queue the document. False if the broker is away: `recover` asks again, nothing is lost."""
    Document.objects.filter(pk=document_id).update(queued_at=timezone.now())
    try:
        ingest_document.apply_async((str(document_id),), retry=False)
    except OperationalError as error:
        log.warning("Document %s waits: the broker is away (%s).", document_id, error)
        Document.objects.filter(pk=document_id).update(queued_at=None)
        return False
    return True
