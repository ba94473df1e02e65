"""A body is refused before it fills a disk: by its announced length, and by what has arrived."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.identity.api_key import issue
from ragsite.door import bodies
from tests import factories
from workspaces.models import Role

MB = 1024 * 1024


@pytest.fixture
def connection(site) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(urlsplit(site).netloc, timeout=30)
    yield made
    made.close()


def megabytes(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(MB)


def post(connection, path, size_mb, *, announced=True, **headers):
    """Send the body as curl does: stop as soon as the server has replied."""
    connection.close()  # a new connection for each request
    length = {"Content-Length": str(size_mb * MB)} if announced else {}
    try:
        body = megabytes(size_mb)
        connection.request("POST", path, body, {**length, **headers}, encode_chunked=not announced)
    except (BrokenPipeError, ConnectionResetError):
        pass
    reply = connection.getresponse()
    return reply.status, reply.read()


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", ["/login/", "/nowhere/", "/api/v1/semantic-search", "/v1/chat/completions"])
def test_a_huge_body_of_a_stranger_is_refused(connection, path, announced):
    status, body = post(connection, path, 20, announced=announced)
    assert status == 413
    if path.startswith("/api/"):
        assert "Send less at once." in json.loads(body)["detail"]


def test_the_refusal_does_not_wait_for_the_body(connection):
    connection.putrequest("POST", "/login/")
    connection.putheader("Content-Length", str(10_000 * MB))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_only_a_known_sender_may_send_a_file(connection):
    workspace = factories.workspace()
    editor = factories.member(workspace, Role.EDITOR)
    path = f"/api/v1/workspaces/{workspace.pk}/documents/file-upload"
    assert post(connection, path, 10, Authorization="Bearer rs_made_up")[0] == 413
    assert post(connection, path, 10, Cookie="sessionid=made-up")[0] == 413
    key = issue(editor, "test")[1]
    assert post(connection, path, 10, Authorization=f"Bearer {key}")[0] == 415  # it was read: it is no form
    client = Client()
    client.force_login(editor)
    assert post(connection, path, 10, Cookie=f"sessionid={client.cookies['sessionid'].value}")[0] in (
        403,
        415,
    )
    assert post(connection, path, 60, Authorization=f"Bearer {key}")[0] == 413


def test_a_body_that_does_not_arrive_ends_the_request(connection, monkeypatch):
    monkeypatch.setattr(bodies, "_SILENCE_S", 0.3)
    connection.putrequest("POST", "/login/")
    connection.putheader("Content-Length", "10")
    connection.endheaders(b"half")
    assert connection.getresponse().status == 408
