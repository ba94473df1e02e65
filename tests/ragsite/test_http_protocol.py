"""A connection that never finishes its request, or never reads its reply, is not held without end."""

import socket
import time
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from ragsite import http_protocol
from tests import factories

HEAD = b"GET /health/ HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def line(site):
    parts = urlsplit(site)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as made:
        yield made


@pytest.fixture
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.5)


def ends(line: socket.socket) -> bool:
    try:
        return line.recv(4096) == b""
    except ConnectionResetError:
        return True


def everything(line: socket.socket) -> bytes:
    parts = list[bytes]()
    try:
        while part := line.recv(1_000_000):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize("sent", [b"", b"GET /health/ HT", HEAD, b"\r\n"])
def test_half_a_request_is_given_up(in_a_hurry, line, sent):
    line.sendall(sent)
    assert ends(line)


@pytest.mark.parametrize("sent", [b"", HEAD[:7], b"\r\n"])
def test_half_a_further_request_is_given_up(in_a_hurry, line, sent):
    line.sendall(HEAD + b"\r\n")
    assert line.recv(65_536).startswith(b"HTTP/1.1 200")
    line.sendall(sent)
    assert ends(line)


def test_endless_headers_are_cut_off(line):
    line.sendall(HEAD)
    with pytest.raises(OSError, match=r"reset|pipe"):
        line.sendall((b"X-Padding: " + b"x" * 1000 + b"\r\n") * 10_000)


def test_a_download_that_is_not_read_holds_no_database_connection_and_is_given_up(monkeypatch, line):
    monkeypatch.setattr(http_protocol, "STALLED_S", 1.0)
    workspace = factories.workspace()
    reader = factories.member(workspace)
    document = factories.document(workspace, content=b"x" * 20_000_000)
    client = Client()
    client.force_login(reader)
    path = reverse("document-download", args=[workspace.pk, document.pk])
    cookie = f"Cookie: sessionid={client.cookies['sessionid'].value}\r\n\r\n"
    connection.close()
    available = connection.pool.get_stats()["pool_available"]
    line.sendall(HEAD.replace(b"/health/", path.encode()) + cookie.encode())
    assert line.recv(1000).startswith(b"HTTP/1.1 200")
    assert connection.pool.get_stats()["pool_available"] == available
    time.sleep(2)
    assert len(everything(line)) < 20_000_000


def test_bodies_on_one_connection_are_no_heads(line):
    body = bytes(2_000_000)
    head = f"POST /nowhere/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(3):
        line.sendall(head + body)
        assert line.recv(65_536).startswith(b"HTTP/1.1 ")
