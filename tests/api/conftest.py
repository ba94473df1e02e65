from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.identity.api_key import issue
from accounts.models import User
from tests.fakes import model_container
from tests.fakes.openai_server import OpenAIServer, running_in_thread


class Api:
    """The API as a program of one user sees it."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._client = Client(headers={"authorization": f"Bearer {issue(user, 'test')[1]}"})

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return self._client.generic(
            method, f"/api/v1/{path}", "" if body is None else self._client._encode_json(body, "application/json"),
            content_type="application/json",
        )  # fmt: skip

    def upload(self, path: str, **fields: Any) -> Any:
        return self._client.post(f"/api/v1/{path}", fields)


@pytest.fixture
def api() -> Callable[[User], Api]:
    return Api


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running_in_thread() as server:
        yield server


@pytest.fixture(scope="session")
def container() -> Iterator[str]:
    with model_container.running_in_thread() as url:
        yield url
