"""Every kind of drift is made on purpose, found, and mended."""

import os
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from documents.adding import service as intake
from documents.adding.validation import validate_text
from documents.ingestion.ingest import ingest
from documents.models import Document
from documents.reindex import service as reindex
from tests.documents.conftest import a_worker_at
from tests.documents.ingestion.test_ingest import NUMBERED, put
from tests.fakes.openai_server import OpenAIServer
from workspaces.engines import NewChunk, engine_for
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.pgvector.tables import drop_table, table_names
from workspaces.models import Workspace


@pytest.fixture(autouse=True)
def no_tables_of_other_tests(transactional_db: None) -> None:
    for name in table_names():
        drop_table(name)


def reconcile(*arguments: str) -> str:
    said = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=said)
    except CommandError as error:
        said.write(f"CommandError: {error}")
    return said.getvalue()


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    for title in ("one.md", "two.md"):
        ingest(put(workspace, title=title).pk)
    workspace.refresh_from_db()
    return workspace


def orphan_chunks(workspace: Workspace) -> None:
    chunk = NewChunk(0, "text", b"hash", section=0, start=0, end=4)
    engine, nobody = engine_for(workspace), uuid4()
    engine.stage(nobody, [chunk], [[1.0] * workspace.dimensions])
    engine.publish(nobody, 1)


def orphan_table(workspace: Workspace) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE chunks.w_nobodys (id int)")


def orphan_file(workspace: Workspace) -> None:
    name = default_storage.save(f"workspaces/{workspace.pk}/nobodys", ContentFile(b"text"))
    os.utime(default_storage.path(name), (0, 0))


def chunks_gone(workspace: Workspace) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE chunks.{PgVector(workspace).tables.names[0]}")


def test_what_is_being_read_just_now_is_counted_once(filled: Workspace, embeddings: OpenAIServer) -> None:
    document = filled.documents.get(title="one.md")
    filled.documents.filter(pk=document.pk).update(chunk_count=F("chunk_count") + 5)
    Workspace.objects.filter(pk=filled.pk).update(chunk_count=F("chunk_count") + 5)
    intake.change(document, None, validate_text("one.md", NUMBERED[:9000] + " Anew."), ask_worker=False)
    embeddings.behaviour.first_token_s = 0.5
    with a_worker_at(document):
        while not filled.documents.filter(pk=document.pk, stage="embed").exists():
            threading.Event().wait(0.02)
        reconcile("--fix")
    assert "chunk_count" not in reconcile()


DRIFTS: dict[str, tuple[Callable[[Workspace], object], str]] = {
    "document counter": (
        lambda it: Workspace.objects.filter(pk=it.pk).update(document_count=7),
        "document_count is 7, but the actual number is 2.",
    ),
    "chunk counter": (
        lambda it: Workspace.objects.filter(pk=it.pk).update(chunk_count=7),
        "chunk_count is 7, but the actual number is",
    ),
    "size": (lambda it: Workspace.objects.filter(pk=it.pk).update(size_bytes=7), "size_bytes is 7"),
    "a document's count": (
        lambda it: Document.objects.filter(title="one.md").update(chunk_count=7),
        "one.md should have 7 chunks",
    ),
    "no chunks": (chunks_gone, "one.md should have 200 chunks, but has 0."),
    "orphan chunks": (orphan_chunks, "there are chunks of a deleted document"),
    "orphan table": (orphan_table, "The table chunks.w_nobodys belongs to no workspace."),
    "orphan file": (orphan_file, "nobodys belongs to no document."),
}


def test_a_run_without_accidents_leaves_no_drift(filled: Workspace) -> None:
    building = reindex.start(filled, None, metric="l2")
    assert reconcile() == "No differences found.\n"
    reindex.cancel(filled, None)
    assert building
    assert reconcile() == "No differences found.\n"


@pytest.mark.parametrize(("cause", "words"), DRIFTS.values(), ids=DRIFTS)
def test_drift_is_reported_and_mended(
    filled: Workspace, cause: Callable[[Workspace], object], words: str
) -> None:
    cause(filled)
    said = reconcile()
    assert words in said
    assert "CommandError" in said
    assert words in reconcile(), "without --fix nothing changes"
    assert "CommandError" not in reconcile("--fix")
    for document in Document.objects.filter(status="pending"):
        ingest(document.pk)
    assert reconcile() == "No differences found.\n"


def test_a_file_that_is_gone_is_for_a_person(filled: Workspace) -> None:
    document = filled.documents.get(title="one.md")
    Path(document.file.path).unlink()
    assert "its file" in reconcile("--fix")
    assert "Differences found: 1." in reconcile("--fix")


def test_a_file_that_is_being_uploaded_is_left_alone(filled: Workspace) -> None:
    default_storage.save(f"workspaces/{filled.pk}/on-its-way", ContentFile(b"text"))
    assert reconcile() == "No differences found.\n"
