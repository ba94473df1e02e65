"""A model finds a title after the first answer, once, and never in place of a person's."""

import asyncio

import pytest
from django.db.models.functions import Now

from chat.answering import session_title
from chat.answering.session_title import TITLE_TOKENS, read_title
from chat.asking.sessions import create_session, rename_session, title_of
from chat.asking.turns import Regeneration, regenerate
from chat.models import Session, Summary
from chat.queue.claims import claim_next
from chat.queue.runner import Runner
from core.db.threads import to_thread
from tests import factories
from tests.chat.queue.test_runner import followed
from tests.fakes.openai_server import Behaviour

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "How is the pressure of a pump set?"


@pytest.fixture(autouse=True)
def _titles(settings, model):
    settings.TITLES = True
    model.behaviour = Behaviour(text="Pump pressure")


@pytest.mark.parametrize(
    ("reply", "title"),
    [
        ("Pump pressure", "Pump pressure"),
        ('"Pump pressure."', "Pump pressure"),
        ("„Pumpendruck einstellen“", "Pumpendruck einstellen"),
        ("「ポンプの圧力」。", "ポンプの圧力"),
        ("**Title:** Pump pressure", "Pump pressure"),
        ("Titel: Pumpendruck", "Pumpendruck"),
        ("# Pump pressure\n", "Pump pressure"),
        ('{"title": "Pump pressure"}', "Pump pressure"),
        ('```json\n{"title": "Pump pressure"}\n```', "Pump pressure"),
        ('["Pump pressure"]', "Pump pressure"),
        ("<think>The user wants a title.</think>Pump pressure", "Pump pressure"),
        ("What is 2024?", "What is 2024?"),
        ("2024", "2024"),
        ("U.S. imports of the U.K.", "U.S. imports of the U.K."),
        ("<think>The user wants a title", ""),
        ("Okay, the user wants a title.\nIt should be short.", ""),
        ("Sure! Here is a title for this conversation that says everything about pumps in many words", ""),
        ('{"title": {"a": 1}}', ""),
        ('{"title": "Pump', ""),
        ("<b>Pump</b>", ""),
        ("...", ""),
        ("", ""),
    ],
)
def test_a_title_is_what_remains_of_a_reply(reply, title):
    assert read_title(reply) == title


def test_the_words_of_a_question_are_cut_at_a_word():
    assert title_of("pressure " * 30) == ("pressure " * 8).strip() + "…"
    assert title_of("word " * 30) == ("word " * 16).strip() + "…"
    assert title_of("x" * 200) == "x" * 79 + "…"


def titling(model):
    return [each for each in model.chats if each.body["messages"][-1]["content"].endswith("Write the title.")]


async def titled(model, count=1):
    async with asyncio.timeout(10):
        while len(titling(model)) < count or await to_thread(is_due)():  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)


def is_due():
    return Summary.objects.exclude(status="idle").exists()


@to_thread
def stored():
    return Session.objects.values_list("title", "naming").get()


async def test_the_first_answer_brings_a_title_that_is_billed(ask, model, endpoint):
    async with Runner():
        answer = await to_thread(lambda: ask(QUESTION).answers.get())()
        await followed(answer)
        await titled(model)
        second = await to_thread(lambda: ask("And then?", session_id=answer.turn.session_id).answers.get())()
        await followed(second)
        again = Regeneration(answer.pk, "again")
        await followed((await to_thread(regenerate)(answer.turn.session.user, again))[0])
        edited = await to_thread(
            lambda: ask("Which pump?", session_id=answer.turn.session_id, edits=answer.turn_id).answers.get()
        )()
        await followed(edited)
    assert await stored() == ("Pump pressure", "settled")
    [call] = titling(model)
    assert QUESTION in call.body["messages"][-1]["content"]
    assert "Pump pressure" in call.body["messages"][-1]["content"], "the answer needed no documents"
    summary = await to_thread(Summary.objects.get)()
    assert summary.output_tokens > 0
    assert (summary.text, summary.is_title_due, summary.error) == ("", False, "")


async def test_two_models_side_by_side_bring_one_title(ask, model, endpoint):
    other = await to_thread(factories.chat_endpoint)(base_url=model.base_url)
    async with Runner():
        answers = await to_thread(lambda: list(ask(QUESTION, endpoints=[endpoint, other]).answers.all()))()
        for answer in answers:
            await followed(answer)
        await titled(model)
    assert len(titling(model)) == 1


@to_thread
def asked(ask, naming="open", workspace=None, grounding="none", **fields):
    """Return a session with one answered question, whose title is due, and its claimed row."""
    session = factories.session(fields.pop("user"), title="Words of the question", naming=naming)
    answer = factories.answer(
        session, QUESTION, text="Secret words.", workspace=workspace, grounding=grounding
    )
    session_title.enqueue_title(session.pk, fields["endpoint"])
    return session, answer, claim_next(10, [])


async def test_a_name_given_meanwhile_stays(ask, asker, endpoint, model):
    session, _, [summary] = await asked(ask, user=asker, endpoint=endpoint)
    call = await to_thread(session_title._open_call)(summary)
    await call.run()
    await to_thread(rename_session)(asker, session.pk, "Mine")
    await to_thread(session_title._finish)(summary, call, "Pump pressure")
    assert await stored() == ("Mine", "own")
    assert (await to_thread(Summary.objects.get)()).output_tokens > 0, "the call is billed all the same"


@pytest.mark.parametrize("naming", ["own", "settled"])
async def test_a_session_with_a_name_is_not_asked_about(ask, asker, endpoint, naming):
    _, _, claims = await asked(ask, naming, user=asker, endpoint=endpoint)
    assert claims == []


async def test_a_session_created_with_a_title_keeps_it(ask, asker, model):
    session = await to_thread(create_session)(asker, "Mine")
    async with Runner():
        await followed(await to_thread(lambda: ask(QUESTION, session_id=session.pk).answers.get())())
    assert await stored() == ("Mine", "own")
    assert not titling(model)


async def test_an_answer_that_rests_on_documents_is_left_out(ask, asker, endpoint, model):
    workspace = await to_thread(factories.workspace)()
    _, _, [summary] = await asked(ask, user=asker, endpoint=endpoint, workspace=workspace, grounding="found")
    await session_title.write_title_and_summary(summary)
    [call] = titling(model)
    assert QUESTION in call.body["messages"][-1]["content"]
    assert "Secret" not in str(call.body)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(text="<think>" + "hm " * TITLE_TOKENS),
        Behaviour(text="Okay " * TITLE_TOKENS),
        Behaviour(status=500),
    ],
)
async def test_rubbish_and_failures_leave_the_words_of_the_question(ask, asker, endpoint, model, behaviour):
    model.behaviour = behaviour
    _, _, [summary] = await asked(ask, user=asker, endpoint=endpoint)
    await session_title.write_title_and_summary(summary)
    assert await stored() == ("Words of the question", "settled")
    row = await to_thread(Summary.objects.get)()
    assert (row.status, row.is_title_due) == ("idle", False)


async def test_a_title_whose_writer_died_is_taken_over(ask, asker, endpoint, model):
    await asked(ask, user=asker, endpoint=endpoint)
    assert await to_thread(claim_next)(10, []) == []
    await to_thread(Summary.objects.update)(lease_until=Now())
    [again] = await to_thread(claim_next)(10, [])
    assert again.fence == 2


async def test_an_operator_chooses_the_model(ask, asker, endpoint, model, settings):
    other = await to_thread(factories.chat_endpoint)(name="Titles", base_url=model.base_url, model="titler")
    settings.TITLE_MODEL = "Titles"
    _, _, [summary] = await asked(ask, user=asker, endpoint=endpoint)
    assert summary.endpoint == other


async def test_no_call_for_quotes_or_when_switched_off(ask, asker, model, settings):
    quotes = await to_thread(factories.chat_endpoint)()
    async with Runner():
        await followed(await to_thread(lambda: ask(QUESTION, endpoints=[quotes]).answers.get())())
        settings.TITLES = False
        await followed(await to_thread(lambda: ask(QUESTION).answers.get())())
    assert not titling(model)
    assert not await to_thread(Summary.objects.exists)()
