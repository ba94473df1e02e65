"""A user, a model on the loopback interface, and a way to ask it. No runner: tests start what they need."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from chat.turns import Ask, Parameters, submit
from models_registry.models import Endpoint
from tests import factories
from tests.fakes.openai_server import OpenAIServer, running_in_thread


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with running_in_thread() as server:
        yield server


@pytest.fixture
def endpoint(db: None, model: OpenAIServer) -> Endpoint:
    return factories.chat_endpoint(base_url=model.base_url)


@pytest.fixture
def asker(db: None) -> User:
    return factories.user()


@pytest.fixture
def ask(asker: User, endpoint: Endpoint) -> Callable[..., Any]:
    """Record a question; what is not named is made up."""

    def ask(text: str = "What is a pump?", user: User = asker, **fields: Any) -> Any:
        fields = {"session_id": None, "message_id": uuid4().hex, "endpoints": [endpoint]} | fields
        fields["parameters"] = fields.get("parameters", Parameters())
        return submit(user, Ask(text=text, **fields))

    return ask
