"""An edited question is another version of a turn, with a path of its own below it."""

from uuid import uuid4

import pytest
from django.http import Http404

from chat.answering.branches import Tree
from chat.answering.history import load_history, without_withheld
from chat.asking import turns
from chat.asking.sessions import show_branch
from chat.errors import QuestionRefused
from chat.models import Answer, Summary, Turn
from tests import factories
from tests.chat.asking.test_turns import at_once, threaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def say(ask):
    """Return a function that asks, and ends the answer with the same words."""

    def say(text, **fields):
        turn = ask(text, **fields)
        Answer.objects.filter(turn=turn).update(status="finished", text=f"Answer to {text}")
        return turn

    return say


def before(turn):
    return [each.question for each in load_history(turn).exchanges]


def path(turn):
    texts = dict(turn.session.turns.values_list("pk", "text"))
    return [texts[each] for each in Tree.of(turn.session).path()]


def test_a_question_follows_the_one_before_it(say):
    first = say("one")
    second = say("two", session_id=first.session_id)
    third = say("three", session_id=first.session_id)
    assert (first.parent_id, second.parent_id, third.parent_id) == (None, first.pk, second.pk)
    assert Turn.objects.get(pk=third.pk).parent == second
    assert (before(third), path(third)) == (["one", "two"], ["one", "two", "three"])


def test_an_edited_question_leaves_the_old_one_and_what_followed_it(say):
    first = say("My code is PELIKAN.")
    same = {"session_id": first.session_id}
    say("Repeat it.", **same)
    edited = say("My code is STORCH.", edits=first.pk, **same)
    last = say("What is my code?", **same)
    assert (before(edited), before(last)) == ([], ["My code is STORCH."])
    assert path(last) == ["My code is STORCH.", "What is my code?"]
    assert Tree.of(last.session).versions(edited.pk) == [first.pk, edited.pk]


def test_a_branch_that_is_shown_again_goes_on_where_it_was_left(say, asker):
    first = say("one")
    same = {"session_id": first.session_id}
    second = say("two", **same)
    say("two, again", edits=second.pk, **same)
    show_branch(asker, first.session_id, second.pk)
    say("three", **same)
    edited = say("one, again", edits=first.pk, **same)
    assert path(edited) == ["one, again"]
    show_branch(asker, first.session_id, first.pk)
    assert path(first) == ["one", "two", "three"]
    assert before(say("four", **same)) == ["one", "two", "three"]


def test_a_question_follows_the_turn_that_its_page_shows(say):
    """Another tab has turned to another branch since."""
    first = say("one")
    same = {"session_id": first.session_id}
    say("one, again", edits=first.pk, **same)
    assert before(say("two", follows=first.pk, **same)) == ["one"]


def test_a_turn_of_another_session_is_not_followed(say):
    first, other = say("one"), say("elsewhere")
    second = say("two", session_id=first.session_id, follows=other.pk)
    assert second.parent_id == first.pk


@pytest.mark.parametrize("whose", ["unknown", "of another session", "of another user"])
def test_only_a_question_of_the_session_can_be_edited(say, whose):
    first = say("one")
    of = {
        "unknown": uuid4,
        "of another session": lambda: say("elsewhere").pk,
        "of another user": lambda: say("theirs", user=factories.user()).pk,
    }
    with pytest.raises(QuestionRefused, match="is not in this conversation any more"):
        say("again", session_id=first.session_id, edits=of[whose]())
    assert path(first) == ["one"]


def test_a_question_has_at_most_forty_versions(say, monkeypatch):
    monkeypatch.setattr(turns, "MAX_VERSIONS", 2)
    first = say("one")
    again = {"session_id": first.session_id, "edits": first.pk}
    second = say("one, again", message_id="m2", **again)
    with pytest.raises(QuestionRefused, match="already has 2 versions"):
        say("one, a third time", **again)
    assert turns.submit(first.session.user, _resend("one, again", "m2", again)) == second


def _resend(text, message_id, fields):
    return turns.Question(text=text, message_id=message_id, **fields)


def test_a_question_cannot_both_follow_and_edit(say):
    first = say("one")
    with pytest.raises(QuestionRefused, match="not both"):
        say("two", session_id=first.session_id, follows=first.pk, edits=first.pk)


def test_an_unknown_branch_cannot_be_shown(say, asker):
    first, other = say("one"), say("elsewhere")
    for turn_id in (uuid4(), other.pk):
        with pytest.raises(Http404):
            show_branch(asker, first.session_id, turn_id)
    with pytest.raises(Http404):
        show_branch(factories.user(), first.session_id, first.pk)


def test_the_summary_of_another_branch_is_not_read(say):
    first = say("My code is PELIKAN.")
    same = {"session_id": first.session_id}
    second = say("two", **same)
    Summary.objects.create(session=first.session, text="The code is PELIKAN.", last_turn=second)
    assert load_history(say("three", **same)).summary == "The code is PELIKAN."
    edited = say("My code is STORCH.", edits=first.pk, **same)
    found = load_history(say("two, again", follows=edited.pk, **same))
    assert (found.summary, [each.question for each in found.exchanges]) == ("", ["My code is STORCH."])


@pytest.mark.parametrize(("branch", "summary"), [("left", "Of two."), ("shown", "")])
def test_a_withheld_answer_takes_only_the_summary_of_its_own_branch(asker, branch, summary):
    session = factories.session(asker)
    left = factories.answer(session, "one")
    shown = factories.answer(session, "one, again")
    Turn.objects.filter(pk=shown.turn_id).update(parent=None)
    withheld = {"left": left, "shown": shown}[branch]
    withheld.turn.workspace = factories.workspace()  # the user is not its member any more
    withheld.turn.save()
    withheld.passages.create(number=1, document_title="Secret", section=0, start=0, end=4, text="Text")
    Summary.objects.create(session=session, text="Of two.", last_turn=shown.turn)
    factories.answer(session, "two", text="Words.")
    found = without_withheld(session, load_history(factories.turn(session)))
    assert (found.summary, [each.question for each in found.exchanges]) == (summary, ["two"])


@threaded
def test_questions_of_two_tabs_at_once_follow_each_other(say):
    first = say("one")
    at_once(*[lambda: say("more", session_id=first.session_id) for _ in range(4)])
    assert len(path(first)) == 5
