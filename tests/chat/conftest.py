"""Fixtures: a user, a fake model server on the loopback interface, and a way to ask it.

There is no runner: a test starts one if it needs it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from accounts.models import User
from chat.asking.turns import Parameters, Question, submit
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
    """Return a function that records a question, with defaults for all fields that a test does not set."""

    def ask(text: str = "What is a pump?", user: User = asker, **fields: Any) -> Any:
        fields = {"session_id": None, "message_id": uuid4().hex, "endpoints": [endpoint]} | fields
        fields["parameters"] = fields.get("parameters", Parameters())
        return submit(user, Question(text=text, **fields))

    return ask


@pytest.fixture
def lose_connections(transactional_db: None) -> Iterator[Callable[[], Awaitable[Any]]]:
    """Return a function that closes all database connections except the main thread's, as a restart does."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        own = cursor.fetchone()[0]
    others = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname = current_database() and pid not in (pg_backend_pid(), {own})"
    )
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as killer:
        yield lambda: asyncio.to_thread(killer.execute, others)
    connection.close()
    connection.close_pool()  # a thread may hold a dead connection, and would return it to this pool
