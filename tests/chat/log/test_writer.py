"""Log first, then show: group commit, fencing, and following a log from any event on."""

import asyncio
import json
from contextlib import aclosing
from uuid import uuid4

import pytest
import pytest_asyncio
from channels.layers import get_channel_layer
from django.db import connection

from chat.log import fanout
from chat.log import follow as log_follow
from chat.log.events import Delta, Finished, Logged, Started
from chat.log.fanout import event_bus
from chat.log.follow import follow
from chat.log.writer import EventsRejected, LogWriter
from chat.models import Answer, AnswerEvent, Session
from core.db.threads import to_thread
from core.leases import Superseded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def answer(transactional_db, ask):
    """Return an answer that was claimed once. Its log has the first event."""
    answer = ask().answers.get()
    Answer.objects.update(status=Answer.Status.RUNNING, fence=1)
    return answer


@pytest_asyncio.fixture
async def writer():
    async with LogWriter() as writer:
        yield writer


@pytest.fixture
def answer_log(writer, answer):
    return writer.open(answer.pk, fence=1, seq=1)


def delta(text):
    return Delta(text)


def end():
    return Finished("stop")


def _ended(answer):
    Answer.objects.filter(pk=answer.pk).update(status=Answer.Status.FINISHED)


async def write_to_the_end(answer_log, answer, words):
    for word in words:
        answer_log.append(delta(word))
        await asyncio.sleep(0.01)
    answer_log.append(end(), in_same_transaction=lambda: _ended(answer))
    await answer_log.flush()


@to_thread
def logged(answer):
    rows = AnswerEvent.objects.filter(answer=answer).order_by("seq").values_list("seq", "kind", "data")
    return [Logged(*row) for row in rows]


async def followed(answer, after_seq=0, limit_s=10.0):
    async with asyncio.timeout(limit_s), aclosing(follow(answer.pk, after_seq)) as events:
        return [event async for event in events]


def text_of(events):
    return "".join(event.data["text"] for event in events if event.kind == "delta")


WORDS = [f"{number} " for number in range(40)]


# --- writing -------------------------------------------------------------------------------------


async def test_words_of_one_tick_become_one_event_and_none_is_lost(answer_log, answer):
    for word in WORDS:
        answer_log.append(delta(word))
    await answer_log.flush()
    events = await logged(answer)
    assert text_of(events) == "".join(WORDS)
    assert len(events) == 2


async def test_the_writers_of_many_answers_share_commits(writer, ask):
    def claimed():
        answers = [ask().answers.get() for _ in range(20)]
        Answer.objects.update(status=Answer.Status.RUNNING, fence=1)
        return answers

    answers = await to_thread(claimed)()
    before = await to_thread(_commits)()
    await asyncio.gather(*[write_to_the_end(writer.open(a.pk, 1, 1), a, WORDS) for a in answers])
    assert await to_thread(_commits)() - before < 200  # 820 events
    for each in answers:
        events = await logged(each)
        assert text_of(events) == "".join(WORDS)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


def _commits():
    with connection.cursor() as cursor:
        cursor.execute("select count(distinct xmin::text) from chat_answerevent")
        return cursor.fetchone()[0]


async def test_the_first_words_do_not_wait_for_a_tick(answer_log, answer, monkeypatch):
    monkeypatch.setattr("chat.log.writer.TICK_S", 60)
    answer_log.append(Started("model", 1))
    await asyncio.wait_for(answer_log.flush(), 5)
    answer_log.append(delta("first"))
    await asyncio.wait_for(answer_log.flush(), 5)
    answer_log.append(delta("second"))
    answer_log.append(end(), in_same_transaction=lambda: _ended(answer))
    await asyncio.wait_for(answer_log.flush(), 5)
    assert len(await logged(answer)) == 5


async def test_a_stale_writer_is_refused_and_told(answer_log, answer):
    answer_log.append(delta("mine"))
    await answer_log.flush()
    await to_thread(Answer.objects.update)(fence=2)
    answer_log.append(delta("too late"))
    with pytest.raises(Superseded):
        await answer_log.flush()
    with pytest.raises(Superseded):
        answer_log.append(delta("still too late"))
    assert text_of(await logged(answer)) == "mine"


async def test_a_stale_writer_does_not_hold_up_the_others(writer, answer_log, answer, ask):
    other = await to_thread(lambda: ask().answers.get())()
    await to_thread(Answer.objects.filter(pk=other.pk).update)(status=Answer.Status.RUNNING, fence=7)
    stale, good = writer.open(other.pk, fence=6, seq=1), answer_log
    stale.append(delta("stale"))
    good.append(delta("good"))
    await good.flush()
    with pytest.raises(Superseded):
        await stale.flush()
    assert text_of(await logged(answer)) == "good"
    assert text_of(await logged(other)) == ""


async def test_what_goes_along_is_committed_with_its_event_or_not_at_all(answer_log, answer):
    def go_along():
        _ended(answer)
        raise ValueError("this row cannot be written")

    answer_log.append(delta("before"))
    await answer_log.flush()
    answer_log.append(end(), in_same_transaction=go_along)
    with pytest.raises(EventsRejected):
        await answer_log.flush()
    await to_thread(answer.refresh_from_db)()
    assert answer.status == Answer.Status.RUNNING
    assert [event.kind for event in await logged(answer)] == ["queued", "delta"]
    answer_log.append(end(), in_same_transaction=lambda: _ended(answer))  # the log continues without a gap
    await answer_log.flush()
    assert [event.seq for event in await logged(answer)] == [1, 2, 3]


async def test_words_that_cannot_be_stored_spoil_only_their_own_answer(writer, answer_log, answer, ask):
    other = await to_thread(lambda: ask().answers.get())()
    await to_thread(Answer.objects.filter(pk=other.pk).update)(status=Answer.Status.RUNNING, fence=1)
    bad = writer.open(other.pk, fence=1, seq=1)
    bad.append(delta("\0"))
    answer_log.append(delta("good"))
    await answer_log.flush()
    with pytest.raises(EventsRejected):
        await bad.flush()
    assert text_of(await logged(answer)) == "good"


async def test_the_log_waits_for_a_database_that_is_away(answer_log, answer, lose_connections):
    writing = asyncio.create_task(write_to_the_end(answer_log, answer, WORDS))
    for _ in range(3):
        await asyncio.sleep(0.05)
        await lose_connections()
    await asyncio.wait_for(writing, 20)
    await to_thread(connection.close_pool)()  # it may hold dead connections that the log no longer used
    events = await logged(answer)
    assert text_of(events) == "".join(WORDS)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


# --- following -----------------------------------------------------------------------------------


@pytest.mark.parametrize("after_seq", [0, 1, 5])
async def test_what_is_followed_live_is_what_the_log_holds(answer_log, answer, after_seq):
    following = [asyncio.create_task(followed(answer, after_seq)) for _ in range(2)]
    await asyncio.sleep(0.05)
    await write_to_the_end(answer_log, answer, WORDS)
    expected = [event for event in await logged(answer) if event.seq > after_seq]
    assert await asyncio.gather(*following) == [expected, expected]


async def test_every_event_is_committed_before_it_is_shown(answer_log, answer):
    writing = asyncio.create_task(write_to_the_end(answer_log, answer, WORDS))
    async with asyncio.timeout(10), aclosing(follow(answer.pk)) as events:
        async for event in events:
            assert await to_thread(AnswerEvent.objects.filter(answer=answer, seq=event.seq).exists)()
    await writing


async def test_following_begins_in_the_middle_of_the_writing(answer_log, answer):
    writing = asyncio.create_task(write_to_the_end(answer_log, answer, WORDS))
    following = []
    for after_seq in range(0, 10):
        following.append(asyncio.create_task(followed(answer, after_seq)))
        await asyncio.sleep(0.02)
    await writing
    events = await logged(answer)
    for after_seq, shown in enumerate(await asyncio.gather(*following)):
        assert shown == [event for event in events if event.seq > after_seq]


async def test_an_answer_that_ended_long_ago_is_replayed(answer_log, answer):
    await write_to_the_end(answer_log, answer, WORDS)
    events = await logged(answer)
    assert await followed(answer) == events
    assert await followed(answer, after_seq=events[-1].seq) == []
    assert await followed(answer, after_seq=events[-1].seq + 100) == []


async def test_a_log_longer_than_a_page_is_replayed_whole(answer_log, answer, monkeypatch):
    monkeypatch.setattr(log_follow, "PAGE", 3)
    await write_to_the_end(answer_log, answer, WORDS[:11])
    assert await followed(answer) == await logged(answer)


async def test_an_answer_that_is_deleted_ends_its_following(answer):
    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.1)
    await to_thread(Session.objects.all().delete)()
    assert [event.seq for event in await following] == [1]
    assert await followed(answer) == []


async def test_an_answer_that_never_was_ends_at_once():
    assert [event async for event in follow(uuid4())] == []


async def test_events_that_nobody_announced_are_found_in_the_log(answer):
    """Simulate that the message from another process was lost."""

    @to_thread
    def write_silently():
        for seq, event in [(2, delta("unheard ")), (3, end())]:
            AnswerEvent.objects.create(answer=answer, seq=seq, kind=event.kind, data=event.data)

    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.2)
    await write_silently()
    events = await asyncio.wait_for(following, 3)
    assert [event.seq for event in events] == [1, 2, 3]


async def test_a_message_lost_in_the_middle_leaves_no_gap(answer):
    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.2)
    for seq in range(2, 6):
        event = delta(f"{seq} ") if seq < 5 else end()
        row = AnswerEvent(answer=answer, seq=seq, kind=event.kind, data=event.data)
        await to_thread(row.save)(force_insert=True)
        if seq != 3:
            event_bus().deliver({answer.pk: [Logged(seq, event.kind, event.data)]})
    assert [event.seq for event in await asyncio.wait_for(following, 3)] == [1, 2, 3, 4, 5]


async def test_what_is_on_its_way_to_a_follower_is_not_read_from_the_log(answer, monkeypatch):
    """Each poll finds new events in the logs of a hundred streams.

    Reading all of them would delay every stream.
    """
    monkeypatch.setattr(fanout, "POLL_INTERVAL_S", 0.05)
    monkeypatch.setattr(fanout, "DELIVERY_GRACE_S", 1.5)  # long enough on a busy machine, too
    async with event_bus().attach(answer.pk, seq=1) as follower:
        assert await follower.take() == []  # the bus listens from now on; earlier events are in the log
        row = AnswerEvent(answer=answer, seq=2, kind="delta", data={"text": "late"})
        await to_thread(row.save)(force_insert=True)
        await asyncio.sleep(0.3)
        event_bus().deliver({answer.pk: [Logged(2, "delta", {"text": "late"})]})
        await asyncio.sleep(1.5)
        assert [event.seq for event in await follower.take()] == [2]


async def test_a_message_that_comes_twice_is_shown_once(answer_log, answer):
    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.1)
    answer_log.append(delta("once"))
    await answer_log.flush()
    event_bus().deliver({answer.pk: [Logged(2, "delta", {"text": "once"})]})
    answer_log.append(end(), in_same_transaction=lambda: _ended(answer))
    assert [event.seq for event in await following] == [1, 2, 3]


async def test_a_follower_hears_the_writer_of_another_process(answer, monkeypatch):
    """A thread with its own event loop stands in for the other process: it shares only the services."""
    monkeypatch.setattr(fanout, "POLL_INTERVAL_S", 30)

    async def write():
        async with LogWriter() as writer:
            answer_log = writer.open(answer.pk, fence=1, seq=1)
            await write_to_the_end(answer_log, answer, WORDS)
            await asyncio.sleep(0.2)

    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(asyncio.run, write())
    assert await asyncio.wait_for(following, 5) == await logged(answer)


async def test_a_follower_who_does_not_read_costs_bounded_memory(answer_log, answer, monkeypatch):
    monkeypatch.setattr(fanout, "MAX_BACKLOG", 5)
    async with aclosing(follow(answer.pk)) as events:
        shown = [await anext(events)]
        await write_to_the_end(answer_log, answer, WORDS)
        [follower] = event_bus()._subscribers[answer.pk]
        assert len(follower._waiting) <= 5
        shown += [event async for event in events]
    assert shown == await logged(answer)


async def test_leaving_leaves_nothing_behind(answer):
    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.2)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert not event_bus()._subscribers
    assert not event_bus()._tasks
    layer = get_channel_layer()
    assert not layer.groups
    assert not layer.channels


async def test_following_works_while_the_channel_layer_is_away(answer_log, answer, settings):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:9"]},
        }
    }
    following = asyncio.create_task(followed(answer))
    await asyncio.sleep(0.05)
    await write_to_the_end(answer_log, answer, WORDS)
    assert await following == await logged(answer)


async def test_events_are_plain_json(answer_log, answer):
    await write_to_the_end(answer_log, answer, ['a "quoted" {brace} 泵 🙂'])
    [event] = [event for event in await followed(answer) if event.kind == "delta"]
    assert json.loads(json.dumps(event.data)) == {"text": 'a "quoted" {brace} 泵 🙂'}
