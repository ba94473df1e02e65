"""A replay gives the same prompt, or explains the differences."""

import asyncio
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chat.asking.turns import Question, submit
from chat.models import Answer
from chat.queue.runner import Runner
from documents.models import Document
from tests import factories
from tests.chat.answering.test_answer import put
from tests.chat.queue.test_runner import followed
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = ["The yearly fee is 48 euros. Members under 18 pay half.", "The club was founded in Bremen in 1987."]


@pytest.fixture
def workspace(transactional_db, model):
    embedder = factories.embedder(base_url=model.base_url, dimensions=384)
    workspace = factories.workspace(dimensions=384, embedder=embedder)
    put(workspace, factories.document(workspace, title="Club rules.pdf").pk, TEXTS)
    return workspace


@pytest.fixture
def answered(asker, endpoint, workspace):
    """Return a function that asks questions in one session, through a runner, and returns the answers."""
    workspace.memberships.create(user=asker, role="viewer")

    async def ask_all(questions: list[str]) -> list[Answer]:
        session_id, answers = None, []
        async with Runner():
            for number, text in enumerate(questions):
                ask = Question(session_id, f"m{number}", text, workspace.pk, endpoints=[endpoint])
                turn = await asyncio.to_thread(submit, asker, ask)
                session_id = turn.session_id
                answers += turn.just_recorded
                await followed(answers[-1])
        return answers

    def answered(*questions: str) -> list[Answer]:
        ids = [each.pk for each in asyncio.run(ask_all(list(questions)))]
        related = Answer.objects.select_related("turn__session__user", "endpoint")
        return [related.get(pk=id) for id in ids]

    return answered


def replayed(answer: Answer, *more: str) -> str:
    out = StringIO()
    call_command("replay_answer", str(answer.pk), *more, stdout=out)
    return out.getvalue()


def test_a_replay_gives_the_same_prompt_byte_for_byte(answered, model):
    _, second = answered("How much is the yearly fee?", "And under 18?")
    asked = model.chats[-1].body["messages"]
    assert [each["text"] for each in second.trace["prompt"]] == [each["content"] for each in asked]
    said = replayed(second, "--prompt")
    size = sum(len(each["content"].encode()) for each in asked)
    assert f"The prompt is the same, byte for byte: {size:,} bytes." in said
    assert all(each["content"] in said for each in asked)


def test_a_replay_asks_no_model_and_stores_nothing(answered, model):
    [answer] = answered("How much is the yearly fee?")
    chats, before = len(model.chats), Answer.objects.values().get()
    replayed(answer)
    assert len(model.chats) == chats
    assert Answer.objects.values().get() == before


def test_the_history_is_that_of_then_whatever_was_chosen_since(answered):
    first, second = answered("How much is the yearly fee?", "And under 18?")
    factories.version(first, text="Something else.", chosen_at=second.ended_at)
    assert "The prompt is the same" in replayed(second)


def test_a_search_that_found_nothing_is_replayed_too(answered):
    Workspace.objects.update(relevance_floor=0.3)
    [answer] = answered("zebra quantum xylophone")
    assert answer.grounding == Answer.Grounding.NOTHING_RELEVANT
    assert "The prompt is the same" in replayed(answer)


def test_a_new_document_is_named_as_the_cause(answered, workspace):
    [answer] = answered("How much is the yearly fee?")
    document = factories.document(workspace, title="New.md", ready_at=answer.ended_at)
    put(workspace, document.pk, ["How much is the yearly fee? The yearly fee is 50 euros."])
    out = StringIO()
    with pytest.raises(CommandError, match="not the same"):
        call_command("replay_answer", str(answer.pk), stdout=out)
    said = out.getvalue()
    assert "New: [1] from New.md." in said
    assert "It held 1 documents then, and 2 now." in said
    assert "1 of its documents was read since then." in said


def test_a_changed_setting_is_named_as_the_cause(answered, workspace):
    [answer] = answered("Bremen club 1987")
    Workspace.objects.update(is_hybrid=False)
    Document.objects.update(title="Renamed.pdf")
    with pytest.raises(CommandError):
        call_command("replay_answer", str(answer.pk), stdout=(out := StringIO()))
    assert "The setting is hybrid changed: on then, off now." in out.getvalue()
    assert "No longer found: [1] from Club rules.pdf." in out.getvalue()
    assert "New: [1] from Renamed.pdf." in out.getvalue()


def test_the_page_compares_and_shows_the_lines_that_changed(answered, asker):
    [answer] = answered("How much is the yearly fee?")
    client = Client()
    client.force_login(asker)
    address = reverse("answer-replay", args=[answer.pk])
    assert "<strong>The prompt would be the same</strong>" in client.post(address).content.decode()
    Document.objects.update(title="Renamed.pdf")
    part = client.post(address, headers={"HX-Request": "true"}).content.decode()
    assert "The prompt would be different now." in part
    assert "+&lt;passage number=&quot;1&quot; title=&quot;Renamed.pdf" in part
    assert "<html" not in part


def test_a_workspace_that_is_gone_is_named_as_the_cause(answered, workspace):
    [answer] = answered("How much is the yearly fee?")
    answer.turn.workspace = None
    answer.turn.save()
    with pytest.raises(CommandError):
        call_command("replay_answer", str(answer.pk), stdout=(out := StringIO()))
    assert "Passages found then, No workspace asked now." in out.getvalue()
    assert "The workspace of the question was deleted." in out.getvalue()


def test_what_is_remembered_does_not_answer_a_replay(answered, workspace, model):
    [answer] = answered("How much is the yearly fee?")
    model.requests.clear()
    replayed(answer)
    assert model.requests


def test_what_cannot_be_replayed_says_so(answered):
    [answer] = answered("How much is the yearly fee?")
    answer.endpoint.delete()
    with pytest.raises(CommandError, match="was removed: choose another one"):
        replayed(answer)
    Answer.objects.update(trace={})
    with pytest.raises(CommandError, match="has no trace"):
        replayed(answer)


def exported(*arguments: str) -> list[dict]:
    out = StringIO()
    call_command("export_traces", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_answers_are_exported_with_their_traces_and_ratings(answered, asker, workspace):
    first, second = answered("How much is the yearly fee?", "And under 18?")
    second.ratings.create(user=asker, is_good=False, comment="No: half!")
    assert [row["id"] for row in exported("--workspace", workspace.name)] == [str(first.pk), str(second.pk)]
    [row] = exported("--rated", "bad")
    assert row["ratings"][0]["comment"] == "No: half!"
    assert row["trace"]["prompt"] == second.trace["prompt"]
    assert row["trace"]["candidates"][0]["fate"] == "prompt"
    assert exported("--until", "2020-01-01") == exported("--workspace", "another") == []
