import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from kombu import pools

from accounts.models import AuditEvent
from documents import queue
from documents.adding import service as intake
from documents.adding.service import add_file, add_text, change, clean_title
from documents.adding.validation import text_of, validate_text
from documents.errors import DocumentRefused
from documents.ingestion.deletion import delete_document
from documents.ingestion.restart import restart
from documents.models import Document
from documents.tasks import ingest_document, recover
from ragsite.celery import app
from tests import factories
from tests.documents.parsing import files
from workspaces.models import Workspace
from workspaces.provision import delete_workspace

TEXT = b"Words enough to be found."


def put(workspace: Workspace, content: bytes = TEXT, title: str = "a.txt", **more: Any) -> Document:
    return add_file(workspace, more.pop("user", None), ContentFile(content, name=title), title, **more)


def stored(settings: Any) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def queued() -> list[str]:
    """Take what waits for a worker out of the real broker."""
    with app.connection_for_read() as broker, broker.SimpleQueue("celery") as queue:
        found: list[str] = []
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return found
            message.ack()
            found += [f"{message.headers['task']} {argument}" for argument in message.payload[0]]


@pytest.fixture(autouse=True)
def _empty_queue(services: None, monkeypatch: pytest.MonkeyPatch) -> None:
    queued()
    monkeypatch.setattr(queue, "_skip_until", 0.0)


def test_adding_records_counts_audits_and_queues(workspace: Workspace) -> None:
    user = factories.user()
    document = put(workspace, user=user, language="de")
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.size_bytes) == (1, len(TEXT))
    assert (document.status, document.language, document.media_type) == ("pending", "de", "text/plain")
    with document.file.open() as file:
        assert file.read() == TEXT
    assert queued() == [f"documents.ingest {document.pk}"]
    assert AuditEvent.objects.get(action="document.add").user == user


@contextmanager
def unconfirmed() -> Iterator[None]:
    """The database goes away after it has committed, before it says so."""

    def commit() -> None:
        BaseDatabaseWrapper._commit(connection)
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_commit", commit, raising=False)
        with pytest.raises(OperationalError):
            yield


def test_a_document_whose_commit_was_not_confirmed_keeps_its_file(workspace: Workspace) -> None:
    with unconfirmed():
        put(workspace)
    with Document.objects.get().file.open() as file:
        assert file.read() == TEXT


def test_a_change_whose_commit_was_not_confirmed_keeps_the_new_text(workspace: Workspace) -> None:
    document = add_text(workspace, None, "Notes", "What was said first.")
    with unconfirmed():
        change(document, None, validate_text("Notes", "What is said now."))
    document.refresh_from_db()
    assert text_of(document) == "What is said now."


def test_a_change_brings_back_a_document_whose_file_was_gone(workspace: Workspace) -> None:
    document = add_text(workspace, None, "Notes", "What was said first.")
    document.file.storage.delete(str(document.file.name))
    change(document, None, validate_text("Notes", "What is said now."))
    assert text_of(document) == "What is said now."


def test_a_document_is_whole_when_the_database_goes_away_before_a_worker_is_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(document_id: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(intake, "enqueue", ask)
    with pytest.raises(OperationalError):
        put(workspace)
    with Document.objects.get().file.open() as file:
        assert file.read() == TEXT


def test_the_same_file_again_is_the_same_document(workspace: Workspace, settings: Any) -> None:
    first = put(workspace)
    queued()
    assert put(workspace) == first
    assert put(workspace, title="folder/a.txt") == first
    assert queued() == []
    assert len(stored(settings)) == 1
    workspace.refresh_from_db()
    assert workspace.document_count == 1


def test_a_file_that_is_gone_is_stored_again_when_it_is_added_again(workspace: Workspace) -> None:
    """An older database that was restored names files that were deleted since."""
    document = put(workspace)
    Document.objects.filter(pk=document.pk).update(status=Document.Status.READY)
    document.file.storage.delete(str(document.file.name))
    assert put(workspace) == document
    with Document.objects.get().file.open() as again:
        assert again.read() == TEXT


def test_the_same_file_from_two_people_at_once_is_one_document(workspace: Workspace, settings: Any) -> None:
    start = threading.Barrier(4)
    added: list[Document] = []

    def add() -> None:
        start.wait()
        try:
            added.append(put(workspace))
        finally:
            connection.close()

    people = [threading.Thread(target=add) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len(added) == 4
    assert set(added) == {Document.objects.get()}
    assert len(stored(settings)) == 1
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.size_bytes) == (1, len(TEXT))


def test_the_same_content_under_another_title_is_another_document(workspace: Workspace) -> None:
    assert put(workspace) != put(workspace, title="b.txt")


def test_a_failed_file_added_again_is_tried_again(workspace: Workspace) -> None:
    document = put(workspace)
    Document.objects.update(status=Document.Status.FAILED, error="No.", attempt=5, next_attempt_at=None)
    queued()
    again = put(workspace)
    assert (again, again.status, again.error, again.attempt) == (document, "pending", "", 0)
    assert queued() == [f"documents.ingest {document.pk}"]


@pytest.mark.parametrize(
    ("content", "title", "words"),
    [
        (b"", "a.txt", "empty"),
        (b"x" * 2000, "a.txt", "the limit is"),
        (files.encrypted_office(), "a.xlsx", "password"),
        (b"only words", "a.pdf", r"ends in \.pdf"),
        (files.archive({"a.txt": "x"}), "a.jar", "Unpack"),
    ],
    ids=["empty", "too large", "encrypted", "wrong extension", "archive"],
)
def test_what_cannot_be_read_is_refused_at_the_door(
    workspace: Workspace, settings: Any, content: bytes, title: str, words: str
) -> None:
    settings.UPLOAD_MAX_BYTES = 1999
    with pytest.raises(DocumentRefused, match=words):
        put(workspace, content, title)
    assert not Document.objects.exists()
    assert stored(settings) == []


def test_a_language_the_workspace_does_not_hold_is_refused(workspace: Workspace) -> None:
    with pytest.raises(DocumentRefused, match=r"en \(English\), de \(German\)"):
        put(workspace, language="fr")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ana\\plan.docx", "plan.docx"),
        ("bad\x00\n name.txt", "bad name.txt"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("...", "untitled"),
        ("", "untitled"),
        ("a" * 400 + ".pdf", "a" * 296 + ".pdf"),
        ("Cafe\u0301.txt", "Café.txt"),
    ],
)
def test_titles_are_names_and_nothing_else(name: str, title: str) -> None:
    assert clean_title(name) == title


@contextmanager
def broker_at(url: str) -> Iterator[None]:
    conf: Any = app.conf
    before, conf.broker_url = conf.broker_url, url
    _forget_connections()
    try:
        yield
    finally:
        conf.broker_url = before
        _forget_connections()


def _forget_connections() -> None:
    pools.reset()
    untyped: Any = app
    untyped._pool = untyped.amqp._producer_pool = None


def test_a_broker_that_is_away_loses_nothing(workspace: Workspace) -> None:
    with broker_at("redis://127.0.0.1:9/0"):
        first = put(workspace)
        started = time.monotonic()
        second = put(workspace, title="b.txt")
        assert time.monotonic() - started < 1  # the broker's silence is waited for once, not at each file
    assert queued() == []
    recover()
    assert queued() == [f"documents.ingest {document.pk}" for document in (first, second)]


def test_recovery_asks_once_not_every_time_it_looks(workspace: Workspace) -> None:
    put(workspace)
    queued()
    recover()
    assert queued() == []


def test_a_document_whose_worker_died_is_queued_again(workspace: Workspace) -> None:
    document = put(workspace)
    queued()
    Document.objects.update(
        status=Document.Status.PROCESSING, queued_at=None, lease_until=document.created_at - Document.LEASE
    )
    recover()
    assert queued() == [f"documents.ingest {document.pk}"]


def test_deleting_removes_chunks_counts_and_the_file(workspace: Workspace, settings: Any) -> None:
    user = factories.user()
    document = put(workspace)
    ingest_document(str(document.pk))
    workspace.refresh_from_db()
    assert workspace.chunk_count == 1
    delete_document(document, user)
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.chunk_count, workspace.size_bytes) == (0, 0, 0)
    assert stored(settings) == []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM chunks.w_{workspace.id.hex}")
        assert cursor.fetchone() == (0,)
    assert AuditEvent.objects.filter(action="document.delete", user=user).exists()
    delete_document(document, user)  # twice does no harm


def test_a_deleted_workspace_takes_its_files_along(workspace: Workspace, settings: Any) -> None:
    put(workspace)
    delete_workspace(None, workspace)
    assert stored(settings) == []


def test_retry_leaves_a_document_at_work_alone(workspace: Workspace) -> None:
    document = put(workspace)
    Document.objects.update(status=Document.Status.PROCESSING, attempt=3)
    restart(document, None)
    document.refresh_from_db()
    assert (document.status, document.attempt) == ("processing", 3)
