"""The runner: answers are written even if no client listens, and end with a reason whatever process dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from chat.asking import turns
from chat.asking.sessions import delete_session
from chat.log.follow import follow
from chat.models import Answer, Session
from chat.queue import runner as runner_module
from chat.queue.attempt import SET_UP_WRONGLY
from chat.queue.runner import MAX_CLAIMS, Runner
from core.db.threads import to_thread
from models_registry.models import Endpoint
from models_registry.probe import probe
from models_registry.tasks import check_all
from tests import factories
from tests.fakes.openai_server import UNGROUNDED, Behaviour

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = {"status": Answer.Status.RUNNING, "fence": 1}


@pytest.fixture
def answer(transactional_db, ask):
    return ask().answers.get()


async def followed(answer, until=None, limit_s=20.0):
    """Return the answer's events up to the end, or up to the first event of the kind `until`."""
    shown = []
    async with asyncio.timeout(limit_s), aclosing(follow(answer.pk)) as events:
        async for event in events:
            shown.append(event)
            if event.kind == until:
                break
    return shown


def kinds(events):
    """Return the kinds of events in order, with each run of the same kind as one."""
    named = [event.kind for event in events]
    return [kind for place, kind in enumerate(named) if place == 0 or kind != named[place - 1]]


def text_of(events):
    begun = max((place for place, event in enumerate(events) if event.kind == "restarted"), default=0)
    return "".join(event.data["text"] for event in events[begun:] if event.kind == "delta")


async def ended(answer):
    """Start a runner until the answer has ended. Return its events and its row."""
    async with Runner():
        events = await followed(answer)
    await to_thread(answer.refresh_from_db)()
    return events, answer


@asynccontextmanager
async def writing(answer):
    """Start a runner, and yield it when the answer has its first words."""
    async with Runner(grace_s=0.2) as runner:
        await followed(answer, until="delta")
        yield runner


async def test_an_answer_is_written_and_its_row_says_what_the_log_says(answer, endpoint):
    await to_thread(Endpoint.objects.update)(input_price=2, output_price=4)
    events, row = await ended(answer)
    assert kinds(events) == ["queued", "started", "delta", "usage", "finished"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert text_of(events) == row.text == UNGROUNDED
    assert (row.status, row.grounding, row.error) == (Answer.Status.FINISHED, Answer.Grounding.NONE, "")
    usage = next(event.data for event in events if event.kind == "usage")
    assert (row.input_tokens, row.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert row.cost == Decimal(usage["cost"]) == endpoint_cost(row)
    assert row.created_at <= row.started_at <= row.first_token_at <= row.ended_at
    assert row.trace["prompt"][-1] == {"role": "user", "text": "What is a pump?"}
    assert row.trace["finish_reason"] == "stop"


def endpoint_cost(row):
    return Decimal(row.input_tokens * 2 + row.output_tokens * 4) / 1_000_000


@pytest.fixture
def no_looking(monkeypatch):
    """Disable polling, so that a runner looks for work only when it is woken."""
    monkeypatch.setattr(runner_module, "POLL_INTERVAL_S", 60)


async def test_a_question_submitted_here_is_begun_at_once(ask, no_looking):
    async with Runner():
        await asyncio.sleep(0.3)
        turn = await to_thread(ask)()
        await followed(await to_thread(turn.answers.get)(), until="delta")


async def test_a_question_submitted_elsewhere_is_begun_by_a_nudge(ask, no_looking):
    async with Runner():
        await asyncio.sleep(1)  # until the runner listens
        answer = await asyncio.to_thread(_ask_in_another_process, ask)
        await followed(answer, until="delta")


def _ask_in_another_process(ask):
    """Ask as another process would: in a thread outside our event loop, with no visible local runner."""
    here, runner_module._local_runner = runner_module._local_runner, None
    try:
        return ask().answers.get()
    finally:
        runner_module._local_runner = here
        connection.close()


async def test_one_message_sent_five_times_is_one_call_of_the_model(ask, model):
    async with Runner():
        sent = [to_thread(ask)(message_id="m-1") for _ in range(5)]
        [turn] = set(await asyncio.gather(*sent))
        await followed(await to_thread(turn.answers.get)())
    assert len(model.chats) == 1


async def test_two_runners_share_the_work_without_doubling_any(ask, model):
    answers = await to_thread(lambda: [ask().answers.get() for _ in range(20)])()
    async with Runner(concurrency=3), Runner(concurrency=3):
        logs = await asyncio.gather(*map(followed, answers))
    assert len(model.chats) == 20
    assert all(kinds(events)[-1] == "finished" for events in logs)


async def test_no_more_than_so_many_are_written_at_once(ask, model):
    model.behaviour.first_token_s = 1
    answers = await to_thread(lambda: [ask().answers.get() for _ in range(4)])()
    async with Runner(concurrency=2) as runner:
        await asyncio.gather(*[followed(answer, until="started") for answer in answers[:2]])
        assert not runner.has_room
        assert [len(await followed(answer, until="queued")) for answer in answers[2:]] == [1, 1]
        assert len(model.chats) <= 2
        logs = await asyncio.gather(*map(followed, answers))
    assert all(kinds(events)[-1] == "finished" for events in logs)


async def test_a_session_is_remembered(ask, model, asker):
    turn = await to_thread(ask)("Who is Ada?")
    await ended(await to_thread(turn.answers.get)())
    second = await to_thread(ask)("And her mother?", session_id=turn.session_id)
    await ended(await to_thread(second.answers.get)())
    said = [message["content"] for message in model.chats[-1].body["messages"]][1:]
    assert said == ["Who is Ada?", UNGROUNDED, "And her mother?"]


# --- stopping ------------------------------------------------------------------------------------


async def test_stop_keeps_the_words_already_written_and_what_they_cost(answer, asker, model, no_looking):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with Runner():
        await followed(answer, until="delta")
        await to_thread(turns.stop)(asker, answer.pk)
        events = await followed(answer, limit_s=5)
        await model.wait_abandoned()
    await to_thread(answer.refresh_from_db)()
    assert kinds(events)[-2:] == ["usage", "stopped"]
    assert answer.status == Answer.Status.STOPPED
    assert answer.text == text_of(events) != ""
    assert answer.output_tokens > 0
    assert next(event.data for event in events if event.kind == "usage")["is_estimate"]


async def test_stop_reaches_an_answer_that_another_process_writes(answer, asker, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with Runner():
        await followed(answer, until="delta")
        await to_thread(Answer.objects.update)(stop_requested=True)  # without a message to the runner
        events = await followed(answer, limit_s=5)
    assert kinds(events)[-1] == "stopped"


async def test_stop_before_the_first_word_ends_the_waiting(answer, asker, model):
    model.behaviour.first_token_s = 60
    async with Runner():
        await followed(answer, until="started")
        await to_thread(turns.stop)(asker, answer.pk)
        events = await followed(answer, limit_s=3)
    assert kinds(events)[-1] == "stopped"
    assert text_of(events) == ""


# --- models that misbehave -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "words", "is_retryable", "text"),
    [
        pytest.param({"status": 429}, "slow", True, "", id="429"),
        pytest.param({"status": 500}, "", True, "", id="500"),
        pytest.param({"status": 401}, "", False, "", id="401"),
        pytest.param({"body": "<html>Bad gateway</html>"}, "", True, "", id="rubbish"),
        pytest.param({"stall_after": 0}, "first word", True, "", id="stalls before the first word"),
        pytest.param({"stall_after": 3}, "next word", True, "This is a ", id="stalls in the middle"),
        pytest.param({"drop_after": 3}, "", True, "This is a ", id="drops in the middle"),
        pytest.param({"garbage_after": 3}, "", True, "This is a ", id="rubbish in the middle"),
        pytest.param({"error_after": 3}, "told to fail", True, "This is a ", id="error in the middle"),
    ],
)
async def test_a_model_that_fails_ends_the_answer_with_its_words_kept(
    answer, model, behaviour, words, is_retryable, text
):
    await to_thread(Endpoint.objects.update)(first_token_timeout_s=1.5, between_tokens_timeout_s=0.5)
    model.behaviour = Behaviour(**behaviour, between_tokens_s=0.01)
    events, row = await ended(answer)
    [failed] = [event for event in events if event.kind == "failed"]
    assert failed == events[-1]
    assert failed.data == {"error": row.error, "retryable": is_retryable}
    assert words in row.error
    assert row.error.endswith(".")
    assert row.status == Answer.Status.FAILED
    assert row.text == text_of(events) == text


async def test_of_several_models_one_fails_and_one_is_stopped_without_the_others(ask, asker, model):
    model.models = {"bad": Behaviour(status=400), "slow": Behaviour(tokens=1000, between_tokens_s=0.02)}

    def asked():
        names = ("good", "bad", "slow")
        models = [
            factories.chat_endpoint(name=name, base_url=model.base_url, model=name, output_price=place)
            for place, name in enumerate(names)
        ]
        return list(ask(endpoints=models).answers.all())

    good, bad, slow = answers = await to_thread(asked)()
    async with Runner():
        await asyncio.gather(followed(good), followed(bad), followed(slow, until="delta"))
        await to_thread(turns.stop)(asker, slow.pk)
        logs = await asyncio.gather(*map(followed, answers))
    rows = await to_thread(lambda: [Answer.objects.get(pk=each.pk) for each in answers])()
    assert [row.status for row in rows] == ["finished", "failed", "stopped"]
    assert [bool(row.text) for row in rows] == [True, False, True]
    assert [row.cost > 0 for row in rows] == [False, False, True]
    assert [text_of(log) for log in logs] == [row.text for row in rows]


async def test_a_session_goes_while_its_answer_is_written(answer, asker, model):
    model.behaviour = Behaviour(tokens=1000, between_tokens_s=0.01)
    async with writing(answer) as runner:
        deleting = [asyncio.create_task(to_thread(_hold_the_passages)(0.4))]
        await asyncio.sleep(0.1)
        deleting.append(asyncio.create_task(to_thread(delete_session)(asker, answer.turn.session_id)))
        await asyncio.gather(*deleting)
        await model.wait_abandoned()
        assert runner.has_room
    assert not await to_thread(Session.objects.exists)()


def _hold_the_passages(seconds):
    """Make a transaction that deletes an answer wait in the middle, with a table lock."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_answerpassage IN SHARE MODE")
        time.sleep(seconds)


async def test_a_model_that_does_not_run_is_said_to_be_down(answer, endpoint):
    endpoint.options = {"base_url": "http://127.0.0.1:9/v1"}
    await to_thread(endpoint.save)()
    _, row = await ended(answer)
    assert "Nothing answers at 127.0.0.1:9" in row.error


async def test_a_missing_key_is_named_by_its_reference_in_the_log_and_costs_nothing(answer, endpoint, caplog):
    endpoint.secret_ref = "env:RAGSITE_TEST_KEY_THAT_IS_NOT_SET"
    await to_thread(endpoint.save)()
    _, row = await ended(answer)
    assert (row.error, row.cost) == (SET_UP_WRONGLY, 0)
    assert "RAGSITE_TEST_KEY_THAT_IS_NOT_SET" in caplog.text


@pytest.mark.parametrize("status", [401, 404])
async def test_what_only_an_operator_can_mend_is_told_to_operators(answer, model, caplog, status):
    model.behaviour = Behaviour(status=status, error="Incorrect API key provided: sk-abc1234")
    _, row = await ended(answer)
    assert row.error == SET_UP_WRONGLY
    assert "Incorrect API key provided: (key)." in caplog.text


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_call_that_the_server_refused_costs_nothing(answer, model, status):
    await to_thread(Endpoint.objects.update)(input_price=2, output_price=4)
    model.behaviour = Behaviour(status=status)
    events, row = await ended(answer)
    assert (row.cost, row.input_tokens, row.output_tokens) == (0, 0, 0)
    assert not [event for event in events if event.kind == "usage"]


async def test_a_call_without_a_first_word_is_estimated_because_the_server_may_have_read_the_prompt(
    answer, model
):
    await to_thread(Endpoint.objects.update)(first_token_timeout_s=0.5, input_price=2)
    model.behaviour = Behaviour(stall_after=0)
    _, row = await ended(answer)
    assert row.cost > 0


async def test_a_connection_that_breaks_while_the_model_thinks_costs_what_it_thought(answer, model):
    await to_thread(Endpoint.objects.update)(output_price=4)
    model.behaviour = Behaviour(reasoning="Water moves. " * 400, drop_after=0)
    events, row = await ended(answer)
    assert row.status == Answer.Status.FAILED
    assert (row.text, kinds(events)[-2:]) == ("", ["usage", "failed"])
    assert row.output_tokens > 800
    assert row.cost > 0


async def test_a_model_that_was_removed_is_named(answer, endpoint):
    await to_thread(endpoint.delete)()
    _, row = await ended(answer)
    assert endpoint.name in row.error
    assert row.status == Answer.Status.FAILED


async def test_a_workspace_taken_away_while_the_question_waits_is_not_searched(ask, asker):
    def ask_and_lose_it():
        workspace = factories.workspace()
        membership = workspace.memberships.create(user=asker)
        turn = ask(workspace_id=workspace.pk)
        membership.delete()
        return turn.answers.get()

    _, row = await ended(await to_thread(ask_and_lose_it)())
    assert "not shared with you" in row.error


async def test_an_error_of_ours_has_a_reference_that_the_log_has_too(answer, model, caplog):
    await to_thread(Answer.objects.update)(parameters={"odd": 1})
    _, row = await ended(answer)
    reference = row.error.split("reference ")[1][:8]
    assert "went wrong" in row.error
    assert "odd" not in row.error
    assert reference in caplog.text


async def test_a_server_that_counts_absurdly_is_not_believed(answer, model, monkeypatch):
    monkeypatch.setattr(
        "tests.fakes.openai_server._usage",
        lambda body, words: {"prompt_tokens": -5, "completion_tokens": 10**30, "total_tokens": 0},
    )
    _, row = await ended(answer)
    assert row.status == Answer.Status.FINISHED
    assert 0 < row.input_tokens < 1000, "it is estimated"
    assert row.text == UNGROUNDED


async def test_thinking_is_logged_and_kept_apart_from_the_answer(answer, model):
    model.behaviour = Behaviour(
        reasoning="Water moves. ", text="<think>It is a machine.</think>\n\nA pump [1]."
    )
    events, row = await ended(answer)
    assert kinds(events) == ["queued", "started", "thinking", "delta", "usage", "finished"]
    assert row.text == text_of(events) == "A pump [1]."
    assert row.trace["thinking"] == "Water moves. It is a machine."


async def test_thinking_is_neither_history_nor_summary(ask, model, asker):
    model.behaviour = Behaviour(text="Secretly blue.\n</think>\n\nA pump.")
    first = await to_thread(ask)()
    await ended(await to_thread(first.answers.get)())
    second = await to_thread(ask)("And why?", session_id=first.session_id)
    await ended(await to_thread(second.answers.get)())
    sent = model.chats[-1].body["messages"]
    assert {"role": "assistant", "content": "A pump."} in sent
    assert "blue" not in str(sent)


async def test_thinking_in_an_answer_of_an_earlier_build_is_not_sent_back(ask, model):
    first = await to_thread(ask)()
    kept = {"status": "finished", "text": "<think>Secretly blue.</think>A pump."}
    await to_thread(first.answers.update)(**kept)
    second = await to_thread(ask)("And why?", session_id=first.session_id)
    await ended(await to_thread(second.answers.get)())
    assert {"role": "assistant", "content": "A pump."} in model.chats[-1].body["messages"]


async def test_a_stopped_answer_keeps_no_thinking_as_its_text(answer, model):
    model.behaviour = Behaviour(text="Secretly blue. </think>" + "A pump. " * 200, between_tokens_s=0.01)
    async with writing(answer):
        await followed(answer, until="thinking")
        await to_thread(turns.stop)(answer.turn.session.user, answer.pk)
        await followed(answer)
    await to_thread(answer.refresh_from_db)()
    assert answer.status == Answer.Status.STOPPED
    assert "blue" not in answer.text


async def test_a_silent_server_s_tokens_are_estimated_and_it_says_so(answer, model):
    model.behaviour.has_usage = False
    events, row = await ended(answer)
    assert next(event.data for event in events if event.kind == "usage")["is_estimate"]
    assert row.output_tokens > 0


async def test_what_postgres_cannot_keep_is_left_out_of_an_answer(answer, model):
    model.behaviour.text = "a\0b c"
    events, row = await ended(answer)
    assert row.status == Answer.Status.FINISHED
    assert row.text == text_of(events) == "ab c"


# --- processes that die --------------------------------------------------------------------------


@to_thread
def abandon(answer, events=()):
    """Leave an answer in the state in which a process leaves it that was killed some time ago."""
    fields = LEASE | {"lease_until": Now() - Answer.LEASE}
    Answer.objects.filter(pk=answer.pk).update(**fields)
    for seq, (kind, data) in enumerate(events, 2):
        answer.events.create(seq=seq, kind=kind, data=data)


async def test_an_answer_of_a_dead_process_is_taken_over_silently_if_nothing_was_shown(answer):
    await abandon(answer, [("started", {"model": "m", "fence": 1})])
    events, row = await ended(answer)
    assert kinds(events) == ["queued", "started", "delta", "usage", "finished"]
    assert (row.text, row.fence) == (UNGROUNDED, 2)


async def test_an_answer_of_a_dead_process_is_begun_anew_if_words_were_shown(answer):
    await abandon(answer, [("started", {"model": "m", "fence": 1}), ("delta", {"text": "Half an"})])
    events, row = await ended(answer)
    assert kinds(events) == [
        "queued", "started", "delta", "started", "restarted", "delta", "usage", "finished"
    ]  # fmt: skip
    assert text_of(events) == row.text == UNGROUNDED


async def test_an_abandoned_answer_that_was_to_stop_keeps_its_words(answer, asker, model):
    await abandon(answer, [("delta", {"text": "Half an"})])
    await to_thread(turns.stop)(asker, answer.pk)
    events, row = await ended(answer)
    assert kinds(events) == ["queued", "delta", "stopped"]
    assert (row.text, row.status) == ("Half an", Answer.Status.STOPPED)
    assert not model.chats


async def test_an_answer_that_keeps_killing_its_process_is_given_up(answer, model):
    await abandon(answer, [("delta", {"text": "Half an"})])
    await to_thread(Answer.objects.update)(fence=MAX_CLAIMS)
    _, row = await ended(answer)
    assert "interrupted too often" in row.error
    assert row.text == "Half an"
    assert not model.chats


async def test_a_lease_in_force_is_left_alone(answer, model):
    await to_thread(Answer.objects.update)(**LEASE, lease_until=Now() + Answer.LEASE)
    async with Runner():
        await asyncio.sleep(1.3)
    assert not model.chats


async def test_leases_are_renewed_while_a_slow_model_thinks(answer, model):
    model.behaviour.first_token_s = 60
    async with Runner(grace_s=0):
        await followed(answer, until="started")
        before = await to_thread(Answer.objects.get)(pk=answer.pk)
        await asyncio.sleep(2.2)
        after = await to_thread(Answer.objects.get)(pk=answer.pk)
    assert (after.lease_until - before.lease_until).total_seconds() > 1


async def test_a_lease_that_ran_out_in_a_pause_is_renewed_by_its_own_runner(answer, model):
    model.behaviour = Behaviour(tokens=50, between_tokens_s=0.05)
    async with writing(answer):
        await to_thread(Answer.objects.update)(lease_until=Now() - Answer.LEASE)
        events = await followed(answer)
    await to_thread(answer.refresh_from_db)()
    assert (answer.fence, answer.status) == (1, Answer.Status.FINISHED)
    assert kinds(events).count("started") == 1


async def test_a_runner_that_lost_its_lease_stops_writing(answer, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with writing(answer):
        await to_thread(Answer.objects.update)(fence=9, lease_until=Now() + Answer.LEASE)
        await model.wait_abandoned()
    await to_thread(answer.refresh_from_db)()
    assert (answer.status, answer.fence) == (Answer.Status.RUNNING, 9)


async def test_leaving_lets_answers_end(answer, model):
    model.behaviour = Behaviour(tokens=20, between_tokens_s=0.02)
    async with Runner():
        await followed(answer, until="delta")
    await to_thread(answer.refresh_from_db)()
    assert answer.status == Answer.Status.FINISHED
    assert len(answer.text.split()) == 20


async def test_what_takes_too_long_to_end_goes_to_another_process_at_once(answer, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with writing(answer):
        pass
    model.behaviour = Behaviour()
    async with Runner():
        events = await followed(answer, limit_s=6)  # much less than the lease
    assert "restarted" in kinds(events)
    assert text_of(events) == UNGROUNDED


async def test_a_process_killed_in_the_middle_is_taken_over(answer, model, monkeypatch):
    """Kill a real process with a real SIGKILL. Its lease is shortened to keep the test short."""
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    process = await asyncio.to_thread(_start_runner_process)
    try:
        shown = await followed(answer, until="delta")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    await to_thread(Answer.objects.update)(lease_until=Now())
    model.behaviour = Behaviour()
    events, row = await ended(answer)
    assert events[: len(shown)] == shown
    assert "restarted" in kinds(events)
    assert (row.status, row.text) == (Answer.Status.FINISHED, UNGROUNDED)
    assert [each["fence"] for each in row.broken_off] == [1]
    assert row.broken_off[0]["output_tokens"] > 0


# --- the cost of interrupted attempts ------------------------------------------------------------

STARTED = ("started", {"model": "m", "fence": 1})
USAGE = {"input_tokens": 100, "output_tokens": 7, "is_estimate": False, "cost": "0.000228"}


def attempts(row):
    return [(each["fence"], each["output_tokens"], each["is_estimate"]) for each in row.broken_off]


def the_last(events):
    return next(event.data for event in reversed(events) if event.kind == "usage")


async def test_an_attempt_that_was_broken_off_is_billed_by_its_words(answer):
    await to_thread(Endpoint.objects.update)(input_price=2, output_price=4)
    await abandon(answer, [STARTED, ("delta", {"text": "Half an answer"})])
    events, row = await ended(answer)
    [lost] = row.broken_off
    assert attempts(row) == [(1, 5, True)]
    assert lost["input_tokens"] == row.trace["prompt_tokens"]
    last = the_last(events)
    assert row.output_tokens == 5 + last["output_tokens"]
    assert row.input_tokens == lost["input_tokens"] + last["input_tokens"]
    assert row.cost == Decimal(lost["cost"]) + Decimal(last["cost"]) > Decimal(last["cost"]) > 0


async def test_an_attempt_whose_server_said_what_it_took_is_billed_by_that(answer):
    await abandon(answer, [STARTED, ("delta", {"text": "Half"}), ("usage", USAGE)])
    events, row = await ended(answer)
    assert row.broken_off == [{"fence": 1} | USAGE]
    assert row.input_tokens == 100 + the_last(events)["input_tokens"]


async def test_an_attempt_without_a_word_had_its_prompt_read(answer):
    await abandon(answer, [STARTED])
    _, row = await ended(answer)
    assert attempts(row) == [(1, 0, True)]


async def test_an_attempt_that_had_not_begun_costs_nothing(answer):
    await abandon(answer)
    _, row = await ended(answer)
    assert row.broken_off == []


async def test_an_attempt_that_was_still_searching_costs_nothing_and_one_with_passages_does(ask, asker):
    def asked():
        workspace = factories.workspace()
        workspace.memberships.create(user=asker)
        return [ask(workspace_id=workspace.pk).answers.get() for _ in range(2)]

    searching, found = await to_thread(asked)()
    passage = {"number": 1, "title": "Rules", "title_path": [], "page": 3, "text": "word " * 300}
    await abandon(searching, [STARTED, ("retrieving", {"workspace": "w"})])
    sources = ("sources", {"grounding": "found", "passages": [passage]})
    await abandon(found, [STARTED, ("retrieving", {"workspace": "w"}), sources])
    assert (await ended(searching))[1].broken_off == []
    [attempt] = (await ended(found))[1].broken_off
    assert attempt["input_tokens"] > 600


async def test_every_attempt_counts_and_the_stop_of_an_abandoned_answer_loses_none(answer, asker):
    again = [("started", {"model": "m", "fence": 2}), ("restarted", {"reason": "gone"})]
    half = ("delta", {"text": "Half an answer"})
    await abandon(answer, [STARTED, half, *again, half])
    await to_thread(Answer.objects.update)(fence=2)
    await to_thread(turns.stop)(asker, answer.pk)
    _, row = await ended(answer)
    assert (row.status, row.text) == (Answer.Status.STOPPED, "Half an answer")
    assert attempts(row) == [(1, 5, True), (2, 5, True)]
    assert row.output_tokens == 10


_RUNNER_PROCESS = """
import asyncio, django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = {database!r}
from chat.queue.runner import Runner

async def main():
    async with Runner():
        await asyncio.sleep(3600)

asyncio.run(main())
"""


def _start_runner_process():
    program = _RUNNER_PROCESS.format(database=connection.settings_dict["NAME"])
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen([sys.executable, "-c", program], env=environment)


# --- the health of the model ---------------------------------------------------------------------


async def test_a_model_that_fails_a_real_answer_is_failing_although_it_answers_pings(ask, model, endpoint):
    model.behaviour = Behaviour(error_after=2, error="GPU lost.")
    await ended(await to_thread((await to_thread(ask)()).answers.get)())
    await to_thread(endpoint.refresh_from_db)()
    assert endpoint.last_check_ok is False
    assert endpoint.last_error == "A real answer failed: The model's server failed (500). It said: GPU lost."
    model.behaviour = Behaviour()
    await to_thread(check_all)()
    await to_thread(endpoint.refresh_from_db)()
    assert endpoint.last_check_ok is False, "a ping does not overrule it"
    assert await to_thread(Endpoint.objects.default_chat)() is None
    await ended(await to_thread((await to_thread(ask)()).answers.get)())
    await to_thread(endpoint.refresh_from_db)()
    assert (endpoint.last_check_ok, endpoint.last_error) == (True, "")


async def test_pings_count_again_after_a_while_and_a_check_by_hand_at_once(ask, model, endpoint):
    await to_thread(endpoint.note_answer)("It broke.")
    long_ago = timezone.now() - timedelta(hours=1)
    await to_thread(Endpoint.objects.update)(answer_failed_at=long_ago)
    await to_thread(check_all)()
    await to_thread(endpoint.refresh_from_db)()
    assert endpoint.last_check_ok is True
    await to_thread(endpoint.note_answer)("It broke.")
    await to_thread(probe)(endpoint)
    await to_thread(endpoint.refresh_from_db)()
    assert (endpoint.last_check_ok, endpoint.answer_failed_at) == (True, None)


async def test_a_refused_question_says_nothing_about_the_models_health(ask, model, endpoint):
    model.behaviour = Behaviour(status=400, error="Too long.")
    await ended(await to_thread((await to_thread(ask)()).answers.get)())
    await to_thread(endpoint.refresh_from_db)()
    assert endpoint.last_check_ok is True
