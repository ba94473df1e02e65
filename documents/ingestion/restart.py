"""Restarts a document's ingestion from the beginning: for a retry, or if its stored data is inconsistent."""

from functools import partial

from django.db import transaction

from accounts.models import User, record
from documents.models import Document
from documents.queue import enqueue


def restart(document: Document, user: User | None, *, ask_worker: bool = True) -> bool:
    """Queue the document again with a new series of attempts.

    Return False, without a change, while a worker has it.
    """
    with transaction.atomic():
        waiting = Document.objects.filter(pk=document.pk).exclude(status=Document.Status.PROCESSING)
        if not waiting.restart():
            return False
        record(user, "document.retry", document.title, id=str(document.pk))
        if ask_worker:
            transaction.on_commit(partial(enqueue, document.pk))
    return True
