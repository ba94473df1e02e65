"""A fork is a session of its own that begins with the conversation up to an answer."""

import pytest
from django.http import Http404
from django.urls import reverse

from chat.answering.branches import Tree
from chat.answering.history import load_history
from chat.asking.forks import fork_session
from chat.asking.sessions import delete_session
from chat.errors import QuestionRefused
from chat.models import Answer, Session
from documents.models import Document
from tests import factories
from tests.chat.asking.test_branches import say  # noqa: F401 - a fixture
from workspaces.models import Role

pytestmark = pytest.mark.django_db


def exchanges(session):
    """Return what a new question would follow."""
    tree = Tree.of(session)
    turns = session.turns.in_bulk(tree.path())
    return [(turns[each].text, turns[each].goes_on_with().text) for each in tree.path()]


@pytest.fixture
def session(say):  # noqa: F811
    """Return a session with three questions, of which the second one was edited before the third."""
    first = say("one")
    same = {"session_id": first.session_id}
    second = say("two", **same)
    say("two, again", edits=second.pk, **same)
    say("three", **same)
    return first.session


def answer_to(session, text):
    return Answer.objects.get(turn__session=session, turn__text=text)


def test_it_holds_the_path_to_the_answer_and_nothing_after_it(session, asker, ask):
    fork = fork_session(asker, answer_to(session, "two, again").pk)
    assert exchanges(fork) == [("one", "Answer to one"), ("two, again", "Answer to two, again")]
    assert fork.title == "Fork · one"
    question = ask("four", session_id=fork.pk)
    assert [each.question for each in load_history(question).exchanges] == ["one", "two, again"]
    assert exchanges(session)[-1] == ("three", "Answer to three")


def test_it_can_begin_in_another_branch_and_lives_without_the_first_session(session, asker):
    fork = fork_session(asker, answer_to(session, "two").pk)
    delete_session(asker, session.pk)
    assert exchanges(fork) == [("one", "Answer to one"), ("two", "Answer to two")]


def test_it_takes_the_version_that_it_is_forked_from(session, asker):
    first = answer_to(session, "one")
    Answer.objects.filter(pk=factories.version(first, text="Another answer").pk).update(chosen_at=None)
    Answer.objects.filter(pk=first.pk).update(chosen_at=first.created_at)
    other = Answer.objects.get(text="Another answer")
    assert exchanges(fork_session(asker, other.pk)) == [("one", "Another answer")]


def test_it_costs_nothing_and_keeps_its_times(session, asker):
    answer = answer_to(session, "one")
    Answer.objects.filter(pk=answer.pk).update(cost=1, input_tokens=5, output_tokens=5)
    copy = Answer.objects.get(turn__session=fork_session(asker, answer.pk))
    assert (copy.cost, copy.input_tokens, copy.output_tokens) == (0, 0, 0)
    assert (copy.created_at, copy.turn.created_at) == (answer.created_at, answer.turn.created_at)


def test_what_may_not_be_seen_any_more_is_withheld_from_it(asker, client):
    workspace = factories.workspace()
    workspace.memberships.create(user=asker, role=Role.VIEWER)
    passages = [{"text": "The secret is Pelikan."}]
    session = factories.session(asker)
    answer = factories.answer(
        session, workspace=workspace, text="The secret is Pelikan [1].", passages=passages
    )
    fork = fork_session(asker, answer.pk)
    workspace.memberships.all().delete()
    client.force_login(asker)
    html = client.get(reverse("session", args=[fork.pk])).content.decode()
    assert "This answer is withheld" in html
    assert "Pelikan" not in html


def test_an_answer_without_text_is_no_place_to_fork(ask, asker, client):
    answer = ask().answers.get()
    with pytest.raises(QuestionRefused, match="has ended and has text"):
        fork_session(asker, answer.pk)
    client.force_login(asker)
    assert client.post(reverse("answer-fork", args=[answer.pk])).status_code == 400
    assert client.post(reverse("api-answer-fork", args=[answer.pk])).status_code == 400
    assert Session.objects.count() == 1


def test_nobody_forks_the_session_of_another(session):
    with pytest.raises(Http404):
        fork_session(factories.user(), answer_to(session, "one").pk)


def test_the_page_opens_the_fork(session, asker, client):
    client.force_login(asker)
    response = client.post(reverse("answer-fork", args=[answer_to(session, "one").pk]), follow=True)
    assert "Answer to one" in response.content.decode()
    assert response.redirect_chain[-1][0] != reverse("session", args=[session.pk])


def test_the_api_returns_the_fork(session, asker, client):
    client.force_login(asker)
    response = client.post(reverse("api-answer-fork", args=[answer_to(session, "one").pk]))
    assert response.status_code == 201
    read = client.get(reverse("api-session", args=[response.json()["id"]])).json()
    assert [each["text"] for each in read["turns"]] == ["one"]


def test_a_passage_of_a_deleted_document_stays(asker):
    answer = factories.answer(
        factories.session(asker), text="So it is [1].", passages=[{"text": "It is so."}]
    )
    Document.objects.all().delete()
    fork = fork_session(asker, answer.pk)
    assert Answer.objects.get(turn__session=fork).passages.get().text == "It is so."
