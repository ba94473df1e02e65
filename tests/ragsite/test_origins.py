"""A socket opens for pages of this site only: scheme, host and port count."""

import pytest

from ragsite.door.origins import is_own_origin


def scope(origin: str | None, host: str = "localhost:8000", scheme: str = "ws", **more: str):
    named = {"host": host, **more} | ({} if origin is None else {"origin": origin})
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
    return {"type": "websocket", "scheme": scheme, "headers": headers}


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://LOCALHOST:8000"])
def test_the_sites_own_pages_are_accepted(origin):
    assert is_own_origin(scope(origin))


@pytest.mark.parametrize(
    "origin",
    [
        *("http://localhost:9000", "https://localhost:8000", "http://localhost", "http://localhost:80"),
        *(
            "http://evil.example:8000",
            "http://localhost:8000.evil.example",
            "http://localhost:8000/x",
            "null",
            "",
            None,
        ),
        *("http://sub.localhost:8000", "file://localhost:8000", "http://user@localhost:8000"),
    ],
)
def test_other_origins_are_refused(origin):
    assert not is_own_origin(scope(origin))


def test_a_host_that_is_not_ours_is_refused():
    assert not is_own_origin(scope("http://evil.example", host="evil.example"))


def test_behind_a_proxy_that_ends_tls_the_page_is_https(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_own_origin(scope("https://localhost:8000", x_forwarded_proto="https"))
    assert not is_own_origin(scope("http://localhost:8000", x_forwarded_proto="https"))


def test_the_sites_configured_address_is_accepted(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://ragsite.example"]
    assert is_own_origin(scope("https://ragsite.example", host="10.0.0.7:8000"))
