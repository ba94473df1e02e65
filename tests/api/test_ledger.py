"""Dead letters, the next index, and how ingestion stands, over REST."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from documents.models import Document
from tests import factories
from workspaces.models import Reindex, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    made = factories.workspace(chunk_size=1000, chunk_overlap=100)
    factories.document(made, chunk_count=5, character_count=4500, ready_at=timezone.now())
    return made


@pytest.fixture
def manager(api, workspace):
    return api(factories.member(workspace, Role.MANAGER))


@pytest.fixture
def editor(api, workspace):
    return api(factories.member(workspace, Role.EDITOR))


# --- the next index -----------------------------------------------------------------------------


def test_the_estimate_is_for_the_settings_in_the_query(manager, workspace):
    address = f"workspaces/{workspace.pk}/reindex"
    as_it_is = manager("GET", address).json()
    assert as_it_is["building"] is None
    assert (as_it_is["estimate"]["documents"], as_it_is["estimate"]["tokens"]) == (1, 0)
    shorter = manager("GET", f"{address}?chunkSize=500&chunkOverlap=50&languages=de&languages=en").json()
    assert (shorter["estimate"]["chunks"], shorter["estimate"]["tokens"]) == (10, 1250)


def test_an_index_is_begun_followed_and_cancelled(manager, workspace):
    address = f"workspaces/{workspace.pk}/reindex"
    begun = manager("POST", address, {"chunkSize": 500})
    assert begun.status_code == 202
    assert begun.json()["progress"] == {
        "total": 1, "done": 0, "failed": 0, "percent": 0, "waitsForPeople": False,
    }  # fmt: skip
    assert manager("GET", address).json()["building"]["chunkSize"] == 500
    again = manager("POST", address, {"chunkSize": 400})
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
    assert manager("DELETE", address).status_code == 204
    assert manager("DELETE", address).status_code == 404
    workspace.refresh_from_db()
    assert workspace.chunk_size == 1000


def test_what_becomes_of_failed_documents_is_said_with_patch(manager, workspace):
    address = f"workspaces/{workspace.pk}/reindex"
    assert manager("PATCH", address, {"mayLose": True}).status_code == 404
    manager("POST", address, {"metric": "l2"})
    Reindex.objects.get().items.update(status="failed", error="It is damaged.")
    assert manager("GET", address).json()["building"]["progress"]["waitsForPeople"]
    assert manager("PATCH", address, {"retryFailed": True}).json()["progress"]["failed"] == 0
    Reindex.objects.get().items.update(status="failed", error="It is damaged.")
    assert manager("PATCH", address, {"mayLose": True}).status_code == 200
    workspace.refresh_from_db()
    assert (workspace.metric, workspace.documents.get().error) == ("l2", "It is damaged.")


@pytest.mark.parametrize(
    ("body", "field"),
    [({"chunkSize": 5}, "chunkSize"), ({"chunk_size": 500}, "chunk_size"), ({"metric": "far"}, "metric")],
    ids=["too small", "unknown", "no such metric"],
)
def test_settings_that_make_no_sense_are_refused_by_name(manager, workspace, body, field):
    response = manager("POST", f"workspaces/{workspace.pk}/reindex", body)
    assert response.status_code == 400
    assert list(response.json()) == [field]


def test_only_managers_build_an_index(editor, workspace):
    assert editor("POST", f"workspaces/{workspace.pk}/reindex", {}).status_code == 404


# --- dead letters -------------------------------------------------------------------------------


@pytest.fixture
def failed(workspace):
    return [
        factories.document(workspace, status="failed", stage="extract", error=f"Reason {number}.")
        for number in range(3)
    ]


def test_dead_letters_are_listed_with_their_reasons(editor, workspace, failed):
    rows = editor("GET", f"workspaces/{workspace.pk}/dead-letters").json()["results"]
    assert {row["error"] for row in rows} == {"Reason 0.", "Reason 1.", "Reason 2."}


def test_one_or_all_are_replayed_and_nothing_else(editor, workspace, failed):
    address = f"workspaces/{workspace.pk}/dead-letters/replay"
    ready = workspace.documents.get(status="ready")
    assert editor("POST", address, {"ids": [str(failed[0].pk), str(ready.pk)]}).json() == {"count": 1}
    assert workspace.documents.filter(status="pending").get() == failed[0]
    assert editor("POST", address, {"all": True}).json() == {"count": 2}
    assert editor("POST", address, {"all": True}).json() == {"count": 0}


def test_discarding_deletes_only_what_failed(editor, workspace, failed):
    address = f"workspaces/{workspace.pk}/dead-letters/discard"
    assert editor("POST", address, {"ids": [str(uuid4())]}).json() == {"count": 0}
    assert editor("POST", address, {"all": True}).json() == {"count": 3}
    assert workspace.documents.get().status == "ready"


def test_to_say_neither_which_nor_all_is_refused(editor, workspace, failed):
    response = editor("POST", f"workspaces/{workspace.pk}/dead-letters/discard", {})
    assert (response.status_code, list(response.json())) == (400, ["ids"])


# --- as a whole ---------------------------------------------------------------------------------


def test_operators_see_what_is_stuck_and_everybody_how_many(api, editor, workspace, client):
    factories.document(workspace, status="pending", next_attempt_at=timezone.now() - timedelta(minutes=5))
    assert client.get("/api/v1/health").json()["stuck"] == 1
    assert editor("GET", "ingestion").status_code == 403
    seen = api(factories.operator())("GET", "ingestion").json()
    assert (seen["stuck"], seen["ready"], seen["waiting"]) == (1, 1, 0)
    [alarm] = seen["alarms"]
    assert (alarm["kind"], alarm["count"]) == ("unattended", 1)
    assert "No worker is active." in alarm["sentence"]
    assert Document.objects.count() == 2
