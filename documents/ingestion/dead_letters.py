"""The dead-letter list: documents that could not be made searchable, each with the reason in `error`."""

from django.db.models import QuerySet

from accounts.models import User
from documents.models import Document

from .deletion import delete_document
from .restart import restart


def replay(documents: QuerySet[Document], user: User | None) -> int:
    """Have those that are on the list tried again. Returns how many."""
    found = list(documents.filter(status=Document.Status.FAILED))
    for document in found:
        restart(document, user)
    return len(found)


def discard(documents: QuerySet[Document], user: User | None) -> int:
    """Delete those that are on the list, with all that is kept of them. Returns how many."""
    found = list(documents.filter(status=Document.Status.FAILED))
    for document in found:
        delete_document(document, user)
    return len(found)
