"""How documents come in: each `add_*` records one document that will be ingested once."""

import hashlib
import unicodedata
from functools import partial
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import IntegrityError, transaction
from django.db.models import F
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from accounts.models import User, record
from workspaces.languages import LANGUAGES
from workspaces.models import Workspace

from . import reindex
from .media_types import MediaType, NotAccepted, recognise
from .models import Document
from .tasks import ask_soon

_S = Document.Status
MAX_TITLE_CHARACTERS = 300


class Refused(Exception):
    """We did not take it. `str()` is a sentence that says why and what to do."""


def add_file(
    workspace: Workspace,
    user: User | None,
    file: File[Any],
    title: str,
    language: str | None = None,
    *,
    ask_worker: bool = True,
) -> Document:
    """Record a file and have it ingested. The same file under the same title is the document we have.

    title: as its owner calls it; anything but its last part is dropped. language: one of the workspace's.
    ask_worker: False when the caller ingests it at once. Raises Refused.
    """
    title = clean_title(title)
    language = _language(workspace, language)
    media_type = _checked(file, clean_title(file.name or title))
    digest = _sha256(file)
    if known := workspace.documents.filter(title=title, content_sha256=digest).first():
        return _once_more(known, user, ask_worker)
    document = Document(
        workspace=workspace,
        title=title,
        media_type=media_type.name,
        size_bytes=file.size,
        content_sha256=digest,
        language=language,
        created_by=user,
    )
    return _taken(document, file, user, ask_worker)


def retry(document: Document, user: User | None, *, ask_worker: bool = True) -> None:
    """Ingest it again, from the beginning of its attempts. What is being worked on now is left alone."""
    with transaction.atomic():
        waiting = Document.objects.filter(pk=document.pk).exclude(status=_S.PROCESSING)
        if not waiting.update(
            status=_S.PENDING, stage=Document.Stage.QUEUED, attempt=0, error="", progress_done=0, progress_total=0,
            next_attempt_at=timezone.now(), queued_at=None, updated_at=timezone.now(),
        ):  # fmt: skip
            return
        record(user, "document.retry", document.title, id=str(document.pk))
        if ask_worker:
            _ask_after_commit(document.pk)


def delete(document: Document, user: User | None) -> None:
    """Remove the document, its chunks and, after the commit, its file. A worker at it notices and stops."""
    with transaction.atomic():
        # The locks wait for a batch that is being staged, so that none is staged after `forget`.
        reindex.lock_items(document.pk)
        found = (
            Document.objects.select_for_update(of=("self",))
            .select_related("workspace")
            .filter(pk=document.pk)
            .first()
        )
        if found is None:
            return
        reindex.forget(found)
        Workspace.objects.filter(pk=found.workspace_id).update(
            document_count=F("document_count") - 1,
            size_bytes=F("size_bytes") - found.size_bytes,
            chunk_count=F("chunk_count") - found.chunk_count,
        )
        record(user, "document.delete", found.title, id=str(found.pk), workspace=found.workspace.name)
        found.delete()


# --- checks -------------------------------------------------------------------------------------


def clean_title(name: str) -> str:
    """Return the last part of a path, without control and direction marks, short enough to keep."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Category C holds controls, and the marks that make "gpj.exe" read as "exe.jpg".
    kept = "".join(
        each for each in unicodedata.normalize("NFC", last) if unicodedata.category(each)[0] != "C"
    )
    kept = " ".join(kept.split()).strip(". ") or "untitled"
    stem, dot, extension = kept.rpartition(".")
    if len(kept) > MAX_TITLE_CHARACTERS and dot and len(extension) < 20:
        return f"{stem[: MAX_TITLE_CHARACTERS - len(extension) - 1]}.{extension}"
    return kept[:MAX_TITLE_CHARACTERS]


def _language(workspace: Workspace, language: str | None) -> str:
    if language and language not in workspace.languages:
        names = ", ".join(f"{code} ({LANGUAGES[code]})" for code in workspace.languages)
        raise Refused(f"This workspace does not hold the language {language!r}. Choose one of: {names}.")
    return language or workspace.languages[0]


def _checked(file: File[Any], name: str) -> MediaType:
    if not file.size:
        raise Refused("The file is empty. Choose another one.")
    if file.size > settings.UPLOAD_MAX_BYTES:
        limit = filesizeformat(settings.UPLOAD_MAX_BYTES)
        raise Refused(
            f"The file has {filesizeformat(file.size)}, the limit is {limit}. Split it, and add the parts."
        )
    try:
        return recognise(cast(Any, file), name)
    except NotAccepted as error:
        raise Refused(str(error)) from error


def _sha256(file: File[Any]) -> str:
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return digest.hexdigest()


def _once_more(known: Document, user: User | None, ask_worker: bool) -> Document:
    """Return a document that is added again; what had failed is tried again."""
    if known.status == _S.FAILED:
        retry(known, user, ask_worker=ask_worker)
        known.refresh_from_db()
    return known


# --- records ------------------------------------------------------------------------------------


def _taken(document: Document, file: File[Any], user: User | None, ask_worker: bool) -> Document:
    """Store and record it. Returns the other one if it was added twice at the same moment."""
    _store(document, file)
    try:
        _record(document, user, ask_worker)
    except BaseException as error:
        document.file.delete(save=False)
        same = Document.objects.filter(
            workspace=document.workspace, title=document.title, content_sha256=document.content_sha256
        )
        if isinstance(error, IntegrityError) and (known := same.first()):
            return known
        raise
    return document


def _store(document: Document, file: File[Any]) -> None:
    file.seek(0)
    try:
        document.file.save(document.title, file, save=False)
    except OSError as error:
        raise Refused(
            f"The file could not be stored on the server: {error.strerror or error}. Tell your operator."
        ) from error


def _record(document: Document, user: User | None, ask_worker: bool) -> None:
    with transaction.atomic():
        document.save()
        Workspace.objects.filter(pk=document.workspace_id).update(
            document_count=F("document_count") + 1, size_bytes=F("size_bytes") + document.size_bytes
        )
        record(user, "document.add", document.title, id=str(document.pk), workspace=document.workspace.name)
        if ask_worker:
            _ask_after_commit(document.pk)


def _ask_after_commit(document_id: UUID) -> None:
    transaction.on_commit(partial(ask_soon, document_id))
