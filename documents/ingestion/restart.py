"""Begins a document's ingestion again from the start: for a retry, and where what is stored does not agree."""

from functools import partial

from django.db import transaction

from accounts.models import User, record
from documents.models import Document
from documents.queue import enqueue


def restart(document: Document, user: User | None, *, ask_worker: bool = True) -> bool:
    """Ingest it again, from the beginning of its attempts. False: it is being worked on now, and left alone."""
    with transaction.atomic():
        waiting = Document.objects.filter(pk=document.pk).exclude(status=Document.Status.PROCESSING)
        if not waiting.restart():
            return False
        record(user, "document.retry", document.title, id=str(document.pk))
        if ask_worker:
            transaction.on_commit(partial(enqueue, document.pk))
    return True
