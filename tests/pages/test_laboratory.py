"""The laboratory compares two ways of searching, embedding models and cross-encoders."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from documents.fields import definitions as fields
from documents.fields.metadata import MetadataChange, parse_change, update_metadata
from documents.models import Document, Search
from inference.connect import open_embedder
from models_registry.models import Endpoint
from tests import factories
from tests.fakes import model_container
from workspaces.access_levels import name_levels
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Role, Workspace

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
        name=name, kind=Endpoint.Kind.RERANKER, provider="container", options={"url": url}
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
            return (await embedder.embed([text], "passage")).vectors

    engine = engine_for(workspace)
    engine.stage(document.id, [NewChunk(0, text, text.encode(), 0, 0, len(text))], asyncio.run(embed()))
    engine.publish(document.id, 1)
    return document


@pytest.fixture
def view(as_user, workspace):
    return as_user(factories.member(workspace))


# --- searching in two ways -----------------------------------------------------------------------


def search(client, workspace: Workspace, question: str = "leave the pump alone", /, **asked: str):
    asked = {"workspace": str(workspace.pk), "q": question} | {
        name.replace("__", "-"): value for name, value in asked.items()
    }
    return client.get("/laboratory/search/", asked, headers=HTMX)


def test_two_ways_stand_side_by_side_and_both_are_kept(view, workspace, reranker):
    part = text_of(search(view, workspace, "pump leave", b__reranker=str(reranker.pk), b__is_hybrid="off"))
    assert "Search A" in part
    assert "Search B" in part
    assert "reranked 2.000" in part
    first, second = Search.objects.order_by("created_at")
    assert first.trace["circumstances"]["config"]["is_hybrid"] is True
    assert (
        second.trace["circumstances"]["config"] | {"is_hybrid": False, "reranker": "cross"}
        == (second.trace["circumstances"]["config"])
    )
    assert f"/searches/{second.pk}/" in part


def test_a_passage_that_stands_elsewhere_says_so(view, workspace, reranker):
    """The cross-encoder counts common words, so it prefers another passage than the two legs."""
    long = put(workspace, "long", "What to know of leave and pump and bar and March: " + "other words " * 40)
    part = text_of(search(view, workspace, "leave pump bar March", b__reranker=str(reranker.pk)))
    assert long.title in part
    assert " higher" in part
    assert " lower" in part


def test_the_same_twice_says_so(view, workspace):
    part = text_of(search(view, workspace))
    assert "Both searches are the same" in part
    assert "higher" not in part


def test_one_way_that_fails_hides_not_the_other(view, workspace, server):
    server.behaviour.status = 500
    part = text_of(search(view, workspace, a__is_hybrid="on", b__is_hybrid="off"))
    assert part.count("This search failed.") == 1
    assert "doc 2" in part


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("a__reranker", "nobody", "Cross-encoder, search A:</strong> Choose one from the list."),
        ("b__most_per_document", "-1", "search B:</strong> Enter a number from 0 to 100."),
        ("b__most_per_document", "few", "search B:</strong> Enter a number from 0 to 100."),
        ("a__is_hybrid", "'; --", "Search by words too, search A:</strong> Choose one from the list."),
        ("q", " ", "Enter a question or a few words."),
        ("q", "a\0b", "Remove the NUL"),
        ("q", "x" * 20_001, "Shorten it to 20000 characters; it has 20001."),
        ("workspace", "nothing", "Workspace:</strong> Choose one from the list."),
        (
            "f.added.from",
            "soon",
            "This filter is invalid.</strong> added must be a date, such as 2024-01-31.",
        ),
        ("f.x'; --", "1", "This filter is invalid.</strong> There is no field"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(view, workspace, field, value, sentence):
    part = text_of(search(view, workspace, **{field: value}))
    assert 'role="alert"' in part
    assert sentence in part
    assert not Search.objects.exists()


# --- which documents ------------------------------------------------------------------------------


@pytest.fixture
def described(workspace) -> Workspace:
    """Create documents, each with its own number and department."""
    fields.declare(workspace, None, label="Number", type="number")
    fields.declare(workspace, None, label="Department", choices=["HR", "Legal", "Sales"])
    for number, department in enumerate(("HR", "Legal", "Sales")):
        document = workspace.documents.get(title=f"doc {number}")
        said = parse_change(workspace, None, {"number": number, "department": department})
        update_metadata(workspace, None, [document.pk], said)
    return workspace


def test_both_ways_keep_to_the_filter_and_can_be_searched_again_with_it(view, described):
    part = text_of(search(view, described, **{"f.department": "legal", "f.number.from": "1"}))
    assert part.count("doc 1") == 2
    assert "doc 0" not in part
    assert "doc 2" not in part
    for kept in Search.objects.all():
        assert kept.trace["circumstances"]["filters"] == ["department is legal", "number is at least 1"]
        again = text_of(view.get(f"/searches/{kept.pk}/"))
        assert "?q=leave+the+pump+alone&f.number.from=1&f.department=legal" in again


def test_the_filter_is_that_of_the_workspace_that_is_chosen(view, described):
    other = factories.workspace(name="Another")
    other.memberships.create(user=described.members.get())
    asked = {"workspace": str(described.pk), "q": "pump", "f.department": "legal"}
    shown = text_of(view.get("/laboratory/search/", asked))
    assert 'name="f.department" value="Legal" checked' in shown
    assert 'name="f.department" value="HR">' in shown
    place = "/laboratory/search/filters/"
    assert "f.number.from" in text_of(view.get(place, {"workspace": str(described.pk)}))
    for workspace in (other.pk, "nothing"):  # an unknown workspace means the first of the list
        assert "f.number.from" not in text_of(view.get(place, {"workspace": str(workspace)}))
    assert "f.number.from" not in text_of(view.get("/laboratory/search/", {"workspace": str(other.pk)}))


def test_a_member_finds_nothing_above_his_level_whoever_searched_before(as_user, described):
    """Not in two ways, not from other users' cached searches, and not in their old searches with a lower level."""
    name_levels(described, None, ["Everyone", "Board"])
    hidden = described.documents.get(title="doc 2")
    update_metadata(described, None, [hidden.pk], MetadataChange(access_level=1))
    user = factories.member(described)
    manager, member = as_user(factories.member(described, Role.MANAGER)), as_user(user)
    api = {"workspaceId": str(described.pk), "query": "leave the pump alone"}

    def found(client) -> list[str]:
        """Return what each view shows. Search twice, so that the second search can come from the cache."""
        doors = [lambda: search(client, described)]
        doors += [lambda: client.get(f"/workspaces/{described.pk}/search/", {"q": api["query"]})] * 2
        for path, more in (("laboratory/search", {"configurations": [{}, {}]}), ("semantic-search", {})):
            doors.append(partial(client.post, f"/api/v1/{path}", api | more, "application/json"))
        return [door().content.decode() for door in doors]

    def kept(client, of) -> list[tuple[int, str]]:
        addresses = [f"{place}{each.pk}" for each in of for place in ("/searches/", "/api/v1/searches/")]
        replies = [client.get(f"{each}{'' if 'api' in each else '/'}") for each in addresses]
        return [(reply.status_code, reply.content.decode()) for reply in replies]

    assert all("doc 2" in shown for shown in found(manager))
    assert Search.objects.filter(trace__caches__retrieval="hit").exists()
    theirs = list(Search.objects.all())
    assert not [shown for shown in found(member) if "doc 2" in shown or str(hidden.pk) in shown]
    assert {status for status, _ in kept(member, theirs)} == {404}
    own = Search.objects.filter(user=user)
    assert not [shown for _, shown in kept(member, own) if "doc 2" in shown or str(hidden.pk) in shown]
    own.delete()
    user.memberships.update(access_level=1)
    assert all("doc 2" in shown for shown in found(member))
    assert any(TEXTS[2] in shown for _, shown in kept(member, own))
    user.memberships.update(access_level=0)
    assert {status for status, _ in kept(member, own)} == {200}
    assert not [shown for _, shown in kept(member, own) if "doc 2" in shown or TEXTS[2] in shown]
    assert not [shown for shown in found(member) if "doc 2" in shown or str(hidden.pk) in shown]


def test_nobody_searches_elsewhere(as_user, workspace):
    part = text_of(search(as_user(factories.user()), workspace))
    assert 'role="alert"' in part or "no workspace to search" in part
    assert not Search.objects.exists()


# --- embeddings ----------------------------------------------------------------------------------


def embeddings(client, *models: Endpoint, **asked: str):
    asked = {"texts": "one two\none two\nthree", "metric": "cosine", "role": "passage"} | asked
    return client.post(
        "/laboratory/embeddings/", {"models": [each.pk for each in models]} | asked, headers=HTMX
    )


def test_each_model_has_a_heat_map_with_its_numbers(view, workspace, container):
    other = factories.embedder(name="other", provider="container", options={"url": container}, dimensions=8)
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
        ({"texts": "only one"}, "Enter 2 to 12 texts; there are 1."),
        ({"texts": "\n".join("abcdefghijklmn")}, "Enter 2 to 12 texts; there are 14."),
        ({"texts": f"short\n{'x' * 4001}"}, "One text has 4,001 characters."),
        ({"texts": ""}, "Enter 2 to 12 texts."),
        ({"texts": "a\nb\0"}, "Remove the NUL"),
        ({"metric": "other"}, "Choose one from the list."),
        ({"metric": ""}, "Choose one from the list."),
    ],
    ids=["one", "many", "long", "none", "nul", "metric", "no metric"],
)
def test_what_is_too_much_or_too_little_is_refused_in_words(view, workspace, server, asked, sentence):
    server.requests.clear()
    assert sentence in text_of(embeddings(view, workspace.embedder, **asked))
    assert not server.requests


def test_a_model_that_is_not_offered_cannot_be_chosen(view, workspace):
    off = factories.embedder(name="off", is_enabled=False)
    for chosen in (embeddings(view, off), embeddings(view), embeddings(view, models="nothing")):
        assert "Models:</strong> Choose 1 to 4 models." in text_of(chosen)
    assert "off" not in text_of(view.get("/laboratory/embeddings/")).split("<form")[1].split("</form>")[0]


def test_at_most_four_models_are_asked(view, workspace):
    part = text_of(embeddings(view, *(factories.embedder() for _ in range(5))))
    assert "Choose 1 to 4 models." in part


# --- cross-encoders ------------------------------------------------------------------------------


def ranking(client, *models: Endpoint, **asked: str):
    asked = {"query": "blue sky", "passages": "a red sea\n\nthe blue sky\n\n\nblue <b>x</b>"} | asked
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


def test_an_operator_is_led_to_where_models_are_added(as_user):
    client = as_user(factories.operator())
    for tab in ("embeddings", "ranking"):
        assert 'href="/admin/models_registry/endpoint/add/"' in text_of(client.get(f"/laboratory/{tab}/"))


def test_without_models_the_pages_say_who_adds_one(as_user):
    client = as_user(factories.user())
    assert "There is no cross-encoder yet" in text_of(client.get("/laboratory/ranking/"))
    assert "There is no embedding model yet" in text_of(client.get("/laboratory/embeddings/"))
    assert "/admin/" not in text_of(client.get("/laboratory/ranking/"))
    assert "There is no workspace to search yet" in text_of(client.get("/laboratory/search/"))


def test_the_laboratory_works_in_the_browser(workspace, described, reranker, page: Page) -> None:
    log_in(page, factories.member(workspace))
    page.goto("/workspaces/")
    factories.workspace(name="Another", embedder=described.embedder).memberships.create(
        user=described.members.get()
    )
    page.get_by_role("link", name="Laboratory").click()
    page.get_by_label("Workspace").select_option("Handbook")
    expect(page.get_by_label("Legal")).to_have_count(1)
    page.get_by_text("Only documents with…").click()
    page.get_by_label("Legal").check()
    page.get_by_label("Workspace").select_option("Another")
    expect(page.get_by_label("Legal")).to_have_count(0)
    page.get_by_label("Workspace").select_option("Handbook")
    expect(page.get_by_label("Sales")).to_have_count(1)
    page.get_by_text("Only documents with…").click()
    page.get_by_label("Sales").check()
    page.get_by_label("Question").fill("leave the pump alone")
    page.get_by_label("Search by words too").last.select_option("No, by meaning only")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Search B")).to_be_visible()
    expect(page.locator(".way-list").first.get_by_role("listitem")).to_have_count(1)
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
