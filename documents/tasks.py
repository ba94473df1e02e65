"""The Celery tasks.

PostgreSQL is the source of truth; the broker only carries reminders and may lose them.
"""

from uuid import UUID

from celery import shared_task

from core.db.advisory_locks import DUMP, is_held
from documents.ingestion.fair_share import choose_document
from documents.ingestion.ingest import ingest, ingest_item
from documents.retrieval.calibration import calibrate_due
from documents.sources.crawl.crawler import crawl, is_source
from documents.sources.schedule import start_due_visits
from workspaces.engines.pgvector import maintenance
from workspaces.models import Reindex

from .ingestion import (
    deletion,  # noqa: F401 (it registers how documents are deleted)
    endpoint_waits,
    health,
)
from .models import Document, ReindexItem, Work
from .queue import URGENT, USUAL, enqueue, forget_lost_messages, is_long, try_enqueue, try_enqueue_item
from .reindex import service as reindex

_MAX_REMINDERS = 500  # reminders per round: more would only wait in the broker
_ITEM_BATCH = 8  # items of the next index that are queued at once: each finished item queues more


@shared_task(name="documents.ingest")
def ingest_document(document_id: str) -> None:
    key = UUID(document_id)
    if not is_source(key):
        ingest(choose_document(key))
    elif crawl(key, enqueue):
        enqueue(key)


@shared_task(name="documents.renew_terms")
def renew_terms() -> None:
    """Analyze the chunks again that an earlier analyzer made the terms of. Runs every minute."""
    maintenance.renew_terms(lambda ids: dict(Document.objects.filter(pk__in=ids).values_list("pk", "title")))


@shared_task(name="documents.visit_sources")
def visit_sources() -> None:
    """Start the visits of websites and feeds that are due. Runs every minute."""
    for document_id in start_due_visits():
        enqueue(document_id)


@shared_task(name="documents.reindex")
def ingest_reindex_item(item_id: int) -> None:
    """Ingest one document into the next index. Then queue more items, or switch to that index."""
    item = (
        ReindexItem.objects.select_related("reindex").filter(pk=item_id).first()
    )  # read it first: cancelling the reindex deletes the item
    ingest_item(item_id)
    _enqueue_items()
    if item and not reindex.has_work(item.reindex_id):
        reindex.advance(item.reindex)


@shared_task(name="documents.recover")
def recover() -> None:
    """Queue due work that was never queued or whose message is lost. Runs every few seconds.

    Also advances the indexes that are being built, removes replaced ones and reports alarms.
    """
    forget_lost_messages()
    endpoint_waits.resume()
    unqueued = Document.objects.unqueued()
    if is_long():
        unqueued = unqueued.filter(status=Work.Status.PROCESSING)
    due = unqueued.order_by("created_at").values_list("pk", "status")
    for document_id, status in due[:_MAX_REMINDERS]:
        priority = URGENT if status == Work.Status.PROCESSING else USUAL  # its worker died
        if not try_enqueue(document_id, priority):
            return
    for each in Reindex.objects.filter(status=Reindex.Status.RUNNING):
        reindex.advance(each)
    _enqueue_items()
    if not is_held(DUMP):
        reindex.tidy()
    health.report_alarms()


@shared_task(name="documents.calibrate")
def calibrate() -> None:
    """Recalibrate the relevance floor of workspaces that have grown. Runs every minute."""
    calibrate_due()


def _enqueue_items() -> None:
    for item_id in reindex.next_items(_ITEM_BATCH):
        if not try_enqueue_item(item_id):
            return
