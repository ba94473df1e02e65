"""What proxies, load balancers and variables say about the site's address, and about the client's."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from django.core.cache import cache
from django.test import AsyncClient, Client

from ragsite import processes
from tests import factories
from tests.chat.serving import served_in_thread

PROBES = ["/health", "/health/", "/api/v1/health"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize(
    "host", ["10.0.12.7", "10.0.12.7:8000", "[fd00::7]:8000", "ip-10-0-12-7.ec2.internal"]
)
def test_a_load_balancer_may_probe_the_process_by_any_address(client: Client, path: str, host: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 200
    assert client.get("/login/", headers={"host": host}).status_code == 400


async def test_a_probe_is_answered_by_the_event_loop_too() -> None:
    assert (await AsyncClient().get("/health/", headers={"host": "10.0.12.7"})).status_code == 200


def settings_with(**variables: str) -> subprocess.CompletedProcess[str]:
    """Print the settings of the site's address as a new process reads them."""
    names = ("SITE_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS")
    program = f"from ragsite import settings as s; print(*(getattr(s, n) for n in {names!r}), sep='|')"
    secret = {"RAGSITE_SECRET_KEY": "for tests"}
    return subprocess.run(
        [sys.executable, "-c", program], env=os.environ | secret | variables, capture_output=True, text=True
    )


ADDRESSES = {
    "https://docs.example.com/": "https://docs.example.com",
    "HTTPS://Docs.Example.com": "https://docs.example.com",
    "https://docs.example.com:443/": "https://docs.example.com",
    "http://docs.example.com:80": "http://docs.example.com",
    "http://docs.example.com:8080//": "http://docs.example.com:8080",
    "https://dökümente.example": "https://xn--dkmente-90a9c.example",
    "http://[::1]:8000/": "http://[::1]:8000",
}


@pytest.mark.parametrize(("given", "origin"), ADDRESSES.items())
def test_the_sites_address_is_read_as_browsers_send_it(given: str, origin: str) -> None:
    site, hosts, trusted = settings_with(RAGSITE_SITE_URL=given).stdout.strip().split("|")
    assert site == origin
    assert trusted == str([origin])
    assert origin.split("://")[1].removesuffix(":8080").removesuffix(":8000") in hosts


@pytest.mark.parametrize(
    "given", ["https://example.com/docs", "https://", "https://example.com:99999", "https://a@example.com"]
)
def test_an_address_that_cannot_be_the_sites_is_refused_in_words(given: str) -> None:
    done = settings_with(RAGSITE_SITE_URL=given)
    assert done.returncode
    assert "write only the scheme, the host" in done.stderr


def test_a_site_on_all_addresses_has_an_address_that_can_be_visited() -> None:
    site, hosts, _ = settings_with(RAGSITE_HOST="0.0.0.0").stdout.strip().split("|")
    assert site == "http://127.0.0.1:8000"
    assert "127.0.0.1" in hosts


# --- the client's address behind a proxy ---------------------------------------------------------


@contextmanager
def web() -> Iterator[str]:
    """Serve the application with the options of the real web process."""
    arguments = processes.web("127.0.0.1", 8000).arguments[1:]
    trusted = uvicorn.main.make_context("uvicorn", [*arguments]).params["forwarded_allow_ips"]
    with served_in_thread(forwarded_allow_ips=trusted) as address:
        yield address


def log_in(address: str, password: str, client: str) -> int:
    """Return the status of a login through a proxy that names this client: 302 if it succeeds."""
    with httpx.Client(base_url=address, headers={"X-Forwarded-For": client}) as browser:
        browser.get("/login/")
        data = {"username": "ada", "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        return browser.post("/login/", data=data, headers={"Referer": f"{address}/login/"}).status_code


@pytest.fixture
def _ada(transactional_db: None) -> Iterator[None]:
    cache.clear()
    factories.user(username="ada", password="correct horse")
    yield
    cache.clear()
    gc.collect()  # the server's threads leave their connections to the cache open


_leaves_connections = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@_leaves_connections
@pytest.mark.usefixtures("_ada")
def test_wrong_passwords_through_a_trusted_proxy_count_by_the_real_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    with web() as address:
        for _ in range(6):
            status = log_in(address, "guess", "203.0.113.5")
        assert status == 429
        assert log_in(address, "correct horse", "198.51.100.9") == 302


@_leaves_connections
@pytest.mark.usefixtures("_ada")
def test_without_a_trusted_proxy_a_client_cannot_choose_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    with web() as address:
        statuses = [log_in(address, "guess", f"203.0.113.{number}") for number in range(6)]
    assert statuses[-1] == 429
