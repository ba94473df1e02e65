import pytest

from models_registry.models import Endpoint
from tests import factories
from tests.api.test_documents import searchable as searchable
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program(api):
    return api(factories.user())


@pytest.fixture
def cross(container) -> Endpoint:
    return factories.chat_endpoint(
        name="cross",
        kind=Endpoint.Kind.RERANKER,
        provider="container",
        options={"url": container},
    )


def test_a_matrix_of_each_model(program, server):
    factories.embedder(name="mini", base_url=server.base_url)
    factories.embedder(name="down")
    asked = {"texts": ["one two", "one two", "three"], "models": ["mini", "down"]}
    mini, down = program("POST", "laboratory/embeddings", asked).json()["results"]
    assert (mini["model"], mini["dimensions"], mini["error"]) == ("mini", 384, "")
    assert [[round(each, 6) for each in row[:2]] for row in mini["matrix"]] == [[1, 1], [1, 1], [0, 0]]
    assert (down["dimensions"], down["matrix"]) == (None, None)
    assert down["error"]


def test_a_ranking_of_each_model(program, cross):
    asked = {"query": "blue sky", "passages": ["a red sea", "the blue sky"], "models": ["cross"]}
    [result] = program("POST", "laboratory/ranking", asked).json()["results"]
    assert result["ranking"] == [
        {"rank": 1, "number": 2, "score": 2.0},
        {"rank": 2, "number": 1, "score": 0.0},
    ]


def test_two_ways_of_searching(api, searchable: Workspace, cross):
    program = api(factories.member(searchable))
    ways = [{}, {"isHybrid": False, "reranker": "cross", "mostPerDocument": 1}]
    asked = {
        "workspaceId": str(searchable.pk),
        "query": "outlet pressure of the pump",
        "configurations": ways,
    }
    one, other = program("POST", "laboratory/search", asked).json()["results"]
    assert {leg["name"] for leg in one["legs"]} == {"dense", "lexical"}
    assert {leg["name"] for leg in other["legs"]} == {"dense", "rerank"}
    assert one["passages"][0]["passage"]["number"] == 1
    assert one["passages"][0]["other"] == 1
    kept = program("GET", f"searches/{other['id']}").json()["trace"]["circumstances"]["config"]
    assert (kept["is_hybrid"], kept["reranker"], kept["most_per_document"]) == (False, "cross", 1)


def test_both_ways_keep_to_the_filter(api, searchable: Workspace):
    program, ways = api(factories.member(searchable)), [{}, {"isHybrid": False}]
    asked = {
        "workspaceId": str(searchable.pk),
        "query": "outlet pressure of the pump",
        "configurations": ways,
    }
    filters = {"added": {"to": "2000-01-01"}}
    results = program("POST", "laboratory/search", asked | {"filters": filters}).json()["results"]
    assert [each["passages"] for each in results] == [[], []]
    wrong = program("POST", "laboratory/search", asked | {"filters": {"added": "soon"}})
    assert (wrong.status_code, wrong.json()) == (
        400,
        {"filters": ["added must be a date, such as 2024-01-31."]},
    )


def test_nobody_searches_elsewhere(program, searchable: Workspace):
    asked = {"workspaceId": str(searchable.pk), "query": "x", "configurations": [{}, {}]}
    assert program("POST", "laboratory/search", asked).status_code == 404


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("embeddings", {"texts": ["a"], "models": ["mini"]}, "texts"),
        ("embeddings", {"texts": ["a"] * 13, "models": ["mini"]}, "texts"),
        ("embeddings", {"texts": ["a", "x" * 4001], "models": ["mini"]}, "texts"),
        ("embeddings", {"texts": ["a", "b"], "models": ["mini"] * 5}, "models"),
        ("embeddings", {"texts": ["a", "b"], "models": ["nobody"]}, "models"),
        ("ranking", {"query": "a", "passages": ["b"], "models": ["mini"]}, "passages"),
        ("search", {"query": "a", "configurations": [{}]}, "configurations"),
        ("search", {"query": "a", "configurations": [{"isHybird": True}, {}]}, "configurations"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(program, path, asked, field):
    factories.embedder(name="mini")
    response = program("POST", f"laboratory/{path}", asked)
    assert response.status_code == 400
    assert field in response.json()
