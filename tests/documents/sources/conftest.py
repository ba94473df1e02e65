from collections.abc import Callable, Iterator
from typing import Any

import pytest

from documents.ingest import ingest
from documents.models import Document
from documents.sources.gather import gather
from tests.documents.conftest import embeddings, workspace  # noqa: F401 (fixtures)
from tests.fakes.site import Site, running_site


@pytest.fixture
def allowed(settings: Any) -> None:
    """An operator named this machine, as they would an intranet."""
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def site(allowed: None) -> Iterator[Site]:
    with running_site() as site:
        yield site


@pytest.fixture
def visit() -> Callable[[Document], Document]:
    """Visit a source to its end in this process, and ingest what it hands on."""

    def run(document: Document) -> Document:
        while gather(document.pk, ingest):
            pass
        document.refresh_from_db()
        return document

    return run


def pages(document: Document) -> dict[str, str]:
    """What the source's addresses came to: path -> state, without host and port."""
    root = document.url.split("/", 3)
    prefix = "/".join(root[:3])
    return {each.url.removeprefix(prefix): each.state for each in document.source.addresses.all()}
