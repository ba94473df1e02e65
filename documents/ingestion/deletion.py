"""Deletes a document with all that was derived from it: chunks, sections, files, sub-documents.

A website may have thousands of pages. If there is too much for one request, the document and its
sub-documents are only marked (`Document.deleted_at`), which takes them out of reach, and a worker deletes
them in parts.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Now

from accounts import deletion
from accounts.models import Deletion, User, record
from core.db.cascade import delete_in_parts, delete_rows
from documents.models import Document, DocumentQuerySet, ReindexItem, Source
from workspaces import indexes
from workspaces.models import Workspace

_PART = 50  # documents whose chunks are deleted in one transaction


def delete_document(document: Document, user: User | None) -> Deletion | None:
    """Delete the document with all that was derived from it. A worker that ingests it notices and stops.

    Return the deletion if there is so much that a worker does it. The document is out of reach at once.
    """
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
            return None
        record(user, "document.delete", found.title, id=str(found.pk), workspace=found.workspace.name)
        # A page is always small, and its website may find it again, under the same key.
        if found.parent_id or deletion.is_small(found):
            remove(found)
            return None
        _hide(found)
        return deletion.begin(user, found, found.title)


def _hide(document: Document) -> None:
    """Take a document and its sub-documents out of reach, and stop the workers that ingest or index them.

    Call it in a transaction that holds the locks on the document's row and on its reindex items. A document
    with the same title or path can be added at once.
    """
    family = _family(document.pk)
    # The order of the locks is that of `remove`: no deadlocks
    list(family.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
    ReindexItem.objects.filter(document__in=family).delete()
    told = family.aggregate(
        count=Count("pk"), size=Sum("size_bytes", default=0), chunks=Sum("chunk_count", default=0)
    )
    Workspace.objects.filter(pk=document.workspace_id).update(
        document_count=F("document_count") - told["count"],
        size_bytes=F("size_bytes") - told["size"],
        chunk_count=F("chunk_count") - told["chunks"],
        corpus_version=F("corpus_version") + 1,  # no cached search finds it any more
    )
    family.update(
        deleted_at=Now(), fence=F("fence") + 1,
        status=Document.Status.READY, next_attempt_at=None, lease_until=None, queued_at=None,
    )  # fmt: skip
    Document.every.filter(pk=document.pk).update(title=f"deleted {document.pk}", folder="", path="")


def _family(document_id: UUID) -> DocumentQuerySet:
    return Document.every.filter(Q(pk=document_id) | Q(parent=document_id))


def _delete_in_parts(key: str) -> Iterator[int]:
    document_id = UUID(key)
    # The addresses go first, so that no page has to clear its own
    yield from delete_rows(Source.every.filter(pk=document_id))
    pages = Document.every.filter(parent=document_id).order_by().values_list("pk", flat=True)
    while part := list(pages[:_PART]):
        yield from _delete(part)
    yield from _delete([document_id])


def _delete(hidden: Sequence[UUID]) -> Iterator[int]:
    """Delete documents of one workspace that are out of reach."""
    with transaction.atomic():
        # The locks keep the workspace from switching to another index before all have forgotten them.
        list(Document.every.filter(pk__in=hidden).select_for_update().order_by("pk").values_list("pk"))
        if workspace := Workspace.objects.select_related("embedder").filter(documents__in=hidden).first():
            indexes.forget(workspace, hidden)
    yield from delete_in_parts(Document, hidden)


deletion.deletes(Document, _delete_in_parts)


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
