"""Admission: a web process records and starts a question at once, or leaves it in the queue if it cannot."""

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.http import Http404

from chat.asking.turns import Question, submit_async
from chat.log.follow import follow, follow_in_batches
from chat.models import Answer, Session, Turn
from chat.queue import claims
from chat.queue.runner import Runner
from core.db.threads import to_thread
from models_registry.models import Endpoint
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask_here(asker, endpoint):
    """Return a function that asks in the event loop and returns the turn and the first events of its logs."""

    async def ask_here(user=asker, **fields):
        fields = {"session_id": None, "message_id": uuid4().hex, "endpoints": [endpoint]} | fields
        return await submit_async(user, Question(text="What is a pump?", **fields))

    return ask_here


async def followed(answer):
    """Return all events of the answer."""
    async with asyncio.timeout(20), aclosing(follow(answer.pk)) as events:
        return [event async for event in events]


async def answers_of(*turns):
    return await to_thread(lambda: list(Answer.objects.filter(turn__in=turns)))()


def _transactions():
    """Return the ids of the transactions that inserted turns, and of those that started answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text FROM chat_turn")
        made = {row[0] for row in cursor.fetchall()}
        cursor.execute("SELECT xmin::text FROM chat_answerevent WHERE kind = 'started'")
        return made, {row[0] for row in cursor.fetchall()}


async def test_a_question_is_recorded_and_claimed_in_one_transaction(ask_here):
    async with Runner():
        turn, begun = await ask_here()
        [answer] = await answers_of(turn)
        events = [
            event async for batch in follow_in_batches(answer.pk, 0, begun[answer.pk]) for event in batch
        ]
    assert [(event.seq, event.kind) for event in events[:2]] == [(1, "queued"), (2, "started")]
    assert events == await followed(answer)
    recorded, claimed = await to_thread(_transactions)()
    assert recorded == claimed


async def test_questions_that_come_together_share_transactions(ask_here):
    async with Runner():
        asked = await asyncio.gather(*[ask_here() for _ in range(30)])
        answers = await answers_of(*[turn for turn, _ in asked])
        await asyncio.gather(*map(followed, answers))
    recorded, _ = await to_thread(_transactions)()
    assert len(answers) == 30
    assert len(recorded) < 10


async def test_the_next_question_of_a_session_knows_what_was_said(ask_here, model):
    async with Runner():
        turn, _ = await ask_here()
        await followed((await answers_of(turn))[0])
        again, _ = await ask_here(session_id=turn.session_id)
        await followed((await answers_of(again))[0])
    assert [len(chat.body["messages"]) for chat in model.chats] == [2, 4]


async def test_one_message_sent_five_times_at_once_is_one_turn(ask_here, model):
    async with Runner():
        asked = await asyncio.gather(*[ask_here(message_id="m-1") for _ in range(5)])
        [turn] = {turn.pk for turn, _ in asked}
        await followed((await answers_of(turn))[0])
    assert len(model.chats) == 1


async def test_a_session_of_somebody_else_is_not_there(ask_here):
    async with Runner():
        turn, _ = await ask_here()
        stranger = await to_thread(factories.user)()
        with pytest.raises(Http404):
            await ask_here(user=stranger, session_id=turn.session_id)
    assert await to_thread(Turn.objects.count)() == 1


async def test_a_question_that_cannot_be_recorded_spoils_only_itself(ask_here, endpoint):
    gone = Endpoint(name="gone", kind=Endpoint.Kind.CHAT, provider="quotes")
    async with Runner():
        both: tuple[Any, Any] = await asyncio.gather(
            ask_here(), ask_here(endpoints=[gone]), return_exceptions=True
        )
        (turn, _), refusal = both
        [answer] = await answers_of(turn)
        assert (await followed(answer))[-1].kind == "finished"
    assert isinstance(refusal, Exception)
    assert await to_thread(Turn.objects.count)() == 1


async def test_without_a_runner_a_question_waits(ask_here):
    turn, begun = await ask_here()
    [answer] = await answers_of(turn)
    assert (begun, answer.status) == ({}, "queued")


async def test_without_room_a_question_waits_and_its_place_is_told(ask_here, endpoint, model):
    await to_thread(Endpoint.objects.update)(max_concurrent=1)
    model.behaviour.first_token_s = 0.5
    async with Runner():
        await ask_here()
        second, begun = await ask_here()
        [answer] = await answers_of(second)
        assert [event.kind for event in begun[answer.pk]] == ["queued"]
        assert (await followed(answer))[-1].kind == "finished"


async def test_a_question_is_recorded_while_another_process_claims(ask_here):
    locked, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def claim_slowly():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [claims._LOCK])
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [claims._LOCK])

    claiming = asyncio.create_task(to_thread(claim_slowly)())
    async with Runner():
        await locked.wait()
        async with asyncio.timeout(5):
            turn, begun = await ask_here()
        [answer] = await answers_of(turn)
        assert [event.kind for event in begun[answer.pk]] == ["queued"]
        release.set()
        assert (await followed(answer))[-1].kind == "finished"
    await claiming


async def test_a_question_that_waits_for_its_session_keeps_no_other_process_from_claiming(ask_here, ask):
    turn, _ = await ask_here()
    await to_thread(claims.claim_next)(1, [])
    locked, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold_the_session():
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=turn.session_id)
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)

    holding = asyncio.create_task(to_thread(hold_the_session)())
    async with Runner():
        await locked.wait()
        waiting = asyncio.create_task(ask_here(session_id=turn.session_id))
        await asyncio.sleep(0.3)
        other = await to_thread(ask)()
        try:
            async with asyncio.timeout(5):
                [claim] = await to_thread(claims.claim_next)(1, [])
        finally:
            release.set()
            await asyncio.gather(holding, waiting)
    assert claim.answer.turn_id == other.pk
