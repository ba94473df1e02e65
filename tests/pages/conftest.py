import os
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from accounts.models import User
from tests.fakes.openai_server import OpenAIServer, running_in_thread


@pytest.fixture(autouse=True)
def _empty_cache(services: None) -> None:
    cache.clear()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """Run a server with an embedding model of 384 dimensions."""
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
    """Return the page with its entities decoded, as people read it. Not for tests of escaping."""
    return unescape(response.content.decode())


@pytest.fixture
def site_url(live_server: Any) -> str:
    """Return the URL of the site: a server without web sockets, unless the test's module overrides it."""
    return str(live_server.url)


@pytest.fixture
def requests_fail() -> None:
    """Use this fixture if requests are meant to fail: the browser logs them to its console."""


@pytest.fixture
def page(site_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a tab of Chromium on the live site; `page.context` opens more.

    Fail the test on any script error or CSP violation.
    """
    # Playwright keeps an event loop in this thread, so Django believes that it runs in async code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    errors: list[str] = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        context = chromium.new_context(base_url=site_url)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda line: errors.append(line.text) if _is_error(line) else None)
        tab = context.new_page()
        tab.set_default_timeout(30_000)
        yield tab
        chromium.close()
        connection.close()  # Django uses a separate connection while that loop runs
    if "requests_fail" in request.fixturenames:
        errors = [error for error in errors if not error.startswith("Failed to load resource")]
    assert not errors


def _is_error(line: ConsoleMessage) -> bool:
    # A test that cuts the connection causes ERR_INTERNET_DISCONNECTED
    return line.type == "error" and "ERR_INTERNET_DISCONNECTED" not in line.text


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)  # unlike sleep, it lets routed requests go on


def log_in(page: Page, user: User) -> None:
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "domain": "localhost", "path": "/"}]
    )
