import pytest

from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(api):
    return api(factories.user())


def reranker(container, **fields):
    fields.setdefault("name", "cross")
    return factories.chat_endpoint(
        kind=Endpoint.Kind.RERANKER, provider="container", options={"url": container}, **fields
    )


@pytest.mark.parametrize(
    ("path", "make"),
    [("llms", factories.chat_endpoint), ("embeddings", factories.embedder)],
)
def test_the_models_on_offer_are_listed_in_order_without_their_secrets(program, path, make):
    make(name="second", rank=9)
    make(name="first", rank=1, secret_ref="env:KEY_PLACE", last_check_ok=None)
    make(name="off", is_enabled=False)
    response = program("GET", path)
    assert [row["name"] for row in response.json()["results"]] == ["first", "second"]
    assert response.json()["results"][0]["isWell"] is None
    assert "KEY_PLACE" not in response.content.decode()
    assert "127.0.0.1" not in response.content.decode()


def test_texts_are_embedded_in_order(program, server):
    factories.embedder(name="mini", base_url=server.base_url)
    reply = program("POST", "embeddings", {"texts": ["one", "two", "one"]}).json()
    assert (reply["model"], reply["dimensions"], len(reply["vectors"])) == ("mini", 384, 3)
    assert reply["vectors"][0] == reply["vectors"][2] != reply["vectors"][1]


def test_a_model_is_chosen_by_its_name_or_its_id(program, server):
    factories.embedder(name="first", rank=1, base_url=server.base_url)
    other = factories.embedder(name="other", base_url=server.base_url)
    for name in ("other", str(other.pk)):
        reply = program("POST", "embeddings", {"texts": ["x"], "model": name}).json()
        assert reply["model"] == "other"


def test_passages_are_scored(program, container):
    reranker(container)
    reply = program(
        "POST", "cross-encoders", {"query": "blue sky", "passages": ["a red sea", "the blue sky"]}
    )
    assert reply.json() == {"model": "cross", "scores": [0.0, 2.0]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["x"] * 65}, "texts"),
        ({"texts": ["x" * 20_001]}, "texts"),
        ({"texts": ["x"], "role": "other"}, "role"),
        ({"texts": ["x"], "model": "nobody"}, "model"),
        ({"texts": ["x"], "normalise": True}, "normalise"),
    ],
)
def test_a_request_that_cannot_be_is_refused_beside_its_field(program, body, field):
    factories.embedder()
    response = program("POST", "embeddings", body)
    assert response.status_code == 400
    assert set(response.json()) == {field}


def test_a_model_that_is_down_is_503_in_words(program):
    factories.embedder()
    response = program("POST", "embeddings", {"texts": ["x"]})
    assert response.status_code == 503
    assert "Nothing answers at 127.0.0.1:9" in response.json()["detail"]


def test_a_key_that_is_missing_is_503_and_names_its_place(program, server):
    factories.embedder(base_url=server.base_url, secret_ref="env:RAGSITE_NO_SUCH_KEY")
    response = program("POST", "embeddings", {"texts": ["x"]})
    assert response.status_code == 503


def test_without_any_model_it_says_who_can_help(program):
    response = program("POST", "cross-encoders", {"query": "x", "passages": ["y"]})
    assert response.status_code == 404
    assert "operator" in response.json()["detail"]
