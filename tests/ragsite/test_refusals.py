"""Programs get every error as JSON, also those that Django replies with before or outside of a view."""

import json

import pytest
from django.test import Client

from tests import factories
from workspaces import api

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    """A logged-in page that sends no CSRF token."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(factories.user())
    return client


REFUSED = [
    ("GET", "/api/v1/nowhere", {}, 404),
    ("GET", "/api/nowhere/", {}, 404),
    ("POST", "/api/v1/workspaces/no-uuid", {}, 404),
    ("PUT", "/api/v1/workspaces", {"headers": {"authorization": "Bearer rs_made_up"}}, 401),
    ("DELETE", "/api/v1/health", {}, 405),
    ("POST", "/api/v1/workspaces", {"data": "{}"}, 403),
    ("GET", "/api/v1/workspaces", {"headers": {"host": "evil.example"}}, 400),
    ("GET", "/api/v1/nowhere", {"headers": {"host": "evil.example"}}, 400),
    ("GET", "/v1/models", {"headers": {"host": "evil.example"}}, 400),
]


@pytest.mark.parametrize(("method", "path", "sent", "status"), REFUSED)
def test_an_error_of_an_api_is_json(browser, method, path, sent, status):
    reply = browser.generic(method, path, content_type="application/json", **sent)
    assert (reply.status_code, reply["Content-Type"]) == (status, "application/json")
    said = json.loads(reply.content)
    assert said["error"]["message"] if path.startswith("/v1/") else said["detail"]


def test_a_fault_of_ours_is_json_without_its_cause(browser, monkeypatch):
    monkeypatch.setattr(api.Engines, "throttle_classes", [lambda: 1 / 0])
    reply = browser.get("/api/v1/rag/engines")
    assert reply.status_code == 500
    assert reply.json() == {"detail": "Something went wrong on our side. Try again."}


def test_people_still_get_pages(browser):
    for path, headers, status in [("/nowhere/", {}, 404), ("/", {"host": "evil.example"}, 400)]:
        reply = browser.get(path, headers=headers)
        assert (reply.status_code, reply["Content-Type"]) == (status, "text/html; charset=utf-8")


def test_an_address_that_only_takes_a_form_says_so(browser):
    reply = browser.get(f"/workspaces/{factories.workspace().pk}/delete/")
    assert (reply.status_code, reply["Allow"]) == (405, "POST")
    assert "Go back, and use the button there." in reply.content.decode()
