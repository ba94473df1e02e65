import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from documents.ingestion.ingest import ingest
from documents.reindex import service as reindex
from tests.documents.ingestion.test_ingest import NUMBERED, put
from workspaces.models import Workspace


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    ingest(put(workspace, NUMBERED[:3000]).pk)
    return Workspace.objects.select_related("embedder").get(pk=workspace.pk)


def run(workspace: Workspace, *arguments: str) -> str:
    said = StringIO()
    call_command("reindex", workspace.name, *arguments, stdout=said)
    return said.getvalue()


def test_it_says_what_it_takes_and_does_it_without_a_worker(filled: Workspace) -> None:
    said = run(filled, "--estimate", "--chunk-size", "120", "--chunk-overlap", "0")
    assert said.startswith("1 documents, about 25 chunks,")
    filled.refresh_from_db()
    assert filled.chunk_size == 200
    assert "The new index is in use." in run(filled, "--chunk-size", "120", "--chunk-overlap", "0")
    filled.refresh_from_db()
    assert (filled.chunk_size, filled.index_number) == (120, 1)


def test_it_can_be_cancelled(filled: Workspace) -> None:
    with pytest.raises(CommandError, match="No index"):
        run(filled, "--cancel")
    reindex.start(filled, None, metric="l2")
    assert "Cancelled." in run(filled, "--cancel")
    assert reindex.running(filled) is None


def test_documents_that_cannot_be_read_are_named(filled: Workspace) -> None:
    document = filled.documents.get()
    document.file.storage.delete(str(document.file.name))
    with pytest.raises(CommandError, match="1 documents could not be read"):
        run(filled, "--metric", "l2")


def test_somebody_cancels_while_it_runs(filled: Workspace) -> None:
    building = reindex.start(filled, None, metric="l2")
    building.items.update(status="processing", lease_until="2999-01-01T00:00Z")

    def cancel() -> None:
        reindex.cancel(filled, None)
        connection.close()

    threading.Timer(1, cancel).start()
    with pytest.raises(CommandError, match="cancelled"):
        run(filled)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--chunk-size", "50"], "more than 100"),
        (["--embedder", "nobody"], "no embedding model named 'nobody'"),
        (["--languages", "xx"], "Unknown language"),
    ],
    ids=["size", "embedder", "language"],
)
def test_what_makes_no_sense_is_refused(filled: Workspace, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(filled, *arguments)
