"""The conversation history that goes into a prompt."""

import pytest

from chat.answering.history import Exchange, load_histories, load_history, messages_within, tokens_of
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def session():
    return factories.session(factories.user())


def exchanges(session):
    return load_history(factories.turn(session)).exchanges


def test_history_is_in_order_and_of_this_session_only(session):
    factories.answer(factories.session(session.user), "elsewhere", text="elsewhere")
    factories.answer(session, "one", text="first")
    factories.answer(session, "two", text="second")
    assert exchanges(session) == [Exchange("one", "first"), Exchange("two", "second")]


@pytest.mark.parametrize(
    ("status", "kept"), [("finished", "words"), ("stopped", "words"), ("failed", ""), ("running", "")]
)
def test_words_that_people_kept_count(session, status, kept):
    factories.answer(session, "one", text="words", status=status)
    assert exchanges(session) == [Exchange("one", kept)]


def test_the_numbers_of_passages_that_are_not_there_any_more_are_left_out(session):
    text = "Forty days [3]. Or less [1, 2], see list[0] and [note]."
    factories.answer(session, "one", text=text, grounding="found")
    factories.answer(session, "two", text=text)
    assert [each.answer for each in exchanges(session)] == [
        "Forty days. Or less, see list[0] and [note].",
        text,
    ]


def test_histories_of_several_turns_are_kept_apart_in_one_query(session, django_assert_num_queries):
    other = factories.session(session.user)
    factories.answer(session, "one", text="first")
    factories.answer(other, "two", text="second")
    turns = [factories.turn(each) for each in (session, other)]
    with django_assert_num_queries(1):
        histories = load_histories(turns)
    assert [histories[turn.pk].exchanges for turn in turns] == [
        [Exchange("one", "first")],
        [Exchange("two", "second")],
    ]


def test_a_long_session_costs_as_many_queries_and_rows_as_a_short_one(session, django_assert_num_queries):
    for number in range(40):
        factories.answer(session, f"question {number}", text="words")
    turn = factories.turn(session)
    with django_assert_num_queries(1):
        history = load_history(turn).exchanges
    assert len(history) == 20
    assert history[-1].question == "question 39"


def test_messages_within_a_budget_keep_the_newest():
    history = [Exchange(f"q{number}", "word " * 50) for number in range(10)]
    messages = messages_within(history, 300)
    assert tokens_of(messages) <= 300
    assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert messages[-2].text == "q9"
    assert messages_within(history, 0) == []


def test_questions_without_an_answer_are_no_messages():
    assert messages_within([Exchange("asked", "")], 1000) == []
