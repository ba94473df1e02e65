"""A hundred people at every door at once: all are served, or told when to come back, and no one else notices."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from django.conf import settings
from django.db import connection

from accounts.identity.api_key import issue
from tests import factories
from tests.fakes import model_container
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.models import Role

CROWD = 100
PEOPLE = 4
_CSRF = {"Cookie": f"csrftoken={'a' * 32}", "X-CSRFToken": "a" * 32}  # for the login form


@pytest.fixture
def models() -> Iterator[OpenAIServer]:
    with running_in_thread(behaviour=Behaviour(dimensions=8)) as server:
        yield server


@pytest.fixture
def workspace(transactional_db, models):
    embedder = factories.embedder(name="embedder", base_url=models.base_url, dimensions=8)
    return factories.workspace(embedder=embedder)


@pytest.fixture
def keys(workspace):
    people = [factories.member(workspace, Role.EDITOR) for _ in range(PEOPLE)]
    return [issue(person, "load")[1] for person in people]


class Crowd:
    """Sends the same request a hundred times at once, as several people, and watches the site meanwhile."""

    def __init__(self, address: str, keys: list[str]) -> None:
        self._address, self._keys = address, keys
        self.slowest_health_s = 0.0

    def __call__(self, path: str, body: Any, count: int = CROWD) -> Counter[int]:
        return asyncio.run(self._all(path, body, count))

    def leave(self, path: str, body: Any, after_s: float) -> None:
        """Send the requests, and close the connections before the replies."""
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(self._send(path, body, CROWD), after_s))

    async def _all(self, path: str, body: Any, count: int) -> Counter[int]:
        is_over = asyncio.Event()
        watching = asyncio.create_task(self._watch(is_over))
        statuses = await self._send(path, body, count)
        is_over.set()
        await watching
        return statuses

    async def _send(self, path: str, body: Any, count: int) -> Counter[int]:
        unlimited = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._address, connector=unlimited) as client:
            return Counter(
                await asyncio.gather(*(self._ask(client, path, body, number) for number in range(count)))
            )

    async def _ask(self, client: aiohttp.ClientSession, path: str, body: Any, number: int) -> int:
        headers = _CSRF | {"Authorization": f"Bearer {self._keys[number % len(self._keys)]}"}
        said = {"data": body(number)} if callable(body) else {"json": body}
        async with client.post(path, headers=headers, **said) as reply:
            await reply.read()
            assert reply.status != 503 or int(reply.headers["Retry-After"]) > 0
            return reply.status

    async def _watch(self, is_over: asyncio.Event) -> None:
        async with aiohttp.ClientSession(self._address) as client:
            while not is_over.is_set():
                started = time.monotonic()
                async with client.get("/health/") as reply:
                    assert reply.status == 200
                self.slowest_health_s = max(self.slowest_health_s, time.monotonic() - started)
                await asyncio.sleep(0.1)


@pytest.fixture
def crowd(site, keys):
    crowd = Crowd(site, keys)
    yield crowd
    assert connection.pool.get_stats()["pool_available"] >= 1  # no connection leaked


def form(**fields: Any) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        made.add_field(name, value, filename="a.txt" if isinstance(value, bytes) else None)
    return made


def test_a_hundred_searches_at_once_are_all_answered(crowd, workspace):
    asked = {"query": "How long is the leave?", "workspaceId": str(workspace.pk)}
    assert crowd("/api/v1/semantic-search", asked) == {200: CROWD}


def test_searches_with_a_slow_model_are_answered_or_told_to_come_back(crowd, workspace, models):
    models.behaviour.first_token_s = 2
    asked = {"query": "How long is the leave?", "workspaceId": str(workspace.pk)}
    statuses = crowd("/api/v1/semantic-search", asked)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= settings.MODEL_CALLS_PER_USER * PEOPLE


def test_searches_whose_clients_leave_keep_no_connection(crowd, workspace, models):
    asked = {"query": "How long is the leave?", "workspaceId": str(workspace.pk)}
    models.behaviour.first_token_s = 1
    for _ in range(3):
        crowd.leave("/api/v1/semantic-search", asked, after_s=0.6)
    models.behaviour.first_token_s = 0
    assert crowd("/api/v1/semantic-search", asked, count=20) == {200: 20}


@pytest.mark.parametrize("door", ["search", "embeddings", "ranking", "chunking"])
def test_a_hundred_comparisons_at_once_are_answered_or_told_to_come_back(crowd, workspace, models, door):
    models.behaviour.first_token_s = 0.05
    with model_container.running_in_thread() as url:
        factories.embedder(name="reranker", kind="reranker", provider="container", options={"url": url})
        path, asked = {
            "search": (
                "/api/v1/laboratory/search",
                {
                    "query": "leave",
                    "workspaceId": str(workspace.pk),
                    "configurations": [{}, {"isHybrid": False}],
                },
            ),
            "embeddings": (
                "/api/v1/laboratory/embeddings",
                {"texts": ["one", "two"], "models": ["embedder"]},
            ),
            "ranking": (
                "/api/v1/laboratory/ranking",
                {"query": "one", "passages": ["one", "two"], "models": ["reranker"]},
            ),
            "chunking": (
                f"/api/v1/workspaces/{workspace.pk}/chunking-comparison",
                {"text": "One sentence. Another sentence.", "strategies": ["semantic"]},
            ),
        }[door]
        statuses = crowd(path, asked)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= CROWD // 2


@pytest.mark.parametrize("kind", ["embeddings", "cross-encoders"])
def test_a_hundred_model_calls_at_once_are_answered_or_told_to_come_back(crowd, workspace, models, kind):
    models.behaviour.first_token_s = 0.05
    with model_container.running_in_thread() as url:
        factories.embedder(name="reranker", kind="reranker", provider="container", options={"url": url})
        asked = {
            "embeddings": {"texts": ["one"]},
            "cross-encoders": {"query": "one", "passages": ["one", "two"]},
        }[kind]
        statuses = crowd(f"/api/v1/{kind}", asked)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= CROWD // 2


def test_a_hundred_uploads_at_once_are_all_taken(crowd, workspace):
    path = f"/api/v1/workspaces/{workspace.pk}/documents/file-upload"
    statuses = crowd(path, lambda number: form(file=f"Text {number}".encode(), title=f"{number}.txt"))
    assert statuses == {201: CROWD}


def test_a_hundred_lists_of_pairs_at_once_are_all_taken(crowd, workspace):
    path = f"/api/v1/workspaces/{workspace.pk}/documents/questions"
    assert crowd(path, {"pairs": [{"question": "Why?", "answer": "Because."}]}) == {201: CROWD}


def test_a_hundred_logins_at_once_take_turns_at_hashing(crowd, settings):
    settings.PASSWORD_HASHERS = ["accounts.password_hashing.BoundedArgon2"]
    factories.user(username="ada", password="correct horse")
    before = _peak_memory_kb()
    statuses = crowd("/login/", lambda number: form(username=f"ada{number}", password="wrong"), count=40)
    assert set(statuses) <= {200, 429, 503}
    assert _peak_memory_kb() - before < 400_000  # each Argon2 hash takes 100 MB
    assert crowd.slowest_health_s < 3


def _peak_memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
