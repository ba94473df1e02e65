"""Claims: fair scheduling, priorities and concurrency limits of the answer queue."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from chat.asking.turns import stop
from chat.models import Answer, AnswerEvent, LastTurn, Turn
from chat.queue import claims
from chat.queue.claims import BATCH_INTERVAL, claim_next, publish_queue_positions
from chat.queue.runner import Runner
from core.db.threads import to_thread
from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask_as(ask):
    """Return a function that asks `count` questions as a user and returns the answers."""

    def ask_as(user, count=1):
        return [ask(user=user).just_recorded[0] for _ in range(count)]

    return ask_as


def taken(room=100, own=()):
    return [claim.answer.pk for claim in claim_next(room, list(own))]


def ids(*answers):
    return {answer.pk for answer in answers}


def test_users_take_turns_whoever_asked_first_and_most(ask_as):
    busy, patient = factories.user(), factories.user()
    many, [one] = ask_as(busy, 5), ask_as(patient)
    assert set(taken(room=2)) == ids(many[0], one)
    assert set(taken(room=2)) == ids(many[1], many[2])


@pytest.fixture
def one_after_the_other(endpoint):
    """Return a function that ends answers one at a time, and returns the users' names of the next `count`."""
    Endpoint.objects.update(max_concurrent=1)

    def one_after_the_other(count):
        names = []
        for _ in range(count):
            Answer.objects.filter(status=Answer.Status.RUNNING).update(status=Answer.Status.FINISHED)
            names += Answer.objects.filter(pk__in=taken()).values_list(
                "turn__session__user__username", flat=True
            )
        return "".join(names)

    return one_after_the_other


def test_the_early_do_not_all_go_before_the_late(ask_as, one_after_the_other):
    early, late, latest = (factories.user(username=name) for name in "abc")
    ask_as(early, 8)
    assert one_after_the_other(1) == "a"
    ask_as(late, 3)
    assert one_after_the_other(3) == "aba"
    ask_as(latest)
    assert one_after_the_other(6) == "cbabaa"


def test_the_places_in_the_queue_are_those_of_the_claim(ask_as, one_after_the_other):
    early, late = factories.user(username="a"), factories.user(username="b")
    many = ask_as(early, 5)
    one_after_the_other(1)
    [one] = ask_as(late)
    one_after_the_other(1)
    a_second_passes()
    publish_queue_positions()
    assert places(one)[-1] == 0
    assert [places(each)[-1] for each in many[2:]] == [1, 2, 3]


def test_nobodys_turn_is_noted_while_nobody_else_waits(ask_as, one_after_the_other):
    ask_as(factories.user(), 3)
    one_after_the_other(3)
    assert not LastTurn.objects.exists()


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
async def test_a_claim_that_waited_for_another_one_has_its_whole_lease(ask, monkeypatch):
    monkeypatch.setattr(Answer, "LEASE", timedelta(seconds=1))
    answer = (await to_thread(ask)()).just_recorded[0]
    holding = asyncio.create_task(to_thread(_hold_the_queue)(1.5))
    await asyncio.sleep(0.2)
    assert await to_thread(taken)() == [answer.pk]
    await holding
    assert await to_thread(taken)() == []


def _hold_the_queue(seconds):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [claims._LOCK])
        time.sleep(seconds)


@pytest.mark.django_db(transaction=True)
async def test_two_runners_together_keep_to_an_endpoint_s_limit(ask, model):
    await to_thread(Endpoint.objects.update)(max_concurrent=3)
    model.behaviour.first_token_s = 0.15
    most = 0
    for _ in range(12):
        await to_thread(ask)(user=await to_thread(factories.user)())
    async with asyncio.timeout(20), Runner(), Runner():
        while await to_thread(Answer.objects.exclude(status=Answer.Status.FINISHED).exists)():
            running = await to_thread(Answer.objects.filter(status=Answer.Status.RUNNING).count)()
            most = max(most, running)
    assert most == 3
    assert len(model.chats) == 12


# --- queue positions -----------------------------------------------------------------------------


def places(answer):
    """Return the queue positions in the answer's log, in order."""
    assert [event.seq for event in answer.events.all()] == list(range(1, answer.events.count() + 1))
    return [event.data["position"] for event in answer.events.all()]


def a_second_passes():
    AnswerEvent.objects.update(at=Now() - Answer.LEASE)


def test_those_who_wait_hear_when_they_move_up(ask_as, asker):
    first, second, third = (ask_as(factories.user())[0] for _ in range(3))
    stop(Turn.objects.get(answers=first).session.owner, first.pk)
    a_second_passes()
    assert set(publish_queue_positions()) == ids(second, third)
    assert (places(second), places(third)) == ([1, 0], [2, 1])


def test_a_place_that_stays_is_not_told_again(ask_as, asker):
    ask_as(asker, 3)
    a_second_passes()
    assert publish_queue_positions() == {}


def test_places_are_told_at_most_once_a_second(ask_as, asker):
    first, second = ask_as(asker, 2)
    Answer.objects.filter(pk=first.pk).update(status=Answer.Status.STOPPED)
    assert publish_queue_positions() == {}
    a_second_passes()
    assert list(publish_queue_positions()) == [second.pk]


# --- batch answers -------------------------------------------------------------------------------


@pytest.fixture
def batch(ask):
    """Return a function that records batch questions and returns their answers."""

    def batch(count=1, **fields):
        user = fields.pop("user", None) or factories.user()
        return [ask(user=user, is_batch=True, **fields).just_recorded[0] for _ in range(count)]

    return batch


@pytest.fixture
def a_batch_answer_just_began(batch):
    [just] = batch()
    assert taken() == [just.pk]
    Answer.objects.filter(pk=just.pk).update(status=Answer.Status.FINISHED)
    return just


def test_somebody_who_waits_goes_before_all_batches(ask_as, batch, a_batch_answer_just_began):
    early, waiting = batch(3), [ask_as(factories.user())[0] for _ in range(2)]
    assert set(taken(room=2)) == ids(*waiting)
    assert set(taken()) == ids(*early)


def test_a_users_own_question_goes_before_their_batch(ask_as, asker, batch, settings):
    settings.ANSWERS_PER_USER = 1
    batch(2, user=asker)
    [waiting] = ask_as(asker)
    assert taken() == [waiting.pk]


def test_a_busy_endpoint_begins_a_batch_answer_now_and_then(ask_as, batch, a_batch_answer_just_began):
    Endpoint.objects.update(max_concurrent=1)
    first, _ = batch(2)
    waiting = [ask_as(factories.user())[0] for _ in range(3)]
    assert taken() == [waiting[0].pk]
    Answer.objects.filter(pk=waiting[0].pk).update(status=Answer.Status.FINISHED)
    Answer.objects.filter(pk=a_batch_answer_just_began.pk).update(started_at=Now() - 2 * BATCH_INTERVAL)
    assert taken() == [first.pk]
    Answer.objects.filter(pk=first.pk).update(status=Answer.Status.FINISHED)
    assert taken() == [waiting[1].pk]  # the next batch answer waits for BATCH_INTERVAL again


def test_each_endpoint_has_its_own_share_of_batches(ask, batch, ask_as, a_batch_answer_just_began):
    other = factories.chat_endpoint()
    here, [elsewhere] = batch(), batch(endpoints=[other])
    waiting = ask(user=factories.user(), endpoints=[other]).just_recorded[0]
    assert taken(room=1) == [elsewhere.pk]
    assert taken(room=1) == [waiting.pk]
    assert taken(room=1) == [here[0].pk]


def test_batches_of_several_users_take_turns(batch, a_batch_answer_just_began):
    many, [one] = batch(5), batch()
    assert set(taken(room=2)) == ids(many[0], one)


def test_the_place_of_somebody_who_waits_does_not_count_batches(ask_as, batch):
    many = batch(3)
    [waiting] = ask_as(factories.user())
    assert places(waiting) == [0]
    a_second_passes()
    publish_queue_positions()
    assert [places(each)[-1] for each in many] == [1, 2, 3]


def test_the_claim_reads_only_what_waits_or_is_written(ask_as, batch):
    """With many old answers, the claim's query plan still uses the indexes that exist for it."""
    ask_as(factories.user(), 3), batch(3)
    ended = Answer(status=Answer.Status.FINISHED, turn=Turn.objects.first(), endpoint_name="m", is_batch=True)
    Answer.objects.bulk_create(
        Answer(status=ended.status, turn=ended.turn, endpoint_name="m", is_batch=n % 2 == 1)
        for n in range(5_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_answer")
        limits: dict[str, Any] = {"of_user": 8, "lease_s": 8, "batch_every_s": 30, "room": 10, "own": []}
        cursor.execute(f"EXPLAIN {claims._CLAIM}", limits)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan on chat_answer " not in plan
    assert "answer_to_claim" in plan
    assert "batch_begun" in plan
