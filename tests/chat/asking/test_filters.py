"""A question can have a filter: it is validated, stored with the turn, and applied to all of its answers."""

import asyncio
import json

import pytest
from django.test import Client

from accounts.identity.api_key import issue
from chat.asking import turns
from chat.errors import QuestionRefused
from chat.log.follow import follow
from chat.models import Turn
from chat.queue.runner import Runner
from core.db.threads import to_thread
from documents.fields import definitions as fields
from tests import factories
from tests.chat.socket.test_consumers import connected, cookie_of, run
from tests.fakes.openai_server import embed
from workspaces.access_levels import name_levels
from workspaces.engines import IndexedMetadata, NewChunk, engine_for
from workspaces.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace(model, asker):
    """Return a workspace with two documents about a pump, one of the HR department and one of Legal."""
    made = factories.workspace(embedder=factories.embedder(base_url=model.base_url, dimensions=384))
    made.memberships.create(user=asker)
    fields.declare(made, None, label="Department", choices=["HR", "Legal"])
    for number, department in enumerate(("HR", "Legal")):
        text = f"The pump of {department} stands in room {number}."
        document = factories.document(made, title=f"{department}.txt", metadata={"department": department})
        factories.section(document, text)
        engine = engine_for(made)
        chunk = NewChunk(0, text, text.encode(), 0, 0, len(text))
        engine.stage(document.pk, [chunk], [embed(text, 384)])
        engine.publish(document.pk, 1, facts=IndexedMetadata({"department": department.lower()}, number))
    return made


async def titles(answer):
    """Return the titles of the passages in an answer's prompt."""
    async with asyncio.timeout(20), Runner():
        found = [event async for event in follow(answer.pk) if event.kind in ("sources", "failed")]
    assert found[0].kind == "sources", found
    return {each["title"] for each in found[0].data["passages"]}


async def test_an_answer_and_its_later_versions_keep_to_the_filter(ask, asker, workspace):
    where = {"department": ["hr"]}
    turn = await to_thread(ask)("Where is the pump?", workspace_id=workspace.pk, filters=where)
    answer = await to_thread(turn.answers.get)()
    assert await titles(answer) == {"HR.txt"}
    again, _ = await to_thread(turns.regenerate)(asker, turns.Regeneration(answer.pk, "again"))
    assert await titles(again) == {"HR.txt"}
    assert (await to_thread(Turn.objects.get)(pk=turn.pk)).filters == where


async def test_an_answer_keeps_to_the_level_that_its_asker_has_when_it_begins(ask, asker, workspace):
    await to_thread(name_levels)(workspace, None, ["everyone", "staff"])
    turn = await to_thread(ask)("Where is the pump?", workspace_id=workspace.pk)
    assert await titles(await to_thread(turn.answers.get)()) == {"HR.txt"}
    await to_thread(Membership.objects.filter(user=asker).update)(access_level=1)
    turn = await to_thread(ask)("Where is the pump?", workspace_id=workspace.pk)
    assert await titles(await to_thread(turn.answers.get)()) == {"HR.txt", "Legal.txt"}


async def test_a_field_that_was_deleted_while_the_question_waited_fails_it_in_words(ask, workspace):
    turn = await to_thread(ask)("Where is the pump?", workspace_id=workspace.pk, filters={"department": "HR"})
    answer = await to_thread(turn.answers.get)()
    await to_thread(lambda: fields.delete(workspace.fields.get(), None))()
    async with asyncio.timeout(20), Runner():
        events = [event async for event in follow(answer.pk)]
    assert events[-1].kind == "failed"
    await to_thread(answer.refresh_from_db)()
    assert "There is no field 'department' here." in answer.error


async def test_an_answer_keeps_to_the_documents_that_the_filter_names(ask, workspace):
    turn = await to_thread(ask)(
        "Where is the pump?", workspace_id=workspace.pk, filters={"document": ["Legal.txt"]}
    )
    assert await titles(await to_thread(turn.answers.get)()) == {"Legal.txt"}


@pytest.mark.parametrize(
    "named", [["Gone.txt"], ["HR.txt", "Secret.txt"], [], [7], "x" * 301, {"not": "HR.txt"}]
)
def test_a_document_that_is_not_there_or_may_not_be_seen_refuses_the_question(ask, workspace, named):
    name_levels(workspace, None, ["open", "secret"])
    factories.document(workspace, title="Secret.txt", access_level=1)
    with pytest.raises(QuestionRefused, match=r"There is no document|document takes|too long"):
        ask(workspace_id=workspace.pk, filters={"document": named})
    assert not Turn.objects.exists()


def test_a_field_that_is_called_document_is_a_field(ask, workspace):
    fields.declare(workspace, None, label="Document", choices=["Contract"])
    turn = ask(workspace_id=workspace.pk, filters={"document": ["Contract"]})
    assert turn.filters == {"document": ["Contract"]}


def test_a_filter_that_fits_nothing_refuses_the_question(ask, workspace):
    with pytest.raises(QuestionRefused, match="department must be one of: HR, Legal"):
        ask("Where?", workspace_id=workspace.pk, filters={"department": "Sales"})
    with pytest.raises(QuestionRefused, match="choose one, or ask without the filter"):
        ask("Where?", filters={"department": "HR"})
    assert not Turn.objects.exists()


async def test_the_socket_takes_filters_and_says_what_is_wrong_with_one(asker, endpoint, workspace):
    async with connected(await to_thread(cookie_of)(asker)) as socket:
        await socket.say(run(workspaceId=str(workspace.pk), filters={"x'; --": 1}))
        said = await socket.hear()
        assert said["action"] == "error"
        assert "Choose one of: department, type" in said["data"]["message"]
        await socket.say(run(workspaceId=str(workspace.pk), filters={"department": {"not": "HR"}}))
        assert (await socket.hear())["data"]["filterWords"] == "department not HR"
    assert (await to_thread(Turn.objects.get)()).filters == {"department": {"not": "HR"}}


def test_programs_ask_with_filters_and_read_them(asker, endpoint, workspace):
    client = Client(headers={"authorization": f"Bearer {issue(asker, 'test')[1]}"})
    place = f"/api/v1/sessions/{factories.session(asker).pk}/turns"
    body = {"text": "Where?", "messageId": "m", "workspaceId": str(workspace.pk)}
    asked = client.post(place, body | {"filters": {"department": "HR"}}, content_type="application/json")
    assert (asked.status_code, asked.json()["filters"]) == (201, {"department": "HR"})
    wrong = client.post(
        place, body | {"messageId": "n", "filters": {"added": "now"}}, content_type="application/json"
    )
    assert wrong.json() == {"detail": "added must be a date, such as 2024-01-31."}


async def test_clients_of_openai_send_filters_beside_the_rest(async_client, asker, endpoint, workspace):
    key = (await to_thread(issue)(asker, "test"))[1]
    request = {
        "model": f"{workspace.name}/",
        "messages": [{"role": "user", "content": "Where is the pump?"}],
        "filters": {"department": ["Legal"]},
    }

    async def send(body):
        reply = await async_client.post(
            "/v1/chat/completions",
            json.dumps(body),
            "application/json",
            headers={"authorization": f"Bearer {key}"},
        )
        return reply.status_code, json.loads(reply.content)

    async with Runner():
        status, said = await send(request)
    assert (status, {each["title"] for each in said["citations"]}) == (200, {"Legal.txt"})
    status, said = await send(request | {"filters": {"colour": "red"}})
    assert status == 400
    assert "There is no field 'colour' here." in said["error"]["message"]


def test_the_page_shows_the_filter_of_a_question_and_offers_it_again(asker, endpoint, ask, workspace):
    turn = ask("Where?", workspace_id=workspace.pk, filters={"department": ["HR"]})
    client = Client()
    client.force_login(asker)
    page = client.get(f"/chat/{turn.session_id}/").content.decode()
    assert "Only documents with department HR" in page
    assert 'name="f.department" value="HR" checked' in page
    part = client.get("/chat/filters/", {"workspace": str(workspace.pk)}).content.decode()
    assert 'name="f.department" value="Legal"' in part
    for nobodys in (str(factories.workspace().pk), "", "x"):
        assert "f.department" not in client.get("/chat/filters/", {"workspace": nobodys}).content.decode()
