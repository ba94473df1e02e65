"""The vector index of a workspace, on its manager's page and over REST."""

import pytest
from django.utils import timezone

from accounts.identity.api_key import issue
from tests import factories
from tests.pages.conftest import text_of
from workspaces.models import IndexKind, Role, VectorIndex, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace()


@pytest.fixture
def manage(as_user, workspace):
    return as_user(factories.member(workspace, Role.MANAGER))


def row(workspace: Workspace, **fields) -> VectorIndex:
    return VectorIndex.objects.create(workspace=workspace, index_number=0, **fields)


def test_without_an_index_the_page_says_that_every_passage_is_compared(manage, workspace):
    page = text_of(manage.get(f"/workspaces/{workspace.pk}/index/"))
    assert "None: each question is compared with every passage" in page
    assert "now: As suits the size" in page


def test_another_kind_is_chosen_and_nothing_is_read_again(manage, workspace):
    manage.post(f"/workspaces/{workspace.pk}/vector-index/", {"index_kind": "ivfflat"})
    assert Workspace.objects.get().index_kind == IndexKind.IVFFLAT
    assert not workspace.reindexes.exists()


def test_a_kind_that_there_is_not_is_refused(manage, workspace):
    page = text_of(
        manage.post(f"/workspaces/{workspace.pk}/vector-index/", {"index_kind": "magic"}, follow=True)
    )
    assert "Nothing was saved: choose one of the kinds." in page
    assert Workspace.objects.get().index_kind == IndexKind.AUTO


def test_only_managers_see_and_change_it(as_user, workspace):
    editor = as_user(factories.member(workspace, Role.EDITOR))
    assert editor.get(f"/workspaces/{workspace.pk}/vector-index/").status_code == 404
    assert editor.post(f"/workspaces/{workspace.pk}/vector-index/", {"index_kind": "hnsw"}).status_code == 404


def test_the_part_asks_again_only_while_a_worker_is_at_it(manage, workspace):
    made = row(workspace, status=VectorIndex.Status.WORKING)
    address = f"/workspaces/{workspace.pk}/vector-index/"
    assert "hx-get" in text_of(manage.get(address))
    made.status = VectorIndex.Status.WAITING
    made.save()
    assert "hx-get" not in text_of(manage.get(address))


def test_what_failed_is_said_and_tried_again(manage, workspace):
    row(workspace, status=VectorIndex.Status.FAILED, attempt=5, error="PostgreSQL says: disk full")
    page = text_of(manage.get(f"/workspaces/{workspace.pk}/index/"))
    assert "PostgreSQL says: disk full" in page
    assert "It was tried 5 times" in page
    manage.post(f"/workspaces/{workspace.pk}/vector-index/", {"again": "1"})
    assert VectorIndex.objects.get().status == VectorIndex.Status.WAITING


def test_the_api_says_how_it_stands_and_takes_another_kind(client, workspace):
    manager = factories.member(workspace, Role.MANAGER)
    headers = {"authorization": f"Bearer {issue(manager, 'test')[1]}"}
    address = f"/api/v1/workspaces/{workspace.pk}"
    changed = client.patch(
        address, {"indexKind": "exact"}, content_type="application/json", headers=headers
    ).json()
    assert changed["indexKind"] == "exact"
    row(workspace, recall=0.994, breadth=60, measured_at=timezone.now())
    found = client.get(f"{address}/vector-index", headers=headers).json()
    assert found == {
        "chosen": "exact", "standing": None, "progress": None, "recall": 0.994, "breadth": 60, "status": "waiting",
        "error": "",
    }  # fmt: skip
    VectorIndex.objects.update(status=VectorIndex.Status.FAILED)
    assert client.post(f"{address}/vector-index", headers=headers).json()["status"] == "waiting"
