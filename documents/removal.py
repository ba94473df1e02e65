"""Takes a document out of the workspace, with all that came from it."""

from django.db.models import F

from workspaces.models import Workspace

from . import reindex
from .models import Document


def remove(document: Document) -> None:
    """Remove a document and those found through it: chunks now, files after the commit.

    Call it in a transaction that holds the document's row. The locks on its sub-documents wait for batches
    that are being staged, so that none is staged after `forget`; a worker at one of them notices and stops.
    """
    reindex.lock_items(document.pk)
    children = document.children.select_for_update(of=("self",)).order_by("pk")
    family = [document, *children]
    reindex.forget(document.workspace, [each.pk for each in family])
    Workspace.objects.filter(pk=document.workspace_id).update(
        document_count=F("document_count") - len(family),
        size_bytes=F("size_bytes") - sum(each.size_bytes for each in family),
        chunk_count=F("chunk_count") - sum(each.chunk_count for each in family),
    )
    document.delete()
