"""Services that ran out: health says which, pages and programs get a sentence, login goes on, nothing is half done."""

import json
import resource
from contextlib import contextmanager
from io import BytesIO

import pytest
from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.files import File
from django.db import connection
from django.urls import reverse

from accounts import rate_limit
from benchmarks import exhaustion
from documents.adding.service import add_file
from documents.errors import DocumentRefused
from documents.models import Document
from documents.queue import try_enqueue
from ragsite.monitoring.service_probes import probe_services, warnings_of_broker
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

HEALTH = "/api/v1/health"


@pytest.fixture(autouse=True)
def fresh_probes():
    def forget():
        for probe in (probe_services, warnings_of_broker):
            probe.forget()
        caches["own"].clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def health(client, fresh_probes):
    def ask():
        fresh_probes()
        reply = client.get(HEALTH)
        return reply.status_code, reply.json()

    return ask


def _database():
    known = connection.get_connection_params()
    return {name: value for name, value in known.items() if name != "cursor_factory"}


def _valkey():
    return django_settings.CACHES["default"]["LOCATION"]


def full_valkey():
    return exhaustion.full_valkey(_valkey())


def full_disk(table):
    return exhaustion.full_disk(_database(), table)


@contextmanager
def no_space_for_files(bytes_left=1000):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def log_in(client, password="right"):
    return client.post(reverse("login"), {"username": "kim", "password": password})


# --- Valkey ---------------------------------------------------------------------------------------


def test_a_full_valkey_is_named_by_health_and_does_not_keep_people_out(client, health):
    factories.user(username="kim", password="right")
    with full_valkey():
        status, told = health()
        assert (status, told["status"], told["broker"], told["database"]) == (503, "down", False, True)
        assert any("Valkey" in each and "full" in each for each in told["problems"])
        assert log_in(client).status_code == 302
        assert client.get(reverse("workspaces")).status_code == 200
    status, told = health()
    assert (status, told["broker"]) == (200, True)


def test_guesses_are_limited_while_valkey_is_full(client):
    factories.user(username="kim", password="right")
    with full_valkey():
        replies = [log_in(client, "wrong").status_code for _ in range(rate_limit.FREE_ATTEMPTS + 2)]
        assert replies[0] == 200
        assert replies[-1] == 429
        assert log_in(client).status_code == 429, "the right password has to wait, too"


def test_a_valkey_that_is_away_does_not_keep_people_out(client, settings):
    factories.user(username="kim", password="right")
    away = "unix:///nowhere/valkey.sock"
    settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"LOCATION": away}}
    assert log_in(client).status_code == 302
    client.logout()
    replies = [log_in(client, "wrong").status_code for _ in range(rate_limit.FREE_ATTEMPTS + 2)]
    assert replies[-1] == 429


def test_a_document_added_while_valkey_is_full_waits_and_is_sent_later():
    document = factories.document(factories.workspace(), status="pending")
    with full_valkey():
        assert not try_enqueue(document.pk)
    document.refresh_from_db()
    assert document.queued_at is None
    assert try_enqueue(document.pk)


def test_a_valkey_that_deletes_messages_is_said(health):
    with exhaustion.configured_valkey(_valkey(), **{"maxmemory": 10**9, "maxmemory-policy": "allkeys-lru"}):
        status, told = health()
        assert status == 200
        assert any("maxmemory-policy allkeys-lru" in each for each in told["problems"])


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_a_read_only_database_is_named_and_answers_with_a_sentence(client, health):
    workspace = factories.workspace()
    editor = factories.member(workspace, "editor")
    client.force_login(editor)
    add = reverse("workspace-add-text", args=[workspace.id])
    with exhaustion.read_only(_database()):
        status, told = health()
        assert (status, told["database"]) == (503, False)
        assert any("read-only" in each for each in told["problems"])
        assert client.get(reverse("workspace", args=[workspace.id])).status_code == 200
        page = client.post(add, {"title": "New", "text": "Words", "language": "en"})
        assert page.status_code == 503
        assert page["Retry-After"] == "30"
        assert "read-only at the moment" in page.content.decode()
        reply = client.post(
            reverse("api-documents-of-kind", args=[workspace.id, "texts"]),
            json.dumps({"title": "New", "text": "Words"}),
            content_type="application/json",
        )
        assert reply.status_code == 503
        assert "read-only at the moment" in reply.json()["detail"]
    assert not Document.objects.exists()
    assert client.post(add, {"title": "New", "text": "Words", "language": "en"}).status_code == 302
    assert health()[0] == 200


def test_a_full_disk_of_the_database_is_named_and_answers_with_a_sentence(client, health):
    with full_disk("ragsite_writeprobe"):
        status, told = health()
        assert (status, told["database"]) == (503, False)
        assert any("disk of the database is full" in each for each in told["problems"])
    workspace = factories.workspace()
    client.force_login(factories.member(workspace, "editor"))
    add = reverse("workspace-add-text", args=[workspace.id])
    said = {"title": "New", "text": "Words", "language": "en"}
    with full_disk("documents_document"):
        page = client.post(add, said)
        assert page.status_code == 503
        assert "disk of the database is full" in page.content.decode()
    assert client.post(add, said).status_code == 302
    assert Document.objects.count() == 1


def test_without_a_free_connection_the_page_says_so_and_comes_back(client, health):
    connection.close()
    connection.close_pool()
    with exhaustion.no_connections(_database()):
        status, told = health()
        assert (status, told["database"]) == (503, False)
        page = client.post(reverse("login"), {"username": "kim", "password": "x"})
        assert page.status_code == 503
    assert health()[0] == 200


# --- files ----------------------------------------------------------------------------------------


def test_a_full_disk_of_files_is_named_and_leaves_no_half_file(client, health, settings):
    workspace = factories.workspace()
    with no_space_for_files():
        status, told = health()
        assert (status, told["files"], told["database"]) == (503, False, True)
        assert any("no space left for files" in each for each in told["problems"])
        upload = File(BytesIO(b"word " * 2000), "big.txt")
        with pytest.raises(DocumentRefused, match="could not be stored"):
            add_file(workspace, None, upload, "big.txt", ask_worker=False)
    assert not Document.objects.exists()
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []
    assert health()[0] == 200
