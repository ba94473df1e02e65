import pytest

from documents.laboratory.compare_chunking import MAX_CHARACTERS
from tests import factories
from workspaces.models import ChunkingStrategy, Role

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "# Leave\n\n" + "You have leave. " * 20


@pytest.fixture
def workspace(server):
    return factories.workspace(
        embedder=factories.embedder(base_url=server.base_url, dimensions=384), dimensions=384
    )


@pytest.fixture
def ask(api, workspace):
    client = api(factories.member(workspace, Role.EDITOR))
    return lambda **body: client("POST", f"workspaces/{workspace.id}/chunking-comparison", body)


def test_each_strategy_is_compared_with_its_numbers(ask):
    reply = ask(text=TEXT, chunkSize=150, chunkOverlap=20).json()
    assert [each["strategy"] for each in reply["attempts"]] == ChunkingStrategy.values
    for attempt in reply["attempts"]:
        lengths = [len(each["repeated"] + each["own"]) for each in attempt["chunks"]]
        assert (min(lengths), max(lengths)) == (attempt["shortest"], attempt["longest"])
        assert max(lengths) <= 150


def test_a_documents_own_chunks_come_first(ask, workspace):
    document = factories.document(workspace)
    factories.section(document, TEXT)
    reply = ask(documentId=str(document.pk), strategies=["layout"]).json()
    assert [(each["strategy"], each["isStored"]) for each in reply["attempts"]] == [
        ("recursive", True), ("layout", False),
    ]  # fmt: skip


def test_only_the_beginning_of_a_document_is_cut_though_it_be_one_long_section(ask, workspace, server):
    document = factories.document(workspace)
    factories.section(document, "You have leave. " * 20_000)
    reply = ask(documentId=str(document.pk), strategies=["semantic"]).json()
    assert (reply["characters"], reply["isCut"]) == (MAX_CHARACTERS, True)
    texts = [text for each in server.requests for text in each.body.get("input", ())]
    assert 0 < sum(map(len, texts)) <= MAX_CHARACTERS


def test_a_strategy_named_twice_is_tried_once(ask, server):
    reply = ask(text=TEXT * 5, strategies=["semantic"] * 50).json()
    assert (len(reply["attempts"]), len(server.requests)) == (1, 2)  # two batches of its sentences


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Send either text or documentId."),
        ({"text": "a", "chunkSize": 200, "chunkOverlap": 200}, "smaller than the size"),
        ({"text": "a", "strategies": ["x"]}, "not a valid choice"),
        ({"text": "a" * 20_001}, "no more than 20000"),
        ({"text": "a", "colour": 1}, "Unknown field"),
    ],
    ids=["neither", "overlap", "strategy", "too long", "unknown field"],
)
def test_what_cannot_be_compared_is_said(ask, body, sentence):
    response = ask(**body)
    assert response.status_code == 400
    assert sentence in str(response.json())


def test_a_document_elsewhere_is_not_found_and_one_unread_says_so(ask, workspace):
    assert ask(documentId=str(factories.document(factories.workspace()).pk)).status_code == 404
    assert "has no text yet" in str(ask(documentId=str(factories.document(workspace).pk)).json())
