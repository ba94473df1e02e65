"""Files that a browser or a program sends by itself: to the bucket where there is one, else to us.

begin -> the file is sent to where `destination` says -> complete. The client's call and the bucket's event
may both say that it has arrived, in any order, twice, or only one of them: the first makes the document, the
others get the same one. What arrived is checked by its content like any file. See docs/adr/0014-uploads.md.
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from documents.errors import DocumentRefused, NothingUploaded
from documents.fields.metadata import NO_CHANGE, MetadataChange, parse_change
from documents.models import Document, Upload
from documents.parsing.media_types import type_of_name
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

from .service import add_file, language_of
from .validation import check_length, clean_title

log = logging.getLogger(__name__)

_RETRIES = 8  # the last one after some forty minutes
_KEY = re.compile(r"uploads/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send the file: a multipart form of these fields, in this order, and at last `file`."""

    url: str
    fields: dict[str, str] = field(default_factory=dict)


def begin(
    workspace: Workspace,
    user: User | None,
    name: str,
    size_bytes: int,
    language: str | None = None,
    about: MetadataChange = NO_CHANGE,
) -> Upload:
    """Record that a file is about to be sent. Raises Refused where its name or size tell enough."""
    check_length(size_bytes)
    return Upload.objects.create(
        workspace=workspace, name=clean_title(name), size_bytes=size_bytes,
        language=language_of(workspace, language), created_by=user,
        metadata=dict(about.metadata), access_level=about.access_level or 0,
    )  # fmt: skip


def destination(upload: Upload) -> Destination:
    """Return where to send it. A bucket takes only this size, this type and this key, and only for a while."""
    if not settings.S3_BUCKET:
        return Destination(reverse("api-upload-file", args=[upload.workspace_id, upload.pk]))
    content_type = {"Content-Type": type_of_name(upload.name)}
    storage: Any = default_storage
    signed = storage.connection.meta.client.generate_presigned_post(
        settings.S3_BUCKET,
        upload.key,
        Fields=content_type,
        Conditions=[content_type, ["content-length-range", upload.size_bytes, upload.size_bytes]],
        ExpiresIn=int(Upload.LIFETIME.total_seconds()),
    )
    return Destination(signed["url"], signed["fields"])


def receive(upload: Upload, file: File[Any]) -> None:
    """Take the file where there is no bucket. Sent again, it replaces what was sent before. Raises Refused."""
    if file.size != upload.size_bytes:
        raise DocumentRefused(
            f"It was announced with {upload.size_bytes:,} bytes and came with {file.size:,}. Send it again."
        )
    default_storage.delete(upload.key)
    stored = default_storage.save(upload.key, file)
    if stored != upload.key:  # sent twice at the same moment: one of them is enough
        default_storage.delete(stored)


def complete(upload_id: UUID) -> Document:
    """Make what arrived a document, once, and return it. Raises NotThere, Refused, Upload.DoesNotExist."""
    with transaction.atomic():
        # The lock makes a second announcement wait, and find what the first one made.
        upload = Upload.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=upload_id)
        if upload.document_id is None and not upload.refusal:
            _settle(upload)
    if upload.document is None:
        raise DocumentRefused(upload.refusal)
    return upload.document


def _settle(upload: Upload) -> None:
    try:
        arrived = default_storage.open(upload.key)
    except FileNotFoundError as error:
        raise NothingUploaded("Nothing has arrived yet. Send the file to its address first.") from error
    with arrived as file:
        file.name = upload.name  # a name chooses between kinds of text
        try:
            # Again, because the fields and the levels may have changed since.
            said = parse_change(upload.workspace, upload.created_by, upload.metadata, upload.access_level)
            upload.document = add_file(
                upload.workspace, upload.created_by, file, upload.name, upload.language, about=said
            )
        except (DocumentRefused, InvalidValue) as refusal:
            upload.refusal = str(refusal)
    upload.save()
    transaction.on_commit(lambda: default_storage.delete(upload.key))


# --- what a bucket says -------------------------------------------------------------------------


def keys_in(event: Any) -> Iterator[str]:
    """Yield the keys of ours in an event: S3's own, EventBridge's, or either within one of SNS."""
    match event:
        case {"Type": "Notification", "Message": str(message)}:
            yield from keys_in(json.loads(message))
        case {"Records": [*records]}:
            for record in records:
                yield from keys_in(record)
        case {"s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
            yield from _ours(
                bucket, unquote_plus(key)
            )  # S3 writes keys as in a query; EventBridge as they are
        case {"detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
            yield from _ours(bucket, key)


def _ours(bucket: str, key: str) -> Iterator[str]:
    if bucket == settings.S3_BUCKET and _KEY.match(key):
        yield key


# A bucket says it once: what fails meanwhile, the storage or the database, must not lose a file that has arrived.
@shared_task(
    name="documents.upload_arrived", autoretry_for=(Exception,), retry_backoff=10, max_retries=_RETRIES
)
def complete_arrived(key: str) -> None:
    """Complete the upload of this key, if there is one and it was not done already."""
    found = _KEY.match(key)
    if not found:
        return
    try:
        complete(UUID(found[1]))
    except (DocumentRefused, NothingUploaded, Upload.DoesNotExist) as outcome:
        log.info("Upload %s made no document: %s", found[1], outcome)  # it is recorded, or thrown away


# --- what nobody announced ----------------------------------------------------------------------


@shared_task(name="documents.clear_uploads")
def clear_expired() -> None:
    """Throw away uploads past their time with what was sent. The documents made of them stay."""
    for upload in Upload.objects.filter(created_at__lt=timezone.now() - Upload.LIFETIME):
        log.info("Upload %s is past its time and thrown away.", upload.pk)
        upload.delete()
