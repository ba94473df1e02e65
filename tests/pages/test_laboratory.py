"""The laboratory: two ways of searching, embeddings and cross-encoders side by side."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from documents.models import Document, Search
from inference.connect import open_embedder
from models_registry.models import Endpoint
from tests import factories
from tests.fakes import model_container
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Workspace

from .conftest import log_in, text_of

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
TEXTS = [
    "Annual leave may be carried over until March.",
    "The pump shows ERR_42 above six bar.",
    "Leave the pump alone.",
]


@pytest.fixture
def container() -> Iterator[str]:
    with model_container.running_in_thread() as url:
        yield url


@pytest.fixture
def reranker(container) -> Endpoint:
    return cross_encoder("cross", container)


def cross_encoder(name: str, url: str) -> Endpoint:
    return factories.chat_endpoint(
        name=name, kind=Endpoint.Kind.RERANKER, provider="sagemaker_contract", options={"url": url}
    )


@pytest.fixture
def workspace(server) -> Workspace:
    embedder = factories.embedder(name="mini", base_url=server.base_url, dimensions=384)
    workspace = factories.workspace(name="Handbook", embedder=embedder)
    for number, text in enumerate(TEXTS):
        put(workspace, f"doc {number}", text)
    return workspace


def put(workspace: Workspace, title: str, text: str) -> Document:
    document = factories.document(workspace, title=title)
    factories.section(document, text)

    async def embed() -> list[list[float]]:
        async with open_embedder(workspace.embedder.spec()) as embedder:
            return await embedder.embed([text], "passage")

    engine = engine_for(workspace)
    engine.stage(document.id, [NewChunk(0, text, text.encode(), 0, 0, len(text), "en")], asyncio.run(embed()))
    engine.publish(document.id, 1)
    return document


@pytest.fixture
def view(as_user, workspace):
    return as_user(factories.member(workspace))


# --- searching in two ways -----------------------------------------------------------------------


def search(client, workspace: Workspace, question: str = "leave the pump alone", **asked: str):
    asked = {"workspace": str(workspace.pk), "q": question} | {
        name.replace("__", "-"): value for name, value in asked.items()
    }
    return client.get("/laboratory/search/", asked, headers=HTMX)


def test_two_ways_stand_side_by_side_and_both_are_kept(view, workspace, reranker):
    part = text_of(search(view, workspace, "pump leave", b__reranker=str(reranker.pk), b__is_hybrid="off"))
    assert "Way A" in part
    assert "Way B" in part
    assert "read again 2.000" in part
    first, second = Search.objects.order_by("created_at")
    assert first.trace["circumstances"]["config"]["is_hybrid"] is True
    assert (
        second.trace["circumstances"]["config"] | {"is_hybrid": False, "reranker": "cross"}
        == (second.trace["circumstances"]["config"])
    )
    assert f"/searches/{second.pk}/" in part


def test_a_passage_that_stands_elsewhere_says_so(view, workspace, reranker):
    """The cross-encoder counts common words, so it prefers another one than the two legs do."""
    long = put(workspace, "long", "What to know of leave and pump and bar and March: " + "other words " * 40)
    part = text_of(search(view, workspace, "leave pump bar March", b__reranker=str(reranker.pk)))
    assert long.title in part
    assert " higher" in part
    assert " lower" in part


def test_the_same_twice_says_so(view, workspace):
    part = text_of(search(view, workspace))
    assert "Both ways are the same" in part
    assert "higher" not in part


def test_one_way_that_fails_hides_not_the_other(view, workspace, server):
    server.behaviour.status = 500
    part = text_of(search(view, workspace, a__is_hybrid="on", b__is_hybrid="off"))
    assert part.count("This search could not be done.") == 1
    assert "doc 2" in part


@pytest.mark.parametrize(
    ("field", "value"), [("a__reranker", "nobody"), ("b__most_per_document", "-1"), ("a__is_hybrid", "'; --")]
)
def test_a_way_that_cannot_be_is_refused_in_words(view, workspace, field, value):
    part = text_of(search(view, workspace, **{field: value}))
    assert 'role="alert"' in part
    assert not Search.objects.exists()


def test_nobody_searches_elsewhere(as_user, workspace):
    part = text_of(search(as_user(factories.user()), workspace))
    assert 'role="alert"' in part or "no workspace to search" in part
    assert not Search.objects.exists()


# --- embeddings ----------------------------------------------------------------------------------


def embeddings(client, *models: Endpoint, **asked: str):
    asked = {"texts": "one two\none two\nthree", "metric": "cosine", "role": "passage"} | asked
    return client.post(
        "/laboratory/embeddings/", asked | {"models": [each.pk for each in models]}, headers=HTMX
    )


def test_each_model_has_a_heat_map_with_its_numbers(view, workspace, container):
    other = factories.embedder(
        name="other", provider="sagemaker_contract", options={"url": container}, dimensions=8
    )
    part = text_of(embeddings(view, workspace.embedder, other))
    for words in ("mini", "384 dimensions", "other", "8 dimensions", ">1.00<", 'class="heat-10"', "tokens"):
        assert words in part
    assert part.count("<table") == 2


def test_of_euclidean_distance_less_is_warmer(view, workspace):
    part = text_of(embeddings(view, workspace.embedder, metric="l2"))
    assert '<td class="heat-10">0.00</td>' in part
    assert '<td class="heat-0">1.41</td>' in part


def test_a_model_that_fails_hides_no_other(view, workspace):
    down = factories.embedder(name="down")
    part = text_of(embeddings(view, workspace.embedder, down))
    assert "384 dimensions" in part
    assert part.count("notice is-bad") == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"texts": "only one"}, "Write 2 to 12 texts; there are 1."),
        ({"texts": "\n".join("abcdefghijklmn")}, "Write 2 to 12 texts; there are 14."),
        ({"texts": f"short\n{'x' * 4001}"}, "One has 4,001 characters."),
        ({"metric": "other"}, "Select a valid choice."),
    ],
    ids=["one", "many", "long", "metric"],
)
def test_what_is_too_much_or_too_little_is_refused_in_words(view, workspace, server, asked, sentence):
    server.requests.clear()
    assert sentence in text_of(embeddings(view, workspace.embedder, **asked))
    assert not server.requests


def test_a_model_that_is_not_offered_cannot_be_chosen(view, workspace):
    off = factories.embedder(name="off", is_enabled=False)
    part = text_of(embeddings(view, off))
    assert 'role="alert"' in part
    assert "off" not in text_of(view.get("/laboratory/embeddings/")).split("<form")[1].split("</form>")[0]


def test_at_most_four_models_are_asked(view, workspace):
    part = text_of(embeddings(view, *(factories.embedder() for _ in range(5))))
    assert "Choose at most 4 models." in part


# --- cross-encoders ------------------------------------------------------------------------------


def ranking(client, *models: Endpoint, **asked: str):
    asked = {"question": "blue sky", "passages": "a red sea\n\nthe blue sky\n\n\nblue <b>x</b>"} | asked
    return client.post("/laboratory/ranking/", asked | {"models": [each.pk for each in models]}, headers=HTMX)


def test_passages_are_sorted_by_each_model(view, reranker):
    part = ranking(view, reranker).content.decode()
    assert part.index("the blue sky") < part.index("blue &lt;b&gt;x") < part.index("a red sea")
    assert "2.000" in part
    assert "was 2" in part


def test_a_cross_encoder_that_fails_hides_no_other(view, reranker):
    part = text_of(ranking(view, reranker, cross_encoder("down", "http://127.0.0.1:9")))
    assert part.count("notice is-bad") == 1
    assert "the blue sky" in part


def test_without_models_the_pages_say_who_adds_one(as_user):
    client = as_user(factories.user())
    assert "There is no cross-encoder yet" in text_of(client.get("/laboratory/ranking/"))
    assert "There is no embedding model yet" in text_of(client.get("/laboratory/embeddings/"))
    assert "There is no workspace to search yet" in text_of(client.get("/laboratory/search/"))


def test_the_laboratory_works_in_the_browser(workspace, reranker, page: Page) -> None:
    log_in(page, factories.member(workspace))
    page.goto("/workspaces/")
    page.get_by_role("link", name="Laboratory").click()
    page.get_by_label("Question").fill("leave the pump alone")
    page.get_by_label("Find by words too").last.select_option("No, by meaning only")
    page.get_by_role("button", name="Search in both ways").click()
    expect(page.get_by_role("heading", name="Way B")).to_be_visible()
    page.get_by_role("link", name="Why these passages?").first.click()
    expect(page.get_by_role("heading", name="Why these passages?")).to_be_visible()
    expect(page.get_by_text("In the prompt as [1]")).to_be_visible()
    page.goto("/laboratory/embeddings/")
    page.get_by_role("textbox", name="Texts").fill("one\ntwo\none")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("cell", name="1.00").first).to_be_visible()
    page.goto("/laboratory/ranking/")
    page.get_by_label("Question").fill("blue sky")
    page.get_by_label("Passages").fill("a red sea\n\nthe blue sky")
    page.get_by_role("button", name="Rank").click()
    expect(page.get_by_role("listitem").first).to_contain_text("the blue sky")
