from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.fakes.openai_server import OpenAIServer, running_in_thread


@pytest.fixture(autouse=True)
def _empty_cache(services: None) -> None:
    cache.clear()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server with an embedding model of 384 dimensions."""
    with running_in_thread() as server:
        yield server


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


def text_of(response: Any) -> str:
    """The page as people read it: entities are characters. Not for tests of escaping."""
    return unescape(response.content.decode())
