"""A question is recorded exactly once (idempotency), or refused with a clear sentence."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection
from django.http import Http404

from chat.answering.history import load_history
from chat.asking import ratings, turns
from chat.asking.sessions import delete_session, session_for, sessions_for
from chat.asking.turns import Parameters, Regeneration
from chat.errors import QuestionRefused
from chat.log.follow import last_seqs
from chat.models import Answer, AnswerEvent, Session, Turn
from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db
threaded = pytest.mark.django_db(transaction=True)


def at_once(*calls):
    """Run calls concurrently, in threads that start together. Return their results, including exceptions."""
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
    with pytest.raises(QuestionRefused, match="new id"):
        ask("two", message_id="m-1")


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_an_empty_question_is_refused(ask, text):
    with pytest.raises(QuestionRefused, match="empty"):
        ask(text)


def test_a_question_that_is_too_long_is_refused_with_its_length(ask, settings):
    settings.QUESTION_MAX_CHARACTERS = 10
    with pytest.raises(QuestionRefused, match=r"11 characters, but the limit is 10"):
        ask("x" * 11)


@pytest.mark.parametrize("message_id", ["", "x" * 65, "a b", "é", "a\n"])
def test_an_odd_message_id_is_refused(ask, message_id):
    with pytest.raises(QuestionRefused, match="1 to 64"):
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
    with pytest.raises(QuestionRefused, match="must be from"):
        ask(parameters=Parameters(**parameters))


def test_what_postgres_cannot_keep_is_left_out_of_a_question(ask):
    assert ask("a\0b\ud83dc").text == "ab?c"


def test_a_workspace_of_others_is_not_there(ask):
    with pytest.raises(Http404):
        ask(workspace_id=factories.workspace().pk)
    assert Session.objects.count() == 0


@pytest.mark.parametrize("fields", [{"is_enabled": False}, {"kind": Endpoint.Kind.EMBEDDING}])
def test_a_model_that_is_not_offered_is_refused(ask, fields):
    with pytest.raises(QuestionRefused, match="no longer available"):
        ask(endpoints=[factories.chat_endpoint(**fields)])


def test_without_a_choice_the_best_healthy_model_answers(ask):
    factories.chat_endpoint(rank=1, last_check_ok=False)
    best = factories.chat_endpoint(rank=2)
    assert ask(endpoints=[]).answers.get().endpoint == best


def test_without_any_model_an_operator_is_named(ask, endpoint):
    endpoint.delete()
    with pytest.raises(QuestionRefused, match="operator"):
        ask(endpoints=[])


def test_a_model_is_found_by_name_and_by_id(endpoint):
    named = turns.find_models
    assert (
        named(endpoint.name)
        == named(str(endpoint.pk))
        == named("", [endpoint.name])
        == named(endpoint.name, provider="openai_compat")
        == [endpoint]
    )
    assert named("") == []
    with pytest.raises(QuestionRefused, match="no chat model"):
        named(endpoint.name, provider="quotes")
    with pytest.raises(QuestionRefused, match="not both"):
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
    with pytest.raises(QuestionRefused, match=word):
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
        (turns.continue_with, turn.answers.get().pk),
        (lambda user, id: turns.regenerate(user, Regeneration(id, "v-1")), turn.answers.get().pk),
        (lambda user, id: ratings.rate(user, id, is_good=True), turn.answers.get().pk),
        (ratings.withdraw, turn.answers.get().pk),
        (session_for, turn.session_id),
        (delete_session, turn.session_id),
    ]:
        with pytest.raises(Http404):
            door(stranger, id)
    assert not sessions_for(stranger)
    assert turn.answers.get().status == Answer.Status.QUEUED


def test_deleting_a_session_deletes_its_turns_answers_and_logs(ask, asker):
    delete_session(asker, ask().session_id)
    assert not Turn.objects.exists()
    assert not AnswerEvent.objects.exists()


# --- versions of an answer -----------------------------------------------------------------------


def ended(answer, text="words", status=Answer.Status.FINISHED):
    Answer.objects.filter(pk=answer.pk).update(status=status, text=text)
    return answer


@pytest.fixture
def first(ask):
    """Return an answer that has ended."""
    return ended(ask(parameters=Parameters(max_tokens=7)).answers.get())


def test_a_version_is_asked_of_the_same_model_with_the_same_parameters(asker, first, endpoint):
    other = factories.chat_endpoint()
    new, is_new = turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert is_new
    assert (new.turn, new.lane, new.endpoint, new.parameters) == (first.turn, 0, endpoint, first.parameters)
    assert new.events.get().kind == "queued"
    changed, _ = turns.regenerate(asker, Regeneration(first.pk, "v-2", other, Parameters(max_tokens=9)))
    assert (changed.endpoint, changed.endpoint_name, changed.parameters["max_tokens"]) == (
        other,
        other.name,
        9,
    )
    first.refresh_from_db()
    assert first.text == "words"


def test_a_version_asked_for_again_is_the_same_whatever_became_of_the_answer(asker, first):
    new, _ = turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert turns.regenerate(asker, Regeneration(first.pk, "v-1")) == (new, False)
    Answer.objects.filter(pk=first.pk).update(status=Answer.Status.RUNNING)
    assert turns.regenerate(asker, Regeneration(first.pk, "v-1")) == (new, False)


@threaded
def test_one_version_asked_for_five_times_at_once_is_made_once(asker, first):
    results = at_once(*[lambda: turns.regenerate(asker, Regeneration(first.pk, "v-1"))] * 5)
    assert len({answer for answer, _ in results}) == 1
    assert sorted(is_new for _, is_new in results) == [False] * 4 + [True]
    assert AnswerEvent.objects.exclude(answer=first).count() == 1


def test_a_question_sent_again_after_a_version_was_made_finds_its_first_answers(ask, asker):
    turn = ask(message_id="m-1")
    first = ended(turn.answers.get())
    turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert list(ask(message_id="m-1").first_answers()) == [first]


def test_a_version_moves_its_session_up(asker, first):
    before = first.turn.session.updated_at
    turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert Session.objects.get().updated_at > before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda first: Answer.objects.update(status=Answer.Status.RUNNING), "still being written"),
        (lambda first: Endpoint.objects.update(is_enabled=False), "no longer available"),
        (lambda first: Endpoint.objects.all().delete(), "was removed: choose another"),
    ],
    ids=["running", "switched-off", "removed"],
)
def test_a_version_that_cannot_be_made_is_refused(asker, first, change, words):
    change(first)
    with pytest.raises(QuestionRefused, match=words):
        turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert Answer.objects.count() == 1


def test_a_turn_has_only_so_many_answers(asker, first, monkeypatch):
    monkeypatch.setattr(turns, "MAX_ANSWERS", 2)
    turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    with pytest.raises(QuestionRefused, match="already has 2 answers"):
        turns.regenerate(asker, Regeneration(first.pk, "v-2"))


# --- the answer that the conversation continues from ---------------------------------------------


@pytest.fixture
def side_by_side(ask):
    """Return a turn with two answers that have ended."""
    turn = ask(endpoints=[factories.chat_endpoint() for _ in range(2)])
    for lane, answer in enumerate(turn.answers.all()):
        ended(answer, f"lane {lane}")
    return turn


def going_on(turn):
    """Return the text that the page continues from, after checking that the prompt uses the same."""
    turn = Turn.objects.get(pk=turn.pk)
    found = turn.goes_on_with()
    [exchange] = load_history(factories.turn(turn.session)).exchanges[:1]
    assert exchange.answer == (found.text if found else "")
    return exchange.answer


def test_the_first_lane_with_words_goes_on(side_by_side):
    assert going_on(side_by_side) == "lane 0"
    ended(side_by_side.answers.first(), "half", Answer.Status.FAILED)
    assert going_on(side_by_side) == "lane 1"


def test_the_answer_chosen_last_goes_on(side_by_side, asker):
    first, second = side_by_side.answers.all()
    for chosen in (second, first, second):
        turns.continue_with(asker, chosen.pk)
        chosen.refresh_from_db()
        assert going_on(side_by_side) == chosen.text


@pytest.mark.parametrize("status", [Answer.Status.RUNNING, Answer.Status.FAILED])
def test_an_answer_without_words_to_build_on_is_not_chosen(side_by_side, asker, status):
    answer = ended(side_by_side.answers.first(), "words", status)
    with pytest.raises(QuestionRefused, match="has ended and has text"):
        turns.continue_with(asker, answer.pk)


def test_a_new_version_goes_on_as_soon_as_it_has_words(first, asker):
    new, _ = turns.regenerate(asker, Regeneration(first.pk, "v-1"))
    assert going_on(first.turn) == "words"
    ended(new, "new words")
    assert going_on(first.turn) == "new words"


def test_a_version_made_after_another_was_chosen_goes_on_unless_it_fails(first, asker):
    second = ended(turns.regenerate(asker, Regeneration(first.pk, "v-1"))[0], "second")
    turns.continue_with(asker, first.pk)
    assert going_on(first.turn) == "words"
    third = ended(turns.regenerate(asker, Regeneration(second.pk, "v-2"))[0], "third")
    assert going_on(first.turn) == "third"
    ended(third, "third", Answer.Status.FAILED)
    assert going_on(first.turn) == "words"


def test_a_new_version_in_another_lane_changes_nothing(side_by_side, asker):
    first, second = side_by_side.answers.all()
    turns.continue_with(asker, second.pk)
    ended(turns.regenerate(asker, Regeneration(first.pk, "v-1"))[0], "new")
    assert going_on(side_by_side) == "lane 1"


# --- ratings -------------------------------------------------------------------------------------


def test_a_rating_takes_the_place_of_the_one_before_and_can_be_withdrawn(first, asker):
    ratings.rate(asker, first.pk, is_good=True)
    ratings.rate(asker, first.pk, is_good=False, comment="  It says nothing.\0 ")
    assert first.ratings.values_list("user", "is_good", "comment").get() == (
        asker.pk,
        False,
        "It says nothing.",
    )
    ratings.withdraw(asker, first.pk)
    assert not first.ratings.exists()


def test_what_cannot_be_rated_is_refused(first, asker):
    with pytest.raises(QuestionRefused, match="2,000 characters"):
        ratings.rate(asker, first.pk, is_good=True, comment="x" * 2001)
    Answer.objects.update(status=Answer.Status.RUNNING)
    with pytest.raises(QuestionRefused, match="when it has ended"):
        ratings.rate(asker, first.pk, is_good=True)
