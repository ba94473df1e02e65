"""An answer is withheld from its asker once they may not see a document that it rests on."""

import asyncio
from datetime import timedelta

import pytest
from django.test import Client

from chat.answering.withholding import WITHHELD
from chat.log.follow import follow
from chat.models import Answer, Summary, Turn
from chat.queue.runner import Runner
from tests import factories
from tests.api.conftest import Api
from workspaces.models import Membership

pytestmark = pytest.mark.django_db

SECRET = "The merger is planned for May."
RETOLD = "They spoke about a plan."


@pytest.fixture
def workspace():
    return factories.workspace(access_levels=["everyone", "board"])


@pytest.fixture(params=[0, 1], ids=["open document", "document of the board"])
def answer(request, workspace):
    asker = factories.member(workspace)
    Membership.objects.filter(user=asker).update(access_level=1)
    document = factories.document(workspace, access_level=request.param)
    passages = [{"document": document, "text": SECRET}]
    trace = {"prompt": [{"role": "user", "text": SECRET}], "candidates": [], "thinking": SECRET}
    made = factories.answer(
        factories.session(asker), workspace=workspace, text=SECRET, passages=passages, trace=trace
    )
    newer = factories.version(made, text=SECRET, trace=trace)
    newer.passages.create(number=1, document=document, section=0, start=0, end=4, text=SECRET)
    return made


def everything_shown(answer):
    """Return what the asker gets at every door that shows the answer."""
    asker, session = answer.turn.session.user, answer.turn.session
    api, pages = Api(asker), Client()
    pages.force_login(asker)
    replies = [api("GET", f"answers/{answer.pk}"), api("GET", f"sessions/{session.pk}")]
    replies += [api("GET", f"answers/{answer.pk}/trace"), api("GET", f"answers/{answer.pk}/events")]
    replies += [pages.get(path) for path in (f"/chat/{session.pk}/", f"/answers/{answer.pk}/why/")]
    replies += [pages.get(f"/answers/{answer.pk}/passages/1/"), pages.get(f"/answers/{answer.pk}/")]
    replies += list(resends(answer, api, pages))
    return "".join(b"".join(each).decode() if each.streaming else each.content.decode() for each in replies)


def resends(answer, api, pages):
    """Send the question again, and the wish for another version: a resend finds what there is."""
    turn, version = answer.turn, answer.turn.answers.get(message_id__isnull=False)
    asked = {"messageId": turn.message_id, "text": turn.text, "workspaceId": str(turn.workspace_id)}
    again = {"answerId": str(answer.pk), "messageId": version.message_id}
    yield api("POST", f"sessions/{turn.session_id}/turns", asked)
    yield api("POST", f"answers/{answer.pk}/regenerate", {"messageId": again["messageId"]})
    for action, data in (("run", asked | {"sessionId": str(turn.session_id)}), ("regenerate", again)):
        yield pages.post("/chat/frames/", {"action": action, "data": data}, content_type="application/json")


def test_the_answer_is_shown_while_its_documents_may_be_seen(answer):
    assert SECRET in everything_shown(answer)


def test_nothing_is_shown_after_the_membership_has_ended(answer):
    Membership.objects.all().delete()
    shown = everything_shown(answer)
    assert SECRET not in shown
    assert WITHHELD in shown


def test_the_level_decides_after_it_was_lowered(answer):
    Membership.objects.update(access_level=0)
    is_of_the_board = answer.passages.get().document.access_level == 1
    assert (SECRET not in everything_shown(answer)) == is_of_the_board


def summaries_shown(session):
    """Return what the user of a session gets at every door that shows its summary."""
    api, pages, place = Api(session.user), Client(), f"sessions/{session.pk}/summary"
    pages.force_login(session.user)
    replies = [api("GET", place), api("PATCH", place, {"isOn": True}), pages.get(f"/chat/{session.pk}/")]
    assert {each.status_code for each in replies} == {200}
    return [RETOLD in each.content.decode() for each in replies]


def test_a_summary_that_may_repeat_it_is_withheld_too(answer):
    session = answer.turn.session
    Summary.objects.create(session=session, last_turn=answer.turn, text=RETOLD)
    assert all(summaries_shown(session))
    Membership.objects.all().delete()
    assert not any(summaries_shown(session))
    assert Summary.objects.get().text == RETOLD, "it is shown again once the documents may be seen"


def test_a_summary_of_earlier_messages_stays(answer):
    session = answer.turn.session
    earlier = factories.answer(session, "Before?", text="Of our own.").turn
    Turn.objects.filter(pk=earlier.pk).update(created_at=answer.turn.created_at - timedelta(hours=1))
    earlier.refresh_from_db()
    Summary.objects.create(session=session, last_turn=earlier, text=RETOLD)
    Membership.objects.all().delete()
    assert all(summaries_shown(session))


async def run_until_ended(answer):
    async with asyncio.timeout(20), Runner():
        async for _ in follow(answer.pk):
            pass


@pytest.fixture
def next_prompt(ask, model):
    """Return a function that asks the next question of a session, and returns what its model was sent."""

    def next_prompt(session):
        turn = ask("And when?", user=session.user, session_id=session.pk)
        asyncio.run(run_until_ended(turn.answers.get()))
        return str(model.chats[-1].body["messages"])

    return next_prompt


@pytest.mark.django_db(transaction=True)
def test_no_later_prompt_holds_it(answer, next_prompt):
    session = answer.turn.session
    Answer.objects.update(grounding="found")
    factories.answer(session, "Something else?", text="Of our own.")
    assert SECRET in next_prompt(session)
    Membership.objects.all().delete()
    prompt = next_prompt(session)
    assert SECRET not in prompt
    assert "Of our own." in prompt


@pytest.mark.django_db(transaction=True)
def test_no_later_prompt_holds_a_summary_that_may_repeat_it(answer, next_prompt):
    session = answer.turn.session
    Summary.objects.create(session=session, last_turn=answer.turn, text=f"It was said: {SECRET}")
    assert SECRET in next_prompt(session)
    Membership.objects.all().delete()
    assert SECRET not in next_prompt(session)
