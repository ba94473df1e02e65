from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from documents.ingestion.ingest import ingest
from documents.models import Document
from documents.sources.crawl import crawler
from tests.documents.conftest import embeddings, workspace  # noqa: F401 (fixtures)
from tests.fakes.site import Site, running_site


@pytest.fixture
def allowed(settings: Any) -> None:
    """Allow this machine as a private host, as an operator allows an intranet."""
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def site(allowed: None) -> Iterator[Site]:
    with running_site() as site:
        yield site


def _until_it_ends(hand_on: Callable[[UUID], None]) -> Callable[[Document], Document]:
    def run(document: Document) -> Document:
        while crawler.crawl(document.pk, hand_on):
            pass
        document.refresh_from_db()
        return document

    return run


@pytest.fixture
def crawl() -> Callable[[Document], Document]:
    """Visit a source to its end in this process. Do not ingest the documents that it finds."""
    return _until_it_ends(lambda document_id: None)


@pytest.fixture
def visit() -> Callable[[Document], Document]:
    """Visit a source to its end in this process, and ingest the documents that it finds."""
    return _until_it_ends(ingest)


def pages(document: Document) -> dict[str, str]:
    """Return the state of the source's addresses by path, without host and port."""
    root = document.url.split("/", 3)
    prefix = "/".join(root[:3])
    return {each.url.removeprefix(prefix): each.state for each in document.source.addresses.all()}
