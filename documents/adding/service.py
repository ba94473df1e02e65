"""Adds documents: each `add_*` records one document that is ingested once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db import Error, IntegrityError, transaction
from django.db.models import F

from accounts.changes import differences
from accounts.models import User, record
from core.files import discard
from core.waiting import release_connection
from documents.errors import DocumentRefused
from documents.fields.metadata import LEVELS_CHANGED, NO_CHANGE, MetadataChange, apply_change, hold_fields
from documents.ingestion.restart import restart
from documents.models import Document
from documents.queue import enqueue
from workspaces.access import level_in
from workspaces.languages import choices_of
from workspaces.metadata_schema import fields_of
from workspaces.models import Workspace

from .validation import Content, clean_title, validate_file, validate_pair, validate_text

_S = Document.Status

__all__ = ["DocumentRefused", "add", "add_file", "add_qa", "add_text", "change", "clean_title"]


def add_file(
    workspace: Workspace,
    user: User | None,
    file: File[Any],
    title: str,
    language: str | None = None,
    *,
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Record a file and queue its ingestion.

    Idempotent: the same file and title return the existing document.

    title: the user's name for the file; only the last part of a path is kept.
    language: one of the workspace's; None: detected from the text, and the workspace's first until then.
    ask_worker: False if the caller ingests it at once. Raises DocumentRefused.
    """
    return add(workspace, user, validate_file(file, title), language, about=about, ask_worker=ask_worker)


def add_text(
    workspace: Workspace,
    user: User | None,
    title: str,
    text: str,
    language: str | None = None,
    *,
    is_markdown: bool = False,
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Record a text that a user wrote or pasted. Raises DocumentRefused."""
    content = validate_text(title, text, is_markdown)
    return add(workspace, user, content, language, about=about, ask_worker=ask_worker)


def add_qa(
    workspace: Workspace,
    user: User | None,
    question: str,
    answer: str,
    language: str | None = None,
    *,
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Record a question with its answer.

    Searches match the question and quote both. Raises DocumentRefused.
    """
    return add(workspace, user, validate_pair(question, answer), language, about=about, ask_worker=ask_worker)


def add(
    workspace: Workspace,
    user: User | None,
    content: Content,
    language: str | None = None,
    *,
    folder: str = "",
    path: str = "",
    about: MetadataChange = NO_CHANGE,
    ask_worker: bool = True,
) -> Document:
    """Record a document and queue its ingestion, or return the one that already has this title and content.

    folder, path: where `manage.py ingest` found it; each path is its own document.
    about: the metadata of a new document. Raises DocumentRefused.
    """
    is_language_chosen = bool(language)
    language = language_of(workspace, language)
    same = workspace.documents.filter(parent=None, title=content.title, content_sha256=content.sha256)
    if known := (same.filter(folder=folder, path=path) if folder else same).first():
        refuse_hidden(known, user)
        return _once_more(known, content, user, ask_worker)
    document = Document(
        workspace=workspace, kind=content.kind, folder=folder, path=path, title=content.title,
        media_type=content.media_type.name, size_bytes=content.file.size, content_sha256=content.sha256,
        language=language, is_language_chosen=is_language_chosen, created_by=user,
    )  # fmt: skip
    apply_change(document, about, fields_of(workspace) if about.metadata else {})
    return _store_and_record(document, content.file, user, ask_worker)


def change(document: Document, user: User | None, content: Content, *, ask_worker: bool = True) -> Document:
    """Replace a document's content. The old version stays searchable until the new one is ready.

    The change raises the fence, so a worker that still ingests the old content stops. Raises DocumentRefused.
    """
    if (document.title, document.content_sha256) == (content.title, content.sha256):
        return _once_more(document, content, user, ask_worker)
    new = Document(pk=document.pk, workspace=document.workspace)
    _store(new, content.file)
    try:
        _record_change(document.pk, new.file.name or "", user, content, ask_worker)
    except BaseException as error:
        _remove_unrecorded(new)
        if isinstance(error, IntegrityError):
            raise DocumentRefused("A document with this title and content already exists.") from error
        if isinstance(error, Document.DoesNotExist):
            raise DocumentRefused("The document was deleted in the meantime. Add it again.") from error
        raise
    document.refresh_from_db()
    return document


def correct_language(document: Document, user: User | None, language: str) -> None:
    """Set a document's language and ingest it again, because its words are matched in that language's forms.

    Its chunks are not embedded again. Raises DocumentRefused if the workspace does not have this language, or
    while a worker is reading the document.
    """
    language = language_of(document.workspace, language)
    with transaction.atomic():
        waiting = Document.objects.filter(pk=document.pk).exclude(status=_S.PROCESSING)
        changes = differences({"language": document.language}, {"language": language})
        if not waiting.update(language=language, is_language_chosen=True):
            raise DocumentRefused(
                "The document is being read right now. Wait until it is ready, then change its language."
            )
        record(user, "document.language", document.title, id=str(document.pk), changes=changes)
        restart(document, user)


def language_of(workspace: Workspace, language: str | None) -> str:
    """Return this language, or the workspace's first.

    Raises DocumentRefused if the workspace does not have it.
    """
    known = dict(choices_of(workspace.languages))
    if language and language not in known and language not in workspace.languages:
        names = ", ".join(f"{code} ({name})" for code, name in known.items())
        raise DocumentRefused(
            f"This workspace does not have the language {language!r}. Choose one of: {names}."
        )
    return language or workspace.languages[0]


def refuse_hidden(known: Document, user: User | None) -> None:
    """Raise DocumentRefused if the added document already exists above this user's access level."""
    level = level_in(user, known.workspace) if user else None
    if level is not None and known.access_level > level:
        raise DocumentRefused(
            "This document already exists, but not for your access level. Ask a manager of this workspace."
        )


def _once_more(known: Document, content: Content, user: User | None, ask_worker: bool) -> Document:
    """Return a document that was added again. Store a file that is missing, and restart the document if it failed."""
    _store_missing(known, content.file)
    if known.status == _S.FAILED:
        restart(known, user, ask_worker=ask_worker)
        known.refresh_from_db()
    return known


# --- records ------------------------------------------------------------------------------------


def _store_and_record(document: Document, file: File[Any], user: User | None, ask_worker: bool) -> Document:
    """Store and record the document. Return the other one if it was added twice at the same moment."""
    _store(document, file)
    try:
        _record(document, user, ask_worker)
    except BaseException as error:
        _remove_unrecorded(document)
        same = Document.objects.filter(
            workspace=document.workspace, title=document.title, content_sha256=document.content_sha256
        )
        if isinstance(error, IntegrityError) and (known := same.first()):
            refuse_hidden(known, user)
            return known
        raise
    return document


def _store(document: Document, file: File[Any]) -> None:
    with _storing(file):
        document.file.save(document.title, file, save=False)


def _store_missing(document: Document, file: File[Any]) -> None:
    """Store a document's file under its name if it is gone, as after the restore of an older database."""
    storage, name = document.file.storage, document.file.name
    with _storing(file):
        if name and not storage.exists(name):
            storage.save(name, file)


@contextmanager
def _storing(file: File[Any]) -> Iterator[None]:
    """Raises DocumentRefused if the storage takes no file."""
    file.seek(0)
    release_connection()  # the storage may be a bucket, which is on the network
    try:
        yield
    except OSError as error:
        raise DocumentRefused(
            f"The file could not be stored on the server: {error.strerror or error}. Tell your operator."
        ) from error


def _remove_unrecorded(document: Document) -> None:
    """Remove the stored file after an error, unless the document was recorded.

    A commit can succeed while only its confirmation is lost. If the database does not answer, the file stays:
    `reconcile` finds files that belong to no document.
    """
    with suppress(Error):
        if not Document.objects.filter(pk=document.pk, file=document.file.name).exists():
            document.file.delete(save=False)


def _record(document: Document, user: User | None, ask_worker: bool) -> None:
    with transaction.atomic():
        hold_fields(document)
        document.save()
        Workspace.objects.filter(pk=document.workspace_id).update(
            document_count=F("document_count") + 1, size_bytes=F("size_bytes") + document.size_bytes
        )
        refuse_gone_level(document)
        record(user, "document.add", document.title, id=str(document.pk), workspace=document.workspace.name)
        if ask_worker:
            _ask_after_commit(document.pk)


def refuse_gone_level(document: Document) -> None:
    """Raise DocumentRefused if the document's access level is gone since it was checked.

    The caller holds the lock on the workspace's row.
    """
    if document.access_level:
        names = Workspace.objects.values_list("access_levels", flat=True).get(pk=document.workspace_id)
        if document.access_level >= len(names):
            raise DocumentRefused(LEVELS_CHANGED)


def _record_change(
    document_id: UUID, new_file: str, user: User | None, content: Content, ask_worker: bool
) -> None:
    with transaction.atomic():
        held = (
            Document.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=document_id)
        )
        old_file = held.file.name
        if old_file and old_file != new_file:  # if the old file was gone already, the new one has its name
            transaction.on_commit(partial(discard, old_file))
        Workspace.objects.filter(pk=held.workspace_id).update(
            size_bytes=F("size_bytes") + content.file.size - held.size_bytes
        )
        Document.objects.filter(pk=held.pk).update(
            title=content.title, file=new_file, media_type=content.media_type.name,
            size_bytes=content.file.size, content_sha256=content.sha256,
            fence=F("fence") + 1, **Document.restart_values(),
        )  # fmt: skip
        before = {"title": held.title, "size_bytes": held.size_bytes, "sha256": held.content_sha256}
        after = {"title": content.title, "size_bytes": content.file.size, "sha256": content.sha256}
        where = {"id": str(held.pk), "workspace": held.workspace.name}
        record(user, "document.change", content.title, **where, changes=differences(before, after))
        if ask_worker:
            _ask_after_commit(held.pk)


def _ask_after_commit(document_id: UUID) -> None:
    transaction.on_commit(partial(enqueue, document_id))
