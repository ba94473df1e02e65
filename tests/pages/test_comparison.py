"""Try chunking: how each strategy splits a text or a document, on the page and over the API."""

import pytest
from django.core.files.base import ContentFile
from playwright.sync_api import Page, expect

from documents.adding import service as intake
from documents.ingestion.ingest import ingest
from documents.laboratory.compare_chunking import MAX_CHARACTERS
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.models import ChunkingStrategy, Role

from .conftest import log_in, text_of

pytestmark = pytest.mark.django_db(transaction=True)

MANUAL = (
    "# Pumps\n\n" + "The pump hums along. " * 12 + "\n\n## Prices\n\n| Part | Price |\n| Valve | 12 euro |\n"
)


@pytest.fixture
def embeddings():
    with running_in_thread(behaviour=Behaviour(dimensions=8)) as server:
        yield server


@pytest.fixture
def workspace(embeddings: OpenAIServer):
    embedder = factories.embedder(base_url=embeddings.base_url, dimensions=8)
    return factories.workspace(embedder=embedder, chunk_size=150, chunk_overlap=50)


@pytest.fixture
def editor(workspace):
    return factories.member(workspace, Role.EDITOR)


def read(workspace, text: str = MANUAL):
    document = intake.add_file(
        workspace, None, ContentFile(text.encode(), "manual.md"), "manual.md", ask_worker=False
    )
    ingest(document.pk)
    document.refresh_from_db()
    return document


def address(workspace) -> str:
    return f"/workspaces/{workspace.id}/chunking/"


def asked(**changes) -> dict:
    fields = {
        "document": "",
        "text": MANUAL,
        "strategies": ChunkingStrategy.values,
        "chunk_size": "150",
        "chunk_overlap": "50",
    }
    return fields | changes


def test_a_pasted_text_is_cut_in_each_way(as_user, workspace, editor):
    page = text_of(as_user(editor).post(address(workspace), asked()))
    for strategy in ChunkingStrategy:
        assert strategy.label in page
    assert "characters, " in page
    assert "| Valve | 12 euro |" in page
    assert not workspace.documents.exists()


def test_only_the_chosen_ways_are_tried_and_no_model_is_asked_for_nothing(
    as_user, workspace, editor, embeddings
):
    response = as_user(editor).post(address(workspace), asked(strategies=["recursive", "layout"]))
    assert [each.strategy for each in response.context["attempts"]] == ["recursive", "layout"]
    assert not embeddings.requests


def test_what_neighbours_share_is_marked(as_user, workspace, editor):
    response = as_user(editor).post(address(workspace), asked(strategies=["recursive"]))
    [attempt] = response.context["attempts"]
    second = attempt.pieces[1]
    assert attempt.pieces[0].own.endswith(second.repeated)
    assert f'<mark class="repeated">{second.repeated}</mark>{second.own}' in text_of(response)


def test_a_document_is_shown_as_it_is_now_and_as_it_would_be(as_user, workspace, editor):
    document = read(workspace)
    response = as_user(editor).post(
        address(workspace), asked(document=document.pk, text="", chunk_size="300")
    )
    own, *tried = response.context["attempts"]
    assert own.is_stored
    assert len(own.pieces) == document.chunk_count
    assert "As it is now" in text_of(response)
    assert all(each.longest <= 300 for each in tried)


def test_the_beginning_of_a_long_document_is_compared(as_user, workspace, editor):
    document = read(workspace, "\n\n".join(f"# Part {number}\n\n{'word ' * 1000}" for number in range(8)))
    response = as_user(editor).post(address(workspace), asked(document=document.pk, strategies=["recursive"]))
    assert response.context["characters"] <= MAX_CHARACTERS
    assert "only its beginning, the most that can be compared" in text_of(response)


def test_a_model_that_fails_is_said_beside_the_others(as_user, workspace, editor, embeddings):
    embeddings.behaviour.status = 401
    page = text_of(as_user(editor).post(address(workspace), asked()))
    assert "could not embed the sentences" in page
    assert ChunkingStrategy.LAYOUT.label in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": " "}, "Paste a text, or choose a document."),
        ({"text": "a" * 20_001}, "Paste at most 20,000 characters"),
        ({"strategies": []}, "Choose at least one strategy."),
        ({"chunk_size": "100"}, "greater than or equal to 101"),
        ({"chunk_overlap": "150"}, "The overlap must be smaller than the length."),
        ({"strategies": ["scissors"]}, "scissors is not one of the available choices"),
    ],
    ids=["nothing", "too long", "no strategy", "too short", "overlap", "unknown"],
)  # fmt: skip
def test_what_cannot_be_cut_is_said(as_user, workspace, editor, changes, sentence):
    assert sentence in text_of(as_user(editor).post(address(workspace), asked(**changes)))


def test_a_document_that_is_not_read_yet_or_another_workspaces_is_refused(as_user, workspace, editor):
    waiting, foreign = (
        factories.document(workspace, status="pending"),
        factories.document(factories.workspace()),
    )
    client = as_user(editor)
    assert "has no text yet" in text_of(client.post(address(workspace), asked(document=waiting.pk)))
    assert "not one of the available choices" in text_of(
        client.post(address(workspace), asked(document=foreign.pk))
    )


def test_viewers_are_not_let_in(as_user, workspace):
    assert as_user(factories.member(workspace)).get(address(workspace)).status_code in (403, 404)


def test_the_documents_page_leads_here_with_the_document_chosen(as_user, workspace, editor):
    document = read(workspace)
    client = as_user(editor)
    link = f"{address(workspace)}?document={document.pk}"
    assert link in text_of(client.get(f"/workspaces/{workspace.id}/documents/{document.pk}/"))
    assert f'<option value="{document.pk}" selected>' in text_of(client.get(link))
    assert client.get(f"{address(workspace)}?document=nonsense").status_code == 200


def test_comparing_in_the_browser_swaps_the_result_in(page: Page, workspace, editor):
    log_in(page, editor)
    page.goto(address(workspace))
    page.get_by_label("Text", exact=True).fill(MANUAL)
    page.get_by_label("Where the topic changes").uncheck()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".attempt")).to_have_count(3)
    expect(page.locator(".attempt").first).to_contain_text("passages")
    expect(page.get_by_label("Text", exact=True)).to_have_value(MANUAL)
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1440])
def test_no_column_lies_over_its_neighbour_however_long_a_heading_is(
    page: Page, workspace, editor, width: int
):
    heading = "A heading of many words about pumps and their maintenance " * 4
    log_in(page, editor)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address(workspace))
    page.get_by_label("Text", exact=True).fill(f"# {heading}\n\nText.\n\n## {heading}\n\n{'Oil. ' * 60}")
    page.get_by_label("Where the topic changes").uncheck()
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".attempt")).to_have_count(3)
    hidden = "(each) => each.scrollWidth > each.clientWidth"
    assert page.locator(".attempt").evaluate_all(f"(all) => all.filter({hidden}).length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
