"""Which answers are written next, and how many at once."""

import asyncio

import pytest
from django.db.models.functions import Now

from chat.claims import claimed, moved_up
from chat.models import Answer, AnswerEvent, Turn
from chat.runner import Runner
from chat.threads import in_thread
from chat.turns import stop
from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask_as(ask):
    """Ask as somebody, so many times; returns the answers."""

    def ask_as(user, count=1):
        return [ask(user=user).just_recorded[0] for _ in range(count)]

    return ask_as


def taken(room=100, own=()):
    return [claim.answer.pk for claim in claimed(room, list(own))]


def ids(*answers):
    return {answer.pk for answer in answers}


def test_users_take_turns_whoever_asked_first_and_most(ask_as):
    busy, patient = factories.user(), factories.user()
    many, [one] = ask_as(busy, 5), ask_as(patient)
    assert set(taken(room=2)) == ids(many[0], one)
    assert set(taken(room=2)) == ids(many[1], many[2])


def test_what_is_written_for_a_user_counts_before_their_next(ask_as):
    busy, patient = factories.user(), factories.user()
    ask_as(busy, 2)
    taken()
    later, [one] = ask_as(busy, 1), ask_as(patient)
    assert taken(room=1) == [one.pk]
    assert taken(room=1) == [later[0].pk]


def test_a_user_has_so_many_at_once(ask_as, settings):
    settings.ANSWERS_PER_USER = 2
    first, second, third = ask_as(factories.user(), 3)
    assert set(taken()) == ids(first, second)
    assert taken() == []
    Answer.objects.filter(pk=first.pk).update(status=Answer.Status.FINISHED)
    assert taken() == [third.pk]


def test_an_endpoint_has_so_many_at_once_for_all_users(ask_as):
    Endpoint.objects.update(max_concurrent=2)
    answers = [ask_as(factories.user())[0] for _ in range(3)]
    assert set(taken()) == ids(*answers[:2])
    assert taken() == []
    Answer.objects.filter(pk=answers[0].pk).update(status=Answer.Status.STOPPED)
    assert taken() == [answers[2].pk]


def test_a_full_endpoint_holds_up_no_other(ask, asker):
    Endpoint.objects.update(max_concurrent=1)
    other = factories.chat_endpoint()
    full, _, free = ask(), ask(), ask(endpoints=[other])
    assert set(taken()) == ids(full.just_recorded[0], free.just_recorded[0])


def test_the_answer_of_a_dead_process_makes_room_for_itself(ask_as, settings):
    settings.ANSWERS_PER_USER = 1
    [answer] = ask_as(factories.user())
    taken()
    Answer.objects.update(lease_until=Now() - Answer.LEASE)
    assert taken(own=[answer.pk]) == []
    assert taken() == [answer.pk]
    assert Answer.objects.get().fence == 2


@pytest.mark.django_db(transaction=True)
async def test_two_runners_together_keep_to_an_endpoint_s_limit(ask, model):
    await in_thread(Endpoint.objects.update)(max_concurrent=3)
    model.behaviour.first_token_s = 0.15
    most = 0
    for _ in range(12):
        await in_thread(ask)(user=await in_thread(factories.user)())
    async with asyncio.timeout(20), Runner(), Runner():
        while await in_thread(Answer.objects.exclude(status=Answer.Status.FINISHED).exists)():
            running = await in_thread(Answer.objects.filter(status=Answer.Status.RUNNING).count)()
            most = max(most, running)
    assert most == 3
    assert len(model.chats) == 12


# --- the place in the queue ----------------------------------------------------------------------


def places(answer):
    """The places that the answer's followers were told, in order."""
    assert [event.seq for event in answer.events.all()] == list(range(1, answer.events.count() + 1))
    return [event.data["position"] for event in answer.events.all()]


def a_second_passes():
    AnswerEvent.objects.update(at=Now() - Answer.LEASE)


def test_those_who_wait_hear_when_they_move_up(ask_as, asker):
    first, second, third = (ask_as(factories.user())[0] for _ in range(3))
    stop(Turn.objects.get(answers=first).session.user, first.pk)
    a_second_passes()
    assert set(moved_up()) == ids(second, third)
    assert (places(second), places(third)) == ([1, 0], [2, 1])


def test_a_place_that_stays_is_not_told_again(ask_as, asker):
    ask_as(asker, 3)
    a_second_passes()
    assert moved_up() == {}


def test_places_are_told_at_most_once_a_second(ask_as, asker):
    first, second = ask_as(asker, 2)
    Answer.objects.filter(pk=first.pk).update(status=Answer.Status.STOPPED)
    assert moved_up() == {}
    a_second_passes()
    assert list(moved_up()) == [second.pk]
