from collections.abc import Iterator

import pytest

from tests.chat.serving import served_in_thread


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """The address of the real web process, under its real server."""
    with served_in_thread() as address:
        yield address
