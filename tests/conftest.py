"""Real PostgreSQL and Valkey for every run, marks that follow from what a test uses, no outside network."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import settings
from django.db import connection

from ragsite.embedded import postgres, valkey
from ragsite.embedded.claim import claim_data_dir
from ragsite.embedded.service import Service, running


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(name) for name in ("browser", "integration")):
            item.add_marker(_mark(item))


def _mark(item: pytest.Item) -> str:
    used = set(getattr(item, "fixturenames", ()))
    if used & {"browser", "page"}:
        return "browser"
    if used & {"db", "transactional_db", "live_server", "services"} or item.get_closest_marker("django_db"):
        return "integration"
    return "unit"


# --- services -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def services() -> Iterator[None]:
    """Start what DATABASE_URL and REDIS_URL do not name, once per run, on the data of the last run."""
    data_dir = settings.DATA_DIR
    sentence = f"Another test run uses {data_dir}: wait for it, or set RAGSITE_TEST_DIR to another directory."
    with ExitStack() as stack:
        stack.enter_context(claim_data_dir(data_dir, sentence))
        if not settings.DATABASE_URL:
            stack.enter_context(
                running(_hasty(postgres.service(data_dir)), data_dir / "logs" / "postgres.log")
            )
        if not settings.REDIS_URL:
            stack.enter_context(running(valkey.service(data_dir), data_dir / "logs" / "valkey.log"))
        yield


def _hasty(server: Service) -> Service:
    """Return a PostgreSQL that never waits for the disk: what a test writes may be gone after a power cut."""
    hasty = ("fsync", "synchronous_commit", "full_page_writes")
    return replace(server, argv=(*server.argv, *(part for name in hasty for part in ("-c", f"{name}=off"))))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: None, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django asks for this before it makes the test database."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Before the test database is dropped, end the sessions that threads of async tests keep."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def _files_of_this_test_only(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("media")


# --- no outside network -------------------------------------------------------------------------

_reached_out: list[str] = []


def _is_near(host: str) -> bool:
    """Say if a host is this machine, or a server that whoever runs the tests named."""
    named = {urlsplit(os.environ.get(name, "")).hostname for name in ("DATABASE_URL", "REDIS_URL")}
    address = _address(host)
    near = address is not None and (address.is_loopback or address.is_unspecified)
    return near or host in {"", "localhost"} or host in named


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a name
        return None


def _watch_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    elif event == "socket.getaddrinfo":
        name = arguments[0] or ""
        host = name.decode() if isinstance(name, bytes) else str(name)
        if _address(host):  # nothing is looked up
            return
    else:
        return
    if not _is_near(host):
        _reached_out.append(host)
        raise ConnectionRefusedError(f"Tests reach no other machine: {host}")


sys.addaudithook(_watch_network)


@pytest.fixture(autouse=True)
def _no_outside_network() -> Iterator[None]:
    """Fail the test that reached out, even if the code under test swallowed the error."""
    _reached_out.clear()
    yield
    assert not _reached_out, f"this test reached for {', '.join(_reached_out)}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parent.parent


# --- hypothesis ---------------------------------------------------------------------------------

# The same inputs in every run: what fails once fails again, on every machine. What a longer search finds is kept
# as an @example: HYPOTHESIS_PROFILE=search pytest tests/inference.
hypothesis.settings.register_profile(
    "fixed", derandomize=True, max_examples=100, deadline=None, database=None, print_blob=True
)
hypothesis.settings.register_profile("search", max_examples=5_000, deadline=None, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
