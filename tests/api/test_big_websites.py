"""A website with very many pages is out of reach at once, and a worker deletes it in parts."""

import io
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from accounts import deletion
from accounts.models import AuditEvent, Deletion
from accounts.tasks import continue_deletion
from chat.models import AnswerPassage
from documents.models import Address, Document, Section, Source
from documents.sources.schedule import overdue_visits, start_due_visits
from documents.sources.service import add_website
from documents.tasks import recover
from tests import factories
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Role, Workspace

pytestmark = pytest.mark.django_db(transaction=True)

PAGES, SECTIONS = 120, 10
HOME = "https://pumps.example/"


@pytest.fixture
def workspace(server):
    embedder = factories.embedder(base_url=server.base_url, dimensions=384)
    return factories.workspace(name="Pumps", embedder=embedder, relevance_floor=0.0)


def publish(document, text):
    engine = engine_for(document.workspace)
    engine.stage(document.pk, [NewChunk(0, text, bytes(32), 0, 0, len(text))], [[1.0] + [0.0] * 383])
    engine.publish(document.pk, 1)
    Section.every.bulk_create(Section(document=document, position=n, text=text) for n in range(SECTIONS))


@pytest.fixture
def site(workspace, settings, tmp_path):
    """A website with many pages, and a text of the same words."""
    settings.MEDIA_ROOT = tmp_path
    found = factories.document(workspace, kind="site", url=HOME, title="pumps.example")
    source = Source.objects.create(document=found, home=HOME, schedule="daily", next_visit_at=timezone.now())
    for number in range(PAGES):
        page = factories.document(
            workspace, kind="page", parent=found, url=f"{HOME}{number}", content=b"pump", chunk_count=1
        )
        publish(page, "A pump of the website needs oil.")
        Address.objects.create(source=source, url=page.url, document=page, state="done")
    publish(factories.document(workspace, title="manual.txt", chunk_count=1), "A pump of the manual.")
    return found


def chunks_of(workspace):
    return engine_for(workspace).counts()


def searched(program, workspace):
    body = {"workspaceId": str(workspace.pk), "query": "pump website oil"}
    return {each["documentTitle"] for each in program("POST", "semantic-search", body).json()["passages"]}


def reconciled():
    """Return what a check says, but not of tables that other tests left."""
    told = io.StringIO()
    with suppress(CommandError):
        call_command("reconcile", stdout=told)
    return [line for line in told.getvalue().splitlines() if "Pumps" in line or "file" in line]


def finish():
    while row := Deletion.objects.filter(finished_at=None).first():
        continue_deletion(row.pk)


def test_it_disappears_at_once_from_pages_search_and_the_api(api, workspace, site, client):
    editor = factories.member(workspace, Role.EDITOR)
    program, path = api(editor), f"workspaces/{workspace.pk}/documents"
    page = site.children.first()
    assert "manual.txt" not in searched(program, workspace), "the website crowds it out"
    assert program("DELETE", f"{path}/{site.pk}").status_code == 204
    assert chunks_of(workspace)[page.pk] == 1, "a worker has it still to do"
    assert searched(program, workspace) == {"manual.txt"}
    assert [each["title"] for each in program("GET", path).json()["results"]] == ["manual.txt"]
    for gone in (site.pk, page.pk):
        assert program("GET", f"{path}/{gone}").status_code == 404
        assert program("DELETE", f"{path}/{gone}").status_code == 404
    assert program("GET", f"workspaces/{workspace.pk}").json()["documentCount"] == 1
    client.force_login(editor)
    assert "pumps.example" not in client.get(reverse("workspace", args=[workspace.pk])).content.decode()
    assert client.get(reverse("document", args=[workspace.pk, page.pk])).status_code == 404
    client.force_login(factories.operator())
    for name in ("documents_document", "documents_source"):
        assert "pumps.example" not in client.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert "pumps.example" in client.get(reverse("admin:accounts_deletion_changelist")).content.decode()


def test_the_page_says_that_the_rest_goes_on_in_the_background(workspace, site, client):
    client.force_login(factories.member(workspace, Role.EDITOR))
    reply = client.post(reverse("document-delete", args=[workspace.pk, site.pk]), follow=True)
    assert "goes on in the background" in reply.content.decode()


def test_no_worker_visits_reads_or_indexes_it_any_more(api, workspace, site):
    waiting = factories.document(workspace, kind="page", parent=site, url=f"{HOME}new", status="pending")
    api(factories.member(workspace, Role.EDITOR))("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    assert list(start_due_visits()) == []
    assert not overdue_visits().exists()
    recover()
    assert Document.every.get(pk=waiting.pk).queued_at is None


def test_it_is_deleted_in_parts_with_progress_and_little_memory(api, workspace, site, settings, monkeypatch):
    manager = factories.member(workspace, Role.MANAGER)
    asked = factories.answer(
        factories.session(manager), workspace=workspace, passages=[{"document": site.children.first()}]
    )
    api(manager)("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    row = Deletion.objects.get()
    monkeypatch.setattr(deletion, "_TURN_S", 0)  # each turn ends after one part
    continue_deletion(row.pk)
    row.refresh_from_db()
    assert (row.name, row.total) == ("pumps.example", 1 + 1 + PAGES * (1 + SECTIONS + 1))
    assert 0 < row.done < row.total
    monkeypatch.undo()
    tracemalloc.start()
    try:
        finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000, f"{peak:,} bytes"
    row.refresh_from_db()
    assert (row.done, row.error) == (row.total, "")
    assert [each.title for each in Document.every.all()] == ["manual.txt"]
    assert (Source.every.count(), Address.objects.count()) == (0, 0)
    assert Section.every.count() == SECTIONS
    assert list(chunks_of(workspace).values()) == [1]
    assert not [each for each in Path(settings.MEDIA_ROOT).rglob("*") if each.is_file()]
    assert AnswerPassage.objects.get(answer=asked).document is None
    assert AuditEvent.objects.filter(action="document.delete", subject="pumps.example").count() == 1
    counted = Workspace.objects.get(pk=workspace.pk)
    assert (counted.document_count, counted.chunk_count, counted.size_bytes) == (1, 1, 9)


def test_a_check_meanwhile_finds_nothing_wrong(api, workspace, site):
    Document.objects.filter(parent=site).update(file="")  # their files were written a moment ago
    api(factories.member(workspace, Role.EDITOR))("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    assert not reconciled()
    finish()
    assert not reconciled()


def test_the_same_website_can_be_added_again_at_once(api, workspace, site):
    editor = factories.member(workspace, Role.EDITOR)
    api(editor)("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    again = add_website(workspace, editor, HOME, ask_worker=False)
    assert again.pk != site.pk
    finish()
    assert set(Document.every.filter(parent=None).values_list("title", flat=True)) == {
        "manual.txt",
        "pumps.example",
    }


def test_its_workspace_can_be_deleted_meanwhile(api, workspace, site):
    manager = api(factories.member(workspace, Role.MANAGER))
    manager("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    manager("DELETE", f"workspaces/{workspace.pk}")
    finish()
    assert not Document.every.exists()


def test_a_user_below_its_level_still_sees_nothing_of_it_in_old_answers(api, workspace, site):
    Workspace.objects.filter(pk=workspace.pk).update(access_levels=["all", "board"])
    Document.objects.filter(parent=site).update(access_level=1)
    reader = factories.member(workspace)
    page = site.children.first()
    old = factories.answer(
        factories.session(reader), workspace=workspace, text="Secret [1].", passages=[{"document": page}]
    )
    api(factories.member(workspace, Role.MANAGER))("DELETE", f"workspaces/{workspace.pk}/documents/{site.pk}")
    assert "Secret" not in str(api(reader)("GET", f"sessions/{old.turn.session_id}").json())
