"""Deletes a document with all that was derived from it: chunks, sections, files, sub-documents."""

from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.models import User, record
from documents.models import Document, ReindexItem
from workspaces import indexes
from workspaces.models import Workspace


def delete_document(document: Document, user: User | None) -> None:
    """Delete the document with all that was derived from it. A worker that ingests it notices and stops."""
    with transaction.atomic():
        # The locks wait for a batch that is being staged, so that no batch is staged after the deletion.
        lock_items(document.pk)
        found = (
            Document.objects.select_for_update(of=("self",))
            .select_related("workspace")
            .filter(pk=document.pk)
            .first()
        )
        if found is None:
            return
        record(user, "document.delete", found.title, id=str(found.pk), workspace=found.workspace.name)
        remove(found)


def remove(document: Document) -> None:
    """Delete a document and those found through it: chunks now, files after the commit.

    Call it in a transaction that holds the lock on the document's row. The locks on its sub-documents wait
    for batches that are being staged, so that none is staged after `indexes.forget`. A worker that ingests
    one of them notices and stops.
    """
    lock_items(document.pk)
    children = document.children.select_for_update(of=("self",)).order_by("pk")
    family = [document, *children]
    indexes.forget(document.workspace, [each.pk for each in family])
    Workspace.objects.filter(pk=document.workspace_id).update(
        document_count=F("document_count") - len(family),
        size_bytes=F("size_bytes") - sum(each.size_bytes for each in family),
        chunk_count=F("chunk_count") - sum(each.chunk_count for each in family),
    )
    document.delete()


def lock_items(document_id: UUID) -> None:
    """Lock the reindex items of a document and its sub-documents.

    This waits for batches that are being staged for the next index, and blocks further ones.
    """
    family = Q(document=document_id) | Q(document__parent=document_id)
    items = ReindexItem.objects.filter(family).order_by("pk")
    list(items.select_for_update(no_key=True, of=("self",)).values_list("pk"))
