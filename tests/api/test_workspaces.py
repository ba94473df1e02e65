import uuid

import pytest
from django.contrib.auth.models import Permission

from tests import factories
from workspaces.models import Membership, Role, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def creator(api):
    user = factories.user()
    user.user_permissions.add(Permission.objects.get(codename="add_workspace"))
    return api(user)


@pytest.fixture
def embedder(server):
    return factories.embedder(name="mini", base_url=server.base_url, dimensions=384)


def wanted(**changes):
    return {"name": "Handbook", "languages": ["en", "de"]} | changes


def test_a_workspace_is_made_with_its_defaults_and_you_manage_it(creator, embedder):
    response = creator("POST", "workspaces", wanted())
    assert response.status_code == 201
    made = response.json()
    assert (made["name"], made["role"], made["dimensions"]) == ("Handbook", "manager", 384)
    assert made["embedder"] == {"id": str(embedder.pk), "name": "mini"}
    assert made["reranker"] is None
    assert creator("GET", f"workspaces/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"languages": []}, "languages"),
        ({"languages": ["en", "de", "fr", "es"]}, "languages"),
        ({"languages": ["en", "en"]}, "languages"),
        ({"languages": ["klingon"]}, "languages"),
        ({"chunkSize": 100}, "chunkSize"),
        ({"chunkSize": 10_000}, "chunkSize"),
        ({"chunkSize": 500, "chunkOverlap": 500}, "chunkOverlap"),
        ({"embedder": "nobody"}, "embedder"),
        ({"reranker": "nobody"}, "reranker"),
        ({"metric": "taxi"}, "metric"),
        ({"engine": "paper"}, "engine"),
        ({"parser": "eyes"}, "parser"),
        ({"documentCount": 5}, "documentCount"),
    ],
)
def test_a_workspace_that_cannot_be_is_refused_beside_its_field(creator, embedder, change, field):
    response = creator("POST", "workspaces", wanted(**change))
    assert response.status_code == 400
    assert field in response.json()
    assert not Workspace.objects.exists()


def test_an_embedder_that_is_down_is_refused_before_anything_is_made(creator):
    factories.embedder(name="down")
    response = creator("POST", "workspaces", wanted())
    assert response.status_code == 400
    assert "is not answering right now" in response.json()["embedder"][0]
    assert not Workspace.objects.exists()


def test_a_name_that_is_taken_is_refused(creator, embedder):
    creator("POST", "workspaces", wanted())
    assert "name" in creator("POST", "workspaces", wanted()).json()


def test_who_may_not_create_is_told_whom_to_ask(api, embedder):
    response = api(factories.user())("POST", "workspaces", wanted())
    assert response.status_code == 403
    assert "operator" in response.json()["detail"]


def test_without_an_embedder_it_says_so(creator):
    assert "operator" in creator("POST", "workspaces", wanted()).json()["embedder"][0]


def test_only_your_workspaces_are_listed_each_with_your_role(api):
    mine, _other = factories.workspace(), factories.workspace()
    user = factories.member(mine, Role.EDITOR)
    rows = api(user)("GET", "workspaces").json()["results"]
    assert [(row["id"], row["role"]) for row in rows] == [(str(mine.pk), "editor")]


def test_an_operator_sees_them_all_as_manager(api):
    factories.workspace(), factories.workspace()
    rows = api(factories.operator())("GET", "workspaces").json()["results"]
    assert [row["role"] for row in rows] == ["manager", "manager"]


def test_the_list_asks_as_many_queries_for_ten_as_for_one(api, django_assert_max_num_queries):
    user = factories.user()
    for _ in range(10):
        Membership.objects.create(workspace=factories.workspace(), user=user)
    program = api(user)
    with django_assert_max_num_queries(6):
        assert program("GET", "workspaces").json()["count"] == 10


def test_pages_are_asked_for_with_limit_and_offset(api):
    for name in "abc":
        factories.workspace(name=name)
    page = api(factories.operator())("GET", "workspaces?limit=1&offset=1").json()
    assert (page["count"], [row["name"] for row in page["results"]]) == (3, ["b"])


def test_no_page_is_longer_than_two_hundred(api):
    user = factories.user()
    for _ in range(201):
        factories.session(user)
    assert len(api(user)("GET", "sessions?limit=100000").json()["results"]) == 200


def test_a_manager_changes_what_may_change(api):
    workspace = factories.workspace()
    program = api(factories.member(workspace, Role.MANAGER))
    response = program(
        "PATCH", f"workspaces/{workspace.pk}", {"name": "New", "isHybrid": False, "chunkSize": 800}
    )
    assert response.status_code == 200
    workspace.refresh_from_db()
    assert (workspace.name, workspace.is_hybrid, workspace.chunk_size) == ("New", False, 800)


@pytest.mark.parametrize("fixed", ["embedder", "engine", "metric", "dimensions"])
def test_what_the_chunks_were_made_with_cannot_change(api, fixed):
    workspace = factories.workspace()
    program = api(factories.member(workspace, Role.MANAGER))
    response = program("PATCH", f"workspaces/{workspace.pk}", {fixed: "x"})
    assert response.status_code == 400
    assert set(response.json()) == {fixed}


def test_the_api_refuses_other_languages_and_search_by_words_goes_on(api):
    filled = factories.workspace()
    factories.document(filled)
    Workspace.objects.filter(pk=filled.pk).update(document_count=1)
    manager = factories.member(filled, Role.MANAGER)
    response = api(manager)("PATCH", f"workspaces/{filled.pk}", {"languages": ["fr"]})
    assert response.status_code == 400
    assert "Build a new index" in response.json()["languages"][0]
    assert Workspace.objects.get(pk=filled.pk).languages == ["en"]


def test_an_overlap_beyond_the_size_is_refused_when_only_one_of_them_changes(api):
    workspace = factories.workspace(chunk_size=1000, chunk_overlap=150)
    program = api(factories.member(workspace, Role.MANAGER))
    response = program("PATCH", f"workspaces/{workspace.pk}", {"chunkSize": 150})
    assert set(response.json()) == {"chunkOverlap"}


def test_a_manager_deletes_it(api):
    workspace = factories.workspace()
    program = api(factories.member(workspace, Role.MANAGER))
    assert program("DELETE", f"workspaces/{workspace.pk}").status_code == 204
    assert program("GET", f"workspaces/{workspace.pk}").status_code == 404
    assert not Workspace.objects.exists()


@pytest.mark.parametrize("path", ["workspaces/{}", "workspaces/{}/documents"])
def test_one_that_is_not_yours_and_one_that_is_not_there_look_alike(api, path):
    program = api(factories.user())
    replies = {
        (reply.status_code, reply.content)
        for reply in (program("GET", path.format(id)) for id in (factories.workspace().pk, uuid.uuid4()))
    }
    assert len(replies) == 1
    assert replies.pop()[0] == 404


def test_the_engines_are_named(api):
    rows = api(factories.user())("GET", "rag/engines").json()
    assert {"id": "pgvector", "name": "PostgreSQL (pgvector)"} in rows
