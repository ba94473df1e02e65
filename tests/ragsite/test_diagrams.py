"""The frame that draws diagrams: it may run its scripts, and nothing else."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def policy(path: str) -> dict[str, str]:
    header = Client().get(path).headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


def test_the_frame_has_no_origin_and_no_network_and_only_our_pages_hold_it() -> None:
    assert policy("/diagram/") == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'unsafe-inline'",
        "sandbox": "allow-scripts",
        "frame-ancestors": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    assert "X-Frame-Options" not in Client().get("/diagram/").headers


def test_other_pages_keep_their_policy() -> None:
    assert policy("/login/")["frame-ancestors"] == "'none'"
    assert policy("/login/")["default-src"] == "'self'"
    assert Client().get("/login/").headers["X-Frame-Options"] == "DENY"
