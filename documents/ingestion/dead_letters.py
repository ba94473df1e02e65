"""The dead-letter queue, as a list: documents that could not be made searchable, with the reason in `error`."""

from django.db.models import QuerySet

from accounts.models import User
from documents.models import Document

from .deletion import delete_document
from .restart import restart


def replay(documents: QuerySet[Document], user: User | None) -> int:
    """Restart the ingestion of those documents that are on the dead-letter list. Return how many."""
    found = list(documents.filter(status=Document.Status.FAILED))
    for document in found:
        restart(document, user)
    return len(found)


def discard(documents: QuerySet[Document], user: User | None) -> int:
    """Delete those documents that are on the dead-letter list, with all their data. Return how many."""
    found = list(documents.filter(status=Document.Status.FAILED))
    for document in found:
        delete_document(document, user)
    return len(found)
