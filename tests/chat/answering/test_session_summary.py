"""A background task summarises and stores the messages that no longer fit a session's window."""

import asyncio

import pytest
from django.db.models.functions import Now

from chat.answering import session_summary
from chat.answering.history import MAX_TURNS, load_history
from chat.models import Answer, Summary
from chat.queue.claims import claim_next
from chat.queue.runner import Runner
from core.db.threads import to_thread
from models_registry.models import Endpoint
from tests import factories
from tests.chat.queue.test_runner import followed
from tests.fakes.openai_server import Behaviour

pytestmark = pytest.mark.django_db(transaction=True)
RETOLD = "They talked about pumps, and chose the HX-40."
LONG = "word " * 60  # estimated at 120 tokens


@pytest.fixture
def session(asker):
    return factories.session(asker)


@pytest.fixture
def long_session(session, endpoint):
    """Return a session of twelve exchanges: more than a window holds."""
    for number in range(12):
        factories.answer(session, f"question {number}", text=LONG, endpoint=endpoint)
    return session


@pytest.fixture(autouse=True)
def retelling(model):
    """Make the model return the same text for summaries and answers: it has one behaviour for both."""
    model.behaviour = Behaviour(text=RETOLD)


def summary_prompts(model):
    asked = [each.body["messages"][-1]["content"] for each in model.chats]
    return [each for each in asked if each.endswith("Write the new summary.")]


async def eventually(condition, limit_s=10.0):
    async with asyncio.timeout(limit_s):
        while not (found := await to_thread(condition)()):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
    return found


def written():
    return Summary.objects.filter(status="idle").exclude(text="").select_related("last_turn").first()


async def asked_in(session, ask, **fields):
    """Ask another question, and wait until its answer ends."""
    answer = await to_thread(lambda: ask(session_id=session.pk, **fields).answers.get())()
    await followed(answer)
    return answer


@to_thread
def due(session, endpoint, **fields):
    """Enqueue a summary, and claim it as a runner does."""
    session_summary.enqueue_summary(session.pk, endpoint)
    [summary] = claim_next(10, [])
    return summary


# --- when a summary is written -------------------------------------------------------------------


async def test_what_falls_out_of_the_window_is_retold_after_an_answer(long_session, ask, model):
    async with Runner():
        answer = await asked_in(long_session, ask)
        summary = await eventually(written)
    [prompt] = summary_prompts(model)
    assert model.chats[0].body["messages"][-1]["content"] == "What is a pump?"  # the answer came first
    assert "question 0" in prompt
    assert "question 11" not in prompt
    assert summary.text == RETOLD
    assert summary.last_turn.text in prompt
    assert (await to_thread(Answer.objects.get)(pk=answer.pk)).status == "finished"


async def test_an_answer_that_is_withheld_is_not_retold(long_session, ask, model, endpoint):
    def withhold_the_first():
        for _ in range(3):  # enough without the first
            factories.answer(long_session, "more", text=LONG, endpoint=endpoint)
        shared = factories.workspace()
        first = long_session.turns.earliest("created_at").answers.get()
        first.turn.workspace, first.text, first.grounding = shared, "The merger is in May. " + LONG, "found"
        first.turn.save()
        first.save()
        first.passages.create(number=1, document=None, section=0, start=0, end=4, text="May")

    await to_thread(withhold_the_first)()
    async with Runner():
        await asked_in(long_session, ask)
        await eventually(written)
    [prompt] = summary_prompts(model)
    assert "question 0" in prompt
    assert "merger" not in prompt


async def test_a_short_session_has_no_summary(session, ask, model):
    await to_thread(factories.answer)(session, "one", text="first")
    async with Runner():
        await asked_in(session, ask)
    assert not await to_thread(Summary.objects.exists)()
    assert len(model.chats) == 1


async def test_many_short_turns_are_retold_too(session, ask, endpoint):
    def small_talk():
        for number in range(MAX_TURNS + 2):
            factories.answer(session, f"q{number}", text="yes", endpoint=endpoint)

    await to_thread(small_talk)()
    async with Runner():
        await asked_in(session, ask)
        summary = await eventually(written)
    assert summary.last_turn.text == "q11"  # ten exchanges stay verbatim, and the newest


async def test_a_model_that_only_quotes_writes_no_summary(long_session, ask):
    quotes = await to_thread(factories.chat_endpoint)()
    async with Runner():
        await asked_in(long_session, ask, endpoints=[quotes])
    assert not await to_thread(Summary.objects.exists)()


async def test_it_waits_behind_whoever_waits_for_an_answer(long_session, ask, endpoint):
    def one_place():
        Endpoint.objects.update(max_concurrent=1)
        session_summary.enqueue_summary(long_session.pk, endpoint)
        Summary.objects.update(started_at=Now())
        turn = ask(user=factories.user())
        first = claim_next(10, [])
        Answer.objects.update(status="finished")
        return turn, first, claim_next(10, [])

    turn, [first], [second] = await to_thread(one_place)()
    assert first.answer.turn_id == turn.pk
    assert isinstance(second, Summary)


async def test_while_it_is_written_it_takes_a_place_of_its_endpoint(long_session, ask, endpoint):
    def one_place():
        Endpoint.objects.update(max_concurrent=1)
        session_summary.enqueue_summary(long_session.pk, endpoint)
        [summary] = claim_next(10, [])
        ask(user=factories.user())
        return summary, claim_next(10, [])

    summary, claims = await to_thread(one_place)()
    assert isinstance(summary, Summary)
    assert claims == []


# --- how a summary is used -----------------------------------------------------------------------


async def test_the_next_question_is_asked_with_the_summary_and_what_came_after_it(long_session, ask, model):
    async with Runner():
        await asked_in(long_session, ask)
        summary = await eventually(written)
        await asked_in(long_session, ask, text="And which one?")
    said = [each["content"] for each in model.chats[-1].body["messages"]]
    assert said[1].startswith(f"<summary>\n{RETOLD}\n</summary>")
    assert said[-1] == "And which one?"
    assert summary.last_turn.text not in said
    last = int(summary.last_turn.text.split()[1])
    assert said[3] == f"question {last + 1}"  # nothing is missing between them


async def test_the_next_summary_goes_on_from_the_last_when_as_much_has_fallen_out_again(
    long_session, ask, model, endpoint
):
    async with Runner():
        await asked_in(long_session, ask)
        first = await eventually(written)
        await asked_in(long_session, ask, text="not yet")
        assert len(summary_prompts(model)) == 1

        def more():
            for number in range(12, 20):
                factories.answer(long_session, f"question {number}", text=LONG, endpoint=endpoint)

        await to_thread(more)()
        await asked_in(long_session, ask, text="now")
        await eventually(lambda: (found := written()) and found.last_turn_id != first.last_turn_id)
    prompt = summary_prompts(model)[1]
    assert f"<summary>\n{RETOLD}\n</summary>" in prompt
    assert f"User: {first.last_turn.text}\n" not in prompt


async def test_the_history_of_an_earlier_turn_is_without_what_came_later(long_session, endpoint):
    def earlier():
        turns = list(long_session.turns.all())
        Summary.objects.create(session=long_session, text=RETOLD, last_turn=turns[8])
        return load_history(turns[4]), load_history(turns[9]), load_history(turns[11])

    before, at_its_end, after = await to_thread(earlier)()
    assert (before.summary, len(before.exchanges)) == ("", 4)
    assert (at_its_end.summary, at_its_end.exchanges) == (RETOLD, [])
    assert (after.summary, [each.question for each in after.exchanges]) == (
        RETOLD,
        ["question 9", "question 10"],
    )


async def test_what_it_took_is_recorded(long_session, ask):
    await to_thread(Endpoint.objects.update)(input_price=2, output_price=4)
    async with Runner():
        await asked_in(long_session, ask)
        summary = await eventually(written)
    assert summary.input_tokens > 100
    assert summary.output_tokens == len(RETOLD.split())
    assert summary.cost > 0


# --- failures ------------------------------------------------------------------------------------


async def test_an_answer_that_is_still_written_is_not_retold_yet(long_session, endpoint, model):
    def unended():
        turn = long_session.turns.get(text="question 3")
        turn.answers.update(status="running", lease_until=Now() + Answer.LEASE)

    await to_thread(unended)()
    await session_summary.write_summary(await due(long_session, endpoint))
    assert not summary_prompts(model)


async def test_a_failure_leaves_the_summary_as_it_was_and_says_why(long_session, endpoint, model):
    def before():
        turn = long_session.turns.get(text="question 1")
        Summary.objects.create(session=long_session, text="As before.", last_turn=turn)

    await to_thread(before)()
    model.behaviour = Behaviour(status=400)
    await session_summary.write_summary(await due(long_session, endpoint))
    summary = await to_thread(Summary.objects.get)()
    assert (summary.text, summary.status) == ("As before.", "idle")
    assert "refused this request" in summary.error
    model.behaviour = Behaviour(text=RETOLD)
    await session_summary.write_summary(await due(long_session, endpoint))
    summary = await to_thread(Summary.objects.get)()
    assert (summary.text, summary.error) == (RETOLD, "")


async def test_words_of_a_call_that_broke_are_paid_for(long_session, endpoint, model):
    model.behaviour = Behaviour(text=RETOLD, drop_after=3)
    await session_summary.write_summary(await due(long_session, endpoint))
    summary = await to_thread(Summary.objects.get)()
    assert (summary.text, summary.status) == ("", "idle")
    assert summary.output_tokens > 0


async def test_of_two_processes_the_one_that_claimed_last_keeps_its_text(long_session, endpoint, model):
    stale = await due(long_session, endpoint)
    await to_thread(Summary.objects.update)(lease_until=Now() - Answer.LEASE)
    fresh = await due(long_session, endpoint)
    model.behaviour = Behaviour(text="The fresh one.")
    await session_summary.write_summary(fresh)
    model.behaviour = Behaviour(text="The stale one.")
    await session_summary.write_summary(stale)
    summary = await to_thread(Summary.objects.get)()
    assert (summary.text, summary.fence) == ("The fresh one.", 2)


async def test_one_that_is_asked_for_again_and_again_is_written_once(long_session, endpoint):
    def often():
        for _ in range(3):
            session_summary.enqueue_summary(long_session.pk, endpoint)
        return claim_next(10, []), claim_next(10, [])

    [_], nothing = await to_thread(often)()
    assert nothing == []


async def test_a_process_that_leaves_hands_it_to_the_next(long_session, ask, model):
    model.behaviour = Behaviour(text=RETOLD, first_token_s=0.1)
    async with Runner(grace_s=0.2):
        await asked_in(long_session, ask)
        model.behaviour = Behaviour(text=RETOLD, first_token_s=30)
        await eventually(lambda: Summary.objects.filter(status="running").exists())
        await model.wait_until(lambda: summary_prompts(model))
    assert (await to_thread(Summary.objects.get)()).status == "queued"
    model.behaviour = Behaviour(text=RETOLD)
    async with Runner():
        assert (await eventually(written)).text == RETOLD


async def test_its_lease_is_renewed_while_the_model_thinks(long_session, endpoint, model):
    model.behaviour = Behaviour(text=RETOLD, first_token_s=60)
    await to_thread(session_summary.enqueue_summary)(long_session.pk, endpoint)
    async with Runner():
        begun = await eventually(lambda: Summary.objects.filter(status="running").first())
        await eventually(lambda: Summary.objects.get().lease_until > begun.lease_until)


async def test_a_very_long_message_is_cut_for_it(session, endpoint, model):
    def long_messages():
        factories.answer(session, "enormous", text="word " * 5_000, endpoint=endpoint)
        for number in range(8):
            factories.answer(session, f"question {number}", text=LONG, endpoint=endpoint)

    await to_thread(long_messages)()
    await session_summary.write_summary(await due(session, endpoint))
    messages = model.chats[-1].body["messages"]
    assert len(messages[-1]["content"]) < 8_000
    assert (await to_thread(Summary.objects.get)()).text == RETOLD


async def test_a_long_past_is_retold_in_several_calls(session, endpoint, model):
    def long_past():
        for number in range(50):
            factories.answer(session, f"question {number}", text=LONG, endpoint=endpoint)
        session_summary.enqueue_summary(session.pk, endpoint)

    await to_thread(long_past)()
    async with Runner():
        await eventually(lambda: (found := written()) and found.last_turn.text == "question 43" and found)
    assert len(summary_prompts(model)) > 1


# --- the user's switch ---------------------------------------------------------------------------


async def test_forgetting_ends_the_summary_and_every_later_one(long_session, ask, endpoint, model):
    async with Runner():
        await asked_in(long_session, ask)
        await eventually(written)
        await to_thread(session_summary.switch_summary)(long_session, False)
        await asked_in(long_session, ask, text="And now?")
    summary = await to_thread(Summary.objects.get)()
    assert (summary.text, summary.last_turn_id, summary.status) == ("", None, "idle")
    said = [each["content"] for each in model.chats[-1].body["messages"]]
    assert not any("<summary>" in each for each in said)
    await to_thread(session_summary.switch_summary)(long_session, True)
    async with Runner():
        await asked_in(long_session, ask, text="Again?")
        assert (await eventually(written)).text == RETOLD


async def test_what_is_being_written_when_the_user_forgets_is_not_kept(long_session, endpoint):
    summary = await due(long_session, endpoint)
    await to_thread(session_summary.switch_summary)(long_session, False)
    await session_summary.write_summary(summary)
    assert (await to_thread(Summary.objects.get)()).text == ""
