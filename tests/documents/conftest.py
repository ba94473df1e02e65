import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from documents.ingestion.ingest import ingest
from documents.models import Document
from models_registry import identity
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.models import Workspace

DIMENSIONS = 8


@pytest.fixture
def embeddings() -> Iterator[OpenAIServer]:
    """An embedding server that counts what it is asked."""
    with running_in_thread(behaviour=Behaviour(dimensions=DIMENSIONS)) as server:
        yield server


@pytest.fixture
def workspace(transactional_db: None, embeddings: OpenAIServer) -> Workspace:
    return factories.workspace(
        embedder=factories.embedder(base_url=embeddings.base_url, dimensions=DIMENSIONS),
        languages=["en", "de"],
        chunk_size=200,
        chunk_overlap=40,
    )


@contextmanager
def a_worker_at(document: Document) -> Iterator[None]:
    """Have the document ingested meanwhile, by another thread; wait for its end."""

    def work() -> None:
        try:
            ingest(document.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    yield
    worker.join()


def embedded(server: OpenAIServer) -> list[str]:
    """Every text of documents that the server was asked to embed, in order."""
    return [
        text
        for request in server.requests
        if request.path == "/v1/embeddings"
        for text in request.body["input"]
        if text not in identity.TEXTS
    ]


def states(document: Document) -> dict[str, Any]:
    document.refresh_from_db()
    return {"status": document.status, "stage": document.stage, "attempt": document.attempt}
