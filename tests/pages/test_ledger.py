"""The pages of a reindex, of alarms, and of dead letters."""

from datetime import timedelta

import pytest
from django.utils import timezone

from documents.reindex import service as reindex
from tests import factories
from tests.pages.conftest import text_of
from workspaces.models import Reindex, Role, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    made = factories.workspace(chunk_size=1000, chunk_overlap=100)
    factories.document(made, title="book.pdf", chunk_count=5, character_count=4500, ready_at=timezone.now())
    return made


@pytest.fixture
def manage(as_user, workspace):
    return as_user(factories.member(workspace, Role.MANAGER))


@pytest.fixture
def view(as_user, workspace):
    return as_user(factories.member(workspace, Role.VIEWER))


def test_settings_that_need_a_new_index_show_first_what_it_takes(manage, workspace):
    fields = {
        "name": "Renamed", "languages": ["en"], "parser": "fast", "chunk_size": "500", "chunk_overlap": "50",
        "is_hybrid": "on", "chunking": "recursive",
    }  # fmt: skip
    answer = manage.post(f"/workspaces/{workspace.pk}/settings/", fields)
    assert "chunk_size=500" in answer.url
    saved = Workspace.objects.get(pk=workspace.pk)
    assert (saved.name, saved.chunk_size) == ("Renamed", 1000)
    page = text_of(manage.get(answer.url))
    assert "Read 1 document again?" in page
    assert "embeds about 10 passages, 1,250 tokens, for free" in page
    assert "Search uses the old index until then" in page
    assert not Reindex.objects.exists()


def test_the_page_that_watched_an_index_being_built_is_told_when_it_answers(view, workspace):
    strip = f"/workspaces/{workspace.pk}/strip/"
    assert "The new index is complete." not in text_of(view.get(strip))
    reindex.start(workspace, None, chunk_size=500)
    Reindex.objects.update(status=Reindex.Status.DONE, ended_at=timezone.now(), number=workspace.index_number)
    assert "The new index is complete." in text_of(view.get(strip))
    assert "The new index is complete." not in text_of(view.get(f"/workspaces/{workspace.pk}/"))
    Reindex.objects.update(ended_at=timezone.now() - timedelta(hours=1))
    assert "The new index is complete." not in text_of(view.get(strip))


def test_an_index_is_started_shown_on_every_tab_and_cancelled(manage, view, workspace):
    address = f"/workspaces/{workspace.pk}/index/"
    assert manage.post(address, {"action": "start", "chunk_size": "500"}).status_code == 302
    assert Reindex.objects.get().chunk_size == 500
    for tab in ("", "settings/", "index/"):
        assert "A new index is being built: 0 of 1 document." in text_of(
            manage.get(f"/workspaces/{workspace.pk}/{tab}")
        )
    strip = text_of(view.get(f"/workspaces/{workspace.pk}/strip/"))
    assert "0 of 1 document" in strip
    assert "Cancel" not in strip
    manage.post(address, {"action": "cancel"})
    assert not Reindex.objects.exists()
    assert "being built" not in text_of(view.get(f"/workspaces/{workspace.pk}/strip/"))


def test_documents_that_failed_for_it_wait_for_a_decision(manage, workspace):
    reindex.start(workspace, None, metric="l2").items.update(status="failed", error="<b>It is damaged.</b>")
    address = f"/workspaces/{workspace.pk}/index/"
    page = manage.get(address).content.decode()
    assert "complete except for 1 document." in page
    assert "&lt;b&gt;It is damaged." in page
    manage.post(address, {"action": "retry"})
    assert Reindex.objects.get().items.get().status == "pending"
    Reindex.objects.get().items.update(status="failed", error="It is damaged.")
    manage.post(address, {"action": "accept"})
    assert workspace.documents.get().error == "It is damaged."


def test_what_cannot_be_is_said_beside_the_field(manage, workspace):
    page = text_of(manage.get(f"/workspaces/{workspace.pk}/index/?chunk_size=50"))
    assert "Choose more than 100 and fewer than 10,000 characters." in page
    assert "again?" not in page
    page = text_of(manage.post(f"/workspaces/{workspace.pk}/index/", {"action": "start", "chunk_size": "50"}))
    assert "Choose more than 100" in page
    assert not Reindex.objects.exists()


def test_only_managers_decide_on_the_index(view, workspace):
    assert view.get(f"/workspaces/{workspace.pk}/index/").status_code == 404


def test_what_is_stuck_is_said_above_the_documents_with_what_to_do(view, workspace):
    assert "is stuck" not in text_of(view.get(f"/workspaces/{workspace.pk}/"))
    factories.document(workspace, status="pending", next_attempt_at=timezone.now() - timedelta(minutes=5))
    page = text_of(view.get(f"/workspaces/{workspace.pk}/"))
    assert "Something is stuck." in page
    assert "1 document waiting for a worker. No worker is active." in page


def test_selected_dead_letters_or_all_are_replayed(as_user, workspace):
    edit = as_user(factories.member(workspace, Role.EDITOR))
    failed = [factories.document(workspace, status="failed", error="Damaged.") for _ in range(3)]
    address = f"/workspaces/{workspace.pk}/documents/replay/"
    assert "Retry all" in text_of(edit.get(f"/workspaces/{workspace.pk}/?status=attention"))
    edit.post(address, {"document": [str(failed[0].pk), "nonsense"]})
    assert workspace.documents.get(status="pending") == failed[0]
    edit.post(address, {"all": "yes"})
    assert workspace.documents.filter(status="pending").count() == 3


def test_what_is_only_stuck_is_not_offered_to_be_retried(as_user, workspace):
    edit = as_user(factories.member(workspace, Role.EDITOR))
    lost = timezone.now() - timedelta(minutes=5)
    stuck = factories.document(workspace, title="lost.md", status="processing", lease_until=lost)
    for address in ("?status=attention", f"documents/{stuck.pk}/"):
        page = text_of(edit.get(f"/workspaces/{workspace.pk}/{address}"))
        assert ("lost.md" in page, "continues as soon as one runs" in page, "Retry" in page) == (
            True,
            True,
            False,
        )
