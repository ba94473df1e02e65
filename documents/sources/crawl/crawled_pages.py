"""Stores the pages of a website and the posts of a feed as documents."""

import hashlib
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid5

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F

from core.files import discard
from core.text import one_line
from documents.fields.metadata import COLUMNS
from documents.ingestion.deletion import remove
from documents.models import Address, Document
from workspaces.models import Workspace

MAX_TITLE = 300


def title_of(proposed: str, url: str) -> str:
    """Return a title for people: the proposed one, else the last part of the address."""
    last = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) or urlsplit(url).netloc
    for title in (proposed, last):
        if kept := one_line(title):
            return kept[:MAX_TITLE]
    return "untitled"


def store_page(
    address: Address, parent: Document, title: str, data: bytes, media_type: str
) -> Document | None:
    """Store a fetched page as the document of its address, to be ingested. Return None if it is unchanged.

    Call it in a transaction that locks the parent's row. The old version is found until the new one is ready.
    """
    digest = hashlib.sha256(data).hexdigest()
    known = Document.objects.select_for_update().filter(parent=parent, url=address.url).first()
    if known and known.content_sha256 == digest:
        address.document = known
        return None
    document = known or Document(
        pk=uuid5(parent.pk, address.url),  # the same after a kill, so that no file is orphaned
        workspace=parent.workspace,
        parent=parent,
        url=address.url,
        kind=Document.Kind.POST if parent.kind == Document.Kind.FEED else Document.Kind.PAGE,
        language=parent.language,
        is_language_chosen=parent.is_language_chosen,
        created_by=parent.created_by,
        size_bytes=0,
        **_inherited_metadata(parent),
    )
    _store(document, data)
    Workspace.objects.filter(pk=document.workspace_id).update(
        document_count=F("document_count") + int(known is None),
        size_bytes=F("size_bytes") + len(data) - document.size_bytes,
    )
    document.title, document.media_type = title, media_type
    document.size_bytes, document.content_sha256 = len(data), digest
    for name, value in Document.restart_values().items():
        setattr(document, name, value)
    document.fence += 1  # stops a worker that ingests the old version
    document.save()
    address.document = document
    return document


def _inherited_metadata(parent: Document) -> dict[str, Any]:
    """Return the metadata of its website or feed. Read it now: users may have changed it during the visit."""
    given: dict[str, Any] = Document.objects.values(*COLUMNS).get(pk=parent.pk)
    return given


def _store(document: Document, data: bytes) -> None:
    storage, old = document.file.storage, document.file.name
    if not old:  # a worker killed before its commit may have left the file
        storage.delete(document.file.field.generate_filename(document, ""))
    document.file.save("", ContentFile(data), save=False)
    if old and old != document.file.name:  # if the old file was missing, the new one has its name
        transaction.on_commit(partial(discard, old))


def drop_page(address: Address) -> None:
    """Remove the document of the address, if it has one. Call it in a transaction."""
    held = Document.objects.select_for_update(of=("self",)).select_related("workspace")
    if address.document_id and (document := held.filter(pk=address.document_id).first()):
        remove(document)
    address.document = None
