import os
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


@pytest.fixture
def site_url(live_server: Any) -> str:
    """Where the site is: one without sockets, unless a test's module knows better."""
    return str(live_server.url)


@pytest.fixture
def requests_fail() -> None:
    """Ask for it where requests are meant to fail: the browser says so in its console."""


@pytest.fixture
def page(site_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab of Chromium on the live site; `page.context` opens more.

    Fails the test on any error of a script or of the CSP.
    """
    # Playwright keeps an event loop in this thread, which Django takes for async code.
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
        connection.close()  # with that loop, Django has another one than without
    if "requests_fail" in request.fixturenames:
        errors = [error for error in errors if not error.startswith("Failed to load resource")]
    assert not errors


def _is_error(line: ConsoleMessage) -> bool:
    return line.type == "error" and "ERR_INTERNET_DISCONNECTED" not in line.text  # the test cut the line


def log_in(page: Page, user: User) -> None:
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "domain": "localhost", "path": "/"}]
    )
