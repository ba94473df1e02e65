"""An answer that was cut is continued in a version of its own: one text, with the same passages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.answering.replay import replay
from chat.asking import turns
from chat.asking.turns import Regeneration, regenerate
from chat.errors import QuestionRefused
from chat.models import Answer
from core.db.threads import to_thread
from documents.models import Document
from inference.continuation import GO_ON
from models_registry.models import Endpoint
from tests.chat.answering.test_answer import workspace  # noqa: F401 - a fixture
from tests.chat.queue.test_runner import ended, kinds, text_of
from tests.fakes.openai_server import Behaviour
from workspaces.models import Role

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cut(ask, asker, workspace, model):  # noqa: F811
    """Return an answer to be written, of which the model writes only a part."""
    workspace.memberships.create(user=asker, role=Role.VIEWER)
    model.behaviour = Behaviour(text="The fee is 48 eu", finish_reason="length")
    return ask("What is the yearly fee?", workspace_id=workspace.pk).answers.get()


async def go_on(answer, asker, message_id="again", **fields):
    again = Regeneration(answer.pk, message_id, continues=True, **fields)
    return (await to_thread(regenerate)(asker, again))[0]


async def test_it_goes_on_in_the_same_text_with_the_same_passages(cut, asker, model, endpoint):
    await to_thread(Endpoint.objects.update)(
        input_price=1, output_price=500_000
    )  # half a dollar for each word
    await ended(cut)
    model.behaviour.text, model.behaviour.finish_reason = "euros a year [1].", "stop"
    events, answer = await ended(await go_on(cut, asker))
    assert kinds(events) == ["queued", "started", "sources", "delta", "usage", "finished"]
    assert answer.text == text_of(events) == "The fee is 48 euros a year [1]."
    numbers = [await to_thread(list)(each.passages.values_list("number", "text")) for each in (cut, answer)]
    assert numbers[0] == numbers[1] != []
    assert (answer.lane, answer.continues_id, answer.output_tokens) == (cut.lane, cut.pk, 4)
    assert round(answer.cost) == 2  # not for the words that were there
    assert cut.text == "The fee is 48 eu"  # stays as a version
    first, second = (request.body["messages"] for request in model.chats)
    assert second == [
        *first,
        {"role": "assistant", "content": "The fee is 48"},
        {"role": "user", "content": GO_ON.text},
    ]


async def test_a_server_with_prefill_goes_on_from_the_last_word(cut, asker, model, endpoint):
    await to_thread(Endpoint.objects.update)(tokenizer="vllm")
    await ended(cut)
    await ended(await go_on(cut, asker))
    sent = model.chats[-1].body
    assert sent["messages"][-1] == {"role": "assistant", "content": "The fee is 48"}
    assert (sent["add_generation_prompt"], sent["continue_final_message"]) == (False, True)
    assert "continue_final_message" not in model.chats[0].body


async def test_a_server_that_refuses_prefill_is_asked_to_go_on(cut, asker, model, endpoint):
    await to_thread(Endpoint.objects.update)(tokenizer="llama.cpp")
    await ended(cut)
    model.behaviour = Behaviour(text="euros.", status=400, failures=1)
    _, answer = await ended(await go_on(cut, asker))
    assert answer.text == "The fee is 48 euros."
    assert model.chats[-1].body["messages"][-1]["content"] == GO_ON.text


async def test_thoughts_that_were_taken_for_the_answer_leave_its_beginning(cut, asker, model):
    await ended(cut)
    model.behaviour = Behaviour(text="They want the fee. </think>euros a year.")
    _, answer = await ended(await go_on(cut, asker))
    assert answer.text == "The fee is 48 euros a year."
    assert "They want the fee" in answer.trace["thinking"]
    assert "The fee is 48" not in answer.trace["thinking"]


async def test_it_starts_over_with_its_beginning_after_its_process_died(cut, asker, model):
    await ended(cut)
    answer = await go_on(cut, asker)
    lost = {"status": Answer.Status.RUNNING, "fence": 1, "lease_until": timezone.now() - timedelta(seconds=9)}
    await to_thread(Answer.objects.filter(pk=answer.pk).update)(**lost)
    for seq, kind, data in [
        (2, "started", {"model": "fake", "fence": 1}),
        (3, "sources", {"grounding": "found", "passages": []}),
        (4, "delta", {"text": "The fee is 48 ", "is_old": True}),
        (5, "delta", {"text": "dollars"}),
    ]:
        await to_thread(answer.events.create)(seq=seq, kind=kind, data=data)
    model.behaviour = Behaviour(text="euros.")
    events, answer = await ended(answer)
    assert "restarted" in kinds(events)
    assert answer.text == text_of(events) == "The fee is 48 euros."


@pytest.mark.parametrize("status", [Answer.Status.STOPPED, Answer.Status.FAILED])
async def test_what_was_stopped_or_broke_off_can_be_continued(cut, asker, model, status):
    await ended(cut)
    await to_thread(Answer.objects.filter(pk=cut.pk).update)(status=status, trace={})
    model.behaviour = Behaviour(text="euros.")
    _, answer = await ended(await go_on(cut, asker))
    assert answer.text == "The fee is 48 euros."


async def test_a_complete_answer_is_not_continued(cut, asker, model):
    model.behaviour.finish_reason = "stop"
    await ended(cut)
    with pytest.raises(QuestionRefused, match="nothing to continue"):
        await go_on(cut, asker)


async def test_what_its_owner_may_not_see_any_more_is_not_continued(cut, asker, model, workspace):  # noqa: F811
    await ended(cut)
    answer = await go_on(cut, asker)
    await to_thread(workspace.memberships.all().delete)()
    _, answer = await ended(answer)
    assert (answer.status, answer.text, len(model.chats)) == (Answer.Status.FAILED, "", 1)
    with pytest.raises(QuestionRefused, match="may not see any more"):
        await go_on(cut, asker, "once-more")


async def test_passages_of_a_deleted_document_stay(cut, asker, model):
    await ended(cut)
    await to_thread(Document.objects.all().delete)()
    _, answer = await ended(await go_on(cut, asker))
    assert await to_thread(answer.passages.count)() == await to_thread(cut.passages.count)()


async def test_a_replay_searches_as_the_first_version_did(cut, asker, model):
    await ended(cut)
    _, answer = await ended(await go_on(cut, asker))
    answer = await to_thread(turns.answer_for)(asker, answer.pk)
    assert (await to_thread(replay)(answer)).is_same


async def test_an_answer_that_fills_the_context_says_so(cut, asker, model):
    await ended(cut)
    await to_thread(Answer.objects.filter(pk=cut.pk).update)(text="word " * 8000)
    _, answer = await ended(await go_on(cut, asker))
    assert answer.status == Answer.Status.FAILED
    assert "too long to go on" in answer.error
