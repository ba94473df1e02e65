"""The search page: the results, the legs that found them, and the durations."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from documents.models import Document, Search
from inference.connect import open_embedder
from ragsite.cleaning.runs import clean
from tests import factories
from tests.fakes.openai_server import Behaviour
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Role, Workspace

from .conftest import text_of

pytestmark = pytest.mark.django_db(transaction=True)

LEAVE = "You may carry over five days of <b>annual</b> leave until 31 March."


@pytest.fixture
def workspace(server) -> Workspace:
    return factories.workspace(embedder=factories.embedder(base_url=server.base_url, dimensions=384))


@pytest.fixture
def view(as_user, workspace):
    return as_user(factories.member(workspace))


@pytest.fixture
def leave(workspace) -> Document:
    """Create a document with two searchable chunks."""
    document = factories.document(workspace, title="leave.md")
    texts = [LEAVE, "The canteen opens at noon."]

    async def embed() -> list[list[float]]:
        async with open_embedder(workspace.embedder.spec()) as embedder:
            return (await embedder.embed(texts, "passage")).vectors

    chunks = [
        NewChunk(i, text, text.encode(), i, 10, 10 + len(text), ("Time off",), page=4)
        for i, text in enumerate(texts)
    ]
    engine_for(workspace).stage(document.id, chunks, asyncio.run(embed()))
    engine_for(workspace).publish(document.id, len(chunks))
    return document


def search(client, workspace: Workspace, question: str, **headers: str):
    return client.get(f"/workspaces/{workspace.id}/search/", {"q": question}, headers=headers)


def test_without_a_question_the_page_says_what_it_is_for(view, workspace):
    assert "How passages are found" in text_of(view.get(f"/workspaces/{workspace.id}/search/"))


def test_results_show_their_place_their_legs_and_the_time(view, workspace, leave):
    page = search(view, workspace, "How many days of annual leave may I carry over?").content.decode()
    place = f"/workspaces/{workspace.id}/documents/{leave.id}/?section=0&amp;start=10&amp;end={10 + len(LEAVE)}#passage"
    for words in (
        place,
        "leave.md",
        "Time off",
        "page 4",
        "rank 1",
        "By meaning",
        "By words",
        "Embed question",
        " ms",
    ):
        assert words in page
    assert "five days of &lt;b&gt;annual&lt;/b&gt; leave" in page


def test_htmx_gets_only_the_results(view, workspace, leave):
    part = text_of(search(view, workspace, "annual leave", **{"HX-Request": "true"}))
    assert part.lstrip().startswith('<div class="results"')
    assert "<html" not in part


def test_an_empty_workspace_is_not_nothing_relevant(view, workspace):
    page = text_of(search(view, workspace, "annual leave"))
    assert "Nothing is searchable here yet" in page
    assert "Nothing relevant found" not in page


def test_a_question_that_is_too_long_is_kept_and_refused_with_the_limit(view, workspace, settings):
    settings.QUESTION_MAX_CHARACTERS = 20
    page = text_of(view.get(f"/workspaces/{workspace.id}/search/", {"q": "x" * 21}))
    assert "It has 21 characters; the limit is 20. Shorten it." in page
    assert f'value="{"x" * 21}"' in page
    assert 'data-limit="20"' in page
    assert not Search.objects.exists()


def test_nothing_relevant_has_a_look_of_its_own(view, workspace, leave):
    page = text_of(search(view, workspace, "zebra quantum xylophone"))
    assert "Nothing relevant found" in page
    assert "leave.md" not in page


def test_one_failed_leg_is_shown_and_the_other_answers(view, workspace, leave, server):
    server.behaviour = Behaviour(status=500)
    page = text_of(search(view, workspace, "annual leave"))
    assert "leave.md" in page
    assert "Failed" in page


def test_a_search_that_fails_says_what_happened_and_what_to_do(view, workspace, leave, server):
    Workspace.objects.filter(pk=workspace.pk).update(is_hybrid=False)
    server.behaviour = Behaviour(status=500)
    page = text_of(search(view, workspace, "annual leave"))
    assert "The search failed." in page
    assert "Your documents are unchanged." in page


@pytest.mark.parametrize("question", ["   ", "\x00", "' OR 1=1 --", "a & b | !c <-> (", "<script>x</script>"])
def test_odd_questions_do_no_harm(view, workspace, leave, question):
    response = search(view, workspace, question)
    assert response.status_code == 200
    assert b"<script>x" not in response.content


def why_page(client, search: Search) -> str:
    return text_of(client.get(f"/searches/{search.pk}/"))


def test_a_search_links_to_the_page_that_says_why(view, workspace, leave):
    page = text_of(search(view, workspace, "annual leave"))
    kept = Search.objects.get()
    assert (kept.question, kept.outcome, kept.user) == ("annual leave", "found", kept.workspace.members.get())
    assert f"/searches/{kept.pk}/" in page


def test_the_page_tells_of_each_candidate_what_became_of_it(view, workspace, leave):
    for position, text in enumerate((LEAVE, "The canteen opens at noon.")):
        factories.section(leave, "0123456789" + text, position=position, title_path=["Time off"], page=4)
    Document.objects.filter(pk=leave.pk).update(ready_at=timezone.now() - timedelta(days=1))
    search(view, workspace, "How many days of annual leave may I carry over?")
    page = why_page(view, Search.objects.get())
    for words in (
        "In the prompt as [1]",
        "You may carry over five days of <b>annual</b> leave",
        "Time off, page 4",
        "rank 1 ·",
        "Question to vector",
        "Whole search",
        "Why these passages?",
    ):
        assert words in page


def test_no_text_is_shown_of_a_document_that_changed_since(view, workspace, leave):
    factories.section(leave, "0123456789Something else entirely", position=0)
    search(view, workspace, "annual leave")
    Document.objects.filter(pk=leave.pk).update(ready_at=timezone.now())
    page = why_page(view, Search.objects.get())
    assert "The document has changed since then." in page
    assert "Something else" not in page


def test_a_candidate_whose_document_is_gone_has_no_name(view, workspace, leave):
    search(view, workspace, "annual leave")
    leave.delete()
    page = why_page(view, Search.objects.get())
    assert "A document that was deleted, or is not shared with you" in page
    assert "leave.md" not in page


def test_only_the_one_who_searched_and_managers_see_why(as_user, view, workspace, leave):
    search(view, workspace, "annual leave")
    address = f"/searches/{Search.objects.get().pk}/"
    assert as_user(factories.member(workspace, Role.MANAGER)).get(address).status_code == 200
    assert as_user(factories.member(workspace, Role.EDITOR)).get(address).status_code == 404
    assert as_user(factories.user()).get(address).status_code == 404


def test_who_left_the_workspace_sees_no_more_of_their_searches(as_user, workspace, leave):
    user = factories.member(workspace)
    search(as_user(user), workspace, "annual leave")
    workspace.memberships.all().delete()
    assert as_user(user).get(f"/searches/{Search.objects.get().pk}/").status_code == 404


def test_a_failed_search_is_kept_with_its_reason(view, workspace, leave, server):
    Workspace.objects.filter(pk=workspace.pk).update(is_hybrid=False)
    server.behaviour = Behaviour(status=500)
    search(view, workspace, "annual leave")
    kept = Search.objects.get()
    assert kept.outcome == "failed"
    assert kept.error in why_page(view, kept)


def test_searches_are_forgotten_in_time(view, workspace, leave, settings):
    settings.SEARCHES_KEPT_DAYS = 7
    for question in ("annual leave", "canteen"):
        search(view, workspace, question)
    old = timezone.now() - timedelta(days=7, minutes=1)
    Search.objects.filter(question="canteen").update(created_at=old)
    clean("searches")
    assert [each.question for each in Search.objects.all()] == ["annual leave"]
