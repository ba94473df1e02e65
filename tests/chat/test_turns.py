"""A question is recorded exactly once, or refused with a sentence."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.http import Http404

from chat import turns
from chat.log import last_seqs
from chat.models import Answer, AnswerEvent, Session, Turn
from chat.turns import Parameters, Refused
from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db
threaded = pytest.mark.django_db(transaction=True)


def at_once(*calls):
    """Make calls in threads that set off together; return their results, errors among them."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_a_question_is_recorded_with_a_queued_answer_and_its_first_event(ask, endpoint):
    turn = ask("What is a pump?")
    answer = turn.answers.get()
    assert (turn.text, answer.status, answer.endpoint) == ("What is a pump?", Answer.Status.QUEUED, endpoint)
    event = answer.events.get()
    assert (event.seq, event.kind, event.data) == (1, "queued", {"position": 0})


def test_the_first_event_says_how_many_wait_before_it(ask):
    ask()
    ask()
    assert ask().answers.get().events.get().data == {"position": 2}


def test_a_session_is_named_after_its_first_question(ask):
    turn = ask("  What\nis a pump?  ")
    ask("And a valve?", session_id=turn.session_id)
    assert Session.objects.get().title == "What is a pump?"


def test_a_long_title_without_a_space_is_cut(ask):
    title = ask("泵" * 500).session.title
    assert title == "泵" * 79 + "…"


def test_a_resend_finds_the_same_turn(ask):
    first, second = (ask(message_id="m-1", session_id=session) for session in [None, None])
    third = ask(message_id="m-1", session_id=first.session_id)
    assert first == second == third
    assert Answer.objects.count() == AnswerEvent.objects.count() == 1


def test_a_resend_finds_its_turn_after_the_workspace_was_taken_away(ask, asker):
    workspace = factories.workspace()
    membership = workspace.memberships.create(user=asker)
    first = ask(message_id="m-1", workspace_id=workspace.pk)
    membership.delete()
    assert ask(message_id="m-1", workspace_id=workspace.pk) == first


@threaded
def test_one_message_sent_five_times_at_once_is_one_turn(ask):
    session = uuid4()
    results = at_once(*[lambda: ask(session_id=session, message_id="m-1")] * 5)
    assert len(set(results)) == 1
    assert Turn.objects.count() == Answer.objects.count() == AnswerEvent.objects.count() == 1


@threaded
def test_one_message_without_a_session_sent_at_once_is_one_turn(ask):
    results = at_once(*[lambda: ask(message_id="m-1")] * 4)
    assert len(set(results)) == 1
    assert Session.objects.count() == Turn.objects.count() == 1


@threaded
def test_two_first_messages_at_once_share_their_new_session(ask):
    session = uuid4()
    first, second = at_once(lambda: ask(session_id=session), lambda: ask(session_id=session))
    assert first.session_id == second.session_id == session
    assert first != second
    assert Session.objects.count() == 1


def test_nobody_takes_over_a_session_of_somebody_else(ask):
    session = ask().session_id
    with pytest.raises(Http404):
        ask(user=factories.user(), session_id=session)
    assert Turn.objects.count() == 1


@threaded
def test_when_two_users_claim_one_new_session_one_gets_it(ask):
    session, other = uuid4(), factories.user()
    results = at_once(lambda: ask(session_id=session), lambda: ask(session_id=session, user=other))
    assert sorted(type(each).__name__ for each in results) == ["Http404", "Turn"]
    assert Turn.objects.get().session.user == Session.objects.get().user


def test_a_message_id_is_not_used_for_two_texts(ask):
    ask("one", message_id="m-1")
    with pytest.raises(Refused, match="new one"):
        ask("two", message_id="m-1")


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_an_empty_question_is_refused(ask, text):
    with pytest.raises(Refused, match="empty"):
        ask(text)


def test_a_question_that_is_too_long_is_refused_with_its_length(ask, settings):
    settings.QUESTION_MAX_CHARACTERS = 10
    with pytest.raises(Refused, match=r"11 characters, and 10 are allowed"):
        ask("x" * 11)


@pytest.mark.parametrize("message_id", ["", "x" * 65, "a b", "é", "a\n"])
def test_an_odd_message_id_is_refused(ask, message_id):
    with pytest.raises(Refused, match="1 to 64"):
        ask(message_id=message_id)


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_tokens": 0},
        {"max_tokens": 8193},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"top_p": 1.1},
    ],
)
def test_parameters_out_of_range_are_refused(ask, parameters):
    with pytest.raises(Refused, match="must be from"):
        ask(parameters=Parameters(**parameters))


def test_what_postgres_cannot_keep_is_left_out_of_a_question(ask):
    assert ask("a\0b\ud83dc").text == "ab?c"


def test_a_workspace_of_others_is_not_there(ask):
    with pytest.raises(Http404):
        ask(workspace_id=factories.workspace().pk)
    assert Session.objects.count() == 0


@pytest.mark.parametrize("fields", [{"is_enabled": False}, {"kind": Endpoint.Kind.EMBEDDING}])
def test_a_model_that_is_not_offered_is_refused(ask, fields):
    with pytest.raises(Refused, match="not offered"):
        ask(endpoints=[factories.chat_endpoint(**fields)])


def test_without_a_choice_the_best_healthy_model_answers(ask):
    factories.chat_endpoint(rank=1, last_check_ok=False)
    best = factories.chat_endpoint(rank=2)
    assert ask(endpoints=[]).answers.get().endpoint == best


def test_without_any_model_an_operator_is_named(ask, endpoint):
    endpoint.delete()
    with pytest.raises(Refused, match="operator"):
        ask(endpoints=[])


def test_a_model_is_found_by_name_and_by_id(endpoint):
    named = turns.models_named
    assert (
        named(endpoint.name)
        == named(str(endpoint.pk))
        == named("", [endpoint.name])
        == named(endpoint.name, provider="openai_compat")
        == [endpoint]
    )
    assert named("") == []
    with pytest.raises(Refused, match="no chat model"):
        named(endpoint.name, provider="quotes")
    with pytest.raises(Refused, match="not both"):
        named(endpoint.name, [endpoint.name])


def test_each_of_several_models_gets_an_answer_of_its_own(ask):
    models = [factories.chat_endpoint() for _ in range(4)]
    first, again = (ask(message_id="m", endpoints=models) for _ in range(2))
    answers = list(first.answers.all())
    assert [answer.endpoint for answer in answers] == models
    assert [answer.events.get().data for answer in answers] == [{"position": place} for place in range(4)]
    assert again == first


@pytest.mark.parametrize(("picked", "word"), [([0, 1, 2, 3, 4], "At most 4"), ([0, 1, 0], "different")])
def test_too_many_models_or_one_twice_are_refused(ask, picked, word):
    models = [factories.chat_endpoint() for _ in range(5)]
    with pytest.raises(Refused, match=word):
        ask(endpoints=[models[place] for place in picked])


def test_stopping_an_answer_that_waits_ends_it(ask, asker):
    answer = ask().answers.get()
    turns.stop(asker, answer.pk)
    answer.refresh_from_db()
    assert answer.status == Answer.Status.STOPPED
    assert list(answer.events.values_list("seq", "kind")) == [(1, "queued"), (2, "stopped")]
    turns.stop(asker, answer.pk)
    assert last_seqs([answer.pk]) == {answer.pk: 2}


def test_others_see_stop_and_delete_nothing(ask):
    turn, stranger = ask(), factories.operator()
    for door, id in [
        (turns.answer_for, turn.answers.get().pk),
        (turns.stop, turn.answers.get().pk),
        (turns.session_for, turn.session_id),
        (turns.delete, turn.session_id),
    ]:
        with pytest.raises(Http404):
            door(stranger, id)
    assert not turns.sessions_for(stranger)
    assert turn.answers.get().status == Answer.Status.QUEUED


def test_deleting_a_session_deletes_its_turns_answers_and_logs(ask, asker):
    turns.delete(asker, ask().session_id)
    assert not Turn.objects.exists()
    assert not AnswerEvent.objects.exists()
