"""Direct uploads: a client sends its file straight to the bucket, or to this site if there is no bucket.

begin -> the client sends the file to `destination` -> complete. The client's call and the bucket's event
may both announce the file, in any order, twice, or only one of them. `complete` is idempotent: the first call
makes the document, later ones return it. The file is validated like any other. See docs/adr/0014-uploads.md.
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
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
from core.files import discard
from documents.errors import DocumentRefused, NothingUploaded
from documents.fields.metadata import NO_CHANGE, MetadataChange, parse_change
from documents.models import Document, Upload
from documents.parsing.media_types import type_of_name
from workspaces.errors import InvalidValue
from workspaces.models import Workspace

from .service import add_file, language_of
from .validation import check_length, clean_title

log = logging.getLogger(__name__)

_RETRIES = 8  # the last one after about 40 minutes
_KEY = re.compile(r"uploads/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send the file: as a multipart form with these fields, in this order, and `file` last."""

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
    """Record an announced upload. Raises DocumentRefused if its size or language is not acceptable."""
    check_length(size_bytes)
    language_of(workspace, language)
    return Upload.objects.create(
        workspace=workspace, name=clean_title(name), size_bytes=size_bytes,
        language=language or "", created_by=user,
        metadata=dict(about.metadata), access_level=about.access_level or 0,
    )  # fmt: skip


def destination(upload: Upload) -> Destination:
    """Return where to send the file.

    A bucket takes only this size, type and key, until the upload expires.
    """
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
    """Store the file if there is no bucket. A file that is sent again replaces it. Raises DocumentRefused."""
    if file.size != upload.size_bytes:
        raise DocumentRefused(
            f"The file was announced with {upload.size_bytes:,} bytes, but {file.size:,} arrived. Send it again."
        )
    default_storage.delete(upload.key)
    stored = default_storage.save(upload.key, file)
    if stored != upload.key:  # sent twice at the same moment: keep one
        default_storage.delete(stored)


def complete(upload_id: UUID) -> Document:
    """Make the file a document, once, and return it.

    Raises NothingUploaded, DocumentRefused, Upload.DoesNotExist.
    """
    upload = _upload(upload_id)
    if not upload.is_settled:
        upload = _settle(upload)
    if upload.document is None:
        raise DocumentRefused(upload.refusal)
    return upload.document


def _upload(upload_id: UUID) -> Upload:
    return Upload.objects.select_related("workspace", "document").get(pk=upload_id)


def _settle(upload: Upload) -> Upload:
    """Return the upload with its document or its refusal.

    No transaction is open while the storage is read: a slow bucket would keep its connection. So two
    announcements may both read the file. `add_file` returns the same document to both.
    """
    document, refusal = None, ""
    try:
        with default_storage.open(upload.key) as file:
            file.name = upload.name  # the name decides between kinds of text
            document = _add(upload, file)
    except (DocumentRefused, InvalidValue) as refused:
        refusal = str(refused)
    except FileNotFoundError as error:
        with transaction.atomic():  # wait for another call that settles or deletes the upload right now
            Upload.objects.select_for_update().get(pk=upload.pk)
        upload = _upload(upload.pk)
        if upload.is_settled:
            return upload
        raise NothingUploaded("The file has not arrived yet. Send it to the upload's URL first.") from error
    _record_outcome(upload.pk, document, refusal)
    return _upload(upload.pk)


def _add(upload: Upload, file: File[Any]) -> Document:
    # Parse it again: the fields and the access levels may have changed since.
    said = parse_change(upload.workspace, upload.created_by, upload.metadata, upload.access_level)
    return add_file(upload.workspace, upload.created_by, file, upload.name, upload.language, about=said)


@transaction.atomic
def _record_outcome(upload_id: UUID, document: Document | None, refusal: str) -> None:
    """Record the outcome, unless another announcement was faster, and delete the file."""
    upload = Upload.objects.select_for_update().get(pk=upload_id)
    if not upload.is_settled:
        upload.document, upload.refusal = document, refusal
        upload.save()
    transaction.on_commit(partial(discard, upload.key))


# --- bucket events ------------------------------------------------------------------------------


def keys_in(event: Any) -> Iterator[str]:
    """Yield the keys of uploads in an event: S3's own format, EventBridge's, or either inside an SNS message."""
    match event:
        case {"Type": "Notification", "Message": str(message)}:
            yield from keys_in(json.loads(message))
        case {"Records": [*records]}:
            for record in records:
                yield from keys_in(record)
        case {"s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
            yield from _ours(
                bucket, unquote_plus(key)
            )  # S3 encodes keys as in a URL query, EventBridge does not
        case {"detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
            yield from _ours(bucket, key)


def _ours(bucket: str, key: str) -> Iterator[str]:
    if bucket == settings.S3_BUCKET and _KEY.match(key):
        yield key


# A bucket does not repeat an event that we accepted. The retries cover outages of the storage and the
# database, so that an arrived file is not lost.
@shared_task(
    name="documents.upload_arrived", autoretry_for=(Exception,), retry_backoff=10, max_retries=_RETRIES
)
def complete_arrived(key: str) -> None:
    """Complete the upload with this key, if there is one. Idempotent."""
    found = _KEY.match(key)
    if not found:
        return
    try:
        complete(UUID(found[1]))
    except (DocumentRefused, NothingUploaded, Upload.DoesNotExist) as outcome:
        log.info("Upload %s became no document: %s", found[1], outcome)  # on record, or deleted


# --- expired uploads ----------------------------------------------------------------------------


def clear_expired_uploads() -> Iterator[int]:
    """Delete expired uploads with their files. The documents made from them stay. Yield 1 for each."""
    for upload in Upload.objects.filter(created_at__lt=timezone.now() - Upload.LIFETIME).iterator(500):
        log.info("Upload %s has expired: deleting it.", upload.pk)
        upload.delete()
        yield 1
