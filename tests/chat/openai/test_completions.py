"""OpenAI's own client, unchanged, works with the whole web process."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.identity.api_key import issue, revoke
from chat.asking.sessions import delete_session
from chat.log import sse
from chat.models import Answer, Session, Turn
from chat.openai import views
from chat.pages.presenters import list_sessions
from core.db.threads import to_thread
from models_registry.models import Endpoint
from tests import factories
from tests.chat.answering.test_answer import FEES, put
from tests.chat.serving import served
from tests.fakes.openai_server import GROUNDED, UNGROUNDED, Behaviour
from workspaces.models import Membership

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION: Any = [{"role": "user", "content": "How much is the yearly fee?"}]


@pytest.fixture
def small(transactional_db, endpoint):
    """Return the model's name, which contains a space and a slash."""
    endpoint.name = "acme/small 1"
    endpoint.save()
    return endpoint.name


@pytest.fixture
def workspace(transactional_db, model, asker):
    workspace = factories.workspace(
        name="Club / rules",
        dimensions=384,
        embedder=factories.embedder(base_url=model.base_url, dimensions=384),
    )
    document = factories.document(workspace, title="Club rules.pdf")
    put(workspace, document.pk, [FEES, "The club was founded in Bremen in 1987."])
    Membership.objects.create(workspace=workspace, user=asker)
    return workspace


@pytest.fixture
def key(transactional_db, asker):
    return issue(asker, "chat client")[1]


@pytest.fixture
async def client(key):
    async with (
        served() as address,
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client,
    ):
        yield client


async def row(model, **filters):
    return await to_thread(lambda: model.objects.get(**filters))()


async def until_ended():
    async with asyncio.timeout(5):
        while not (answer := await to_thread(Answer.objects.first)()) or not answer.has_ended:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # polls the row, which sends no notification
    return answer


# --- answers -------------------------------------------------------------------------------------


async def test_a_completion_comes_whole(client, small):
    completion = await client.chat.completions.create(model=small, messages=QUESTION)
    [choice] = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", UNGROUNDED)
    assert (choice.finish_reason, completion.model) == ("stop", small)
    answer = await row(Answer)
    assert completion.id == f"chatcmpl-{answer.pk}"
    assert completion.usage.prompt_tokens == answer.input_tokens > 0
    assert completion.usage.completion_tokens == answer.output_tokens > 0
    assert (completion.citations, completion.grounding) == ([], "none")


async def test_a_completion_streams_with_its_usage(client, small):
    stream = await client.chat.completions.create(
        model=small, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    *others, last = chunks
    assert others[0].choices[0].delta.role == "assistant"
    assert "".join(each.choices[0].delta.content or "" for each in others) == UNGROUNDED
    assert [each.choices[0].finish_reason for each in others][-1] == "stop"
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0
    assert len({each.id for each in chunks}) == 1


async def test_a_stream_that_was_not_asked_for_usage_has_none(client, small):
    stream = await client.chat.completions.create(model=small, messages=QUESTION, stream=True)
    assert all([chunk.choices and not chunk.usage async for chunk in stream])


async def test_the_sync_client_gets_the_same(client, key, small):
    def ask():
        streamed: Any
        with openai.OpenAI(base_url=client.base_url, api_key=key) as sync:
            whole = sync.chat.completions.create(model=small, messages=QUESTION)
            streamed = sync.chat.completions.create(model=small, messages=QUESTION, stream=True)
            return whole.choices[0].message.content, "".join(
                chunk.choices[0].delta.content or "" for chunk in streamed
            )

    assert await asyncio.to_thread(ask) == (UNGROUNDED, UNGROUNDED)


async def test_the_helpers_of_the_client_read_the_stream(client, small):
    async with client.chat.completions.stream(model=small, messages=QUESTION) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == UNGROUNDED


# --- documents -----------------------------------------------------------------------------------


def check_citations(citations):
    assert [each["number"] for each in citations] == list(range(1, len(citations) + 1))
    assert set(citations[0]) == {"number", "document_id", "title", "page", "text"}
    assert (citations[0]["title"], citations[0]["page"]) == ("Club rules.pdf", 3)
    assert any("48 euros" in each["text"] for each in citations)


@pytest.mark.parametrize("named", ["Club / rules/", "Club / rules/acme/small 1"])
async def test_a_workspace_in_the_models_name_is_asked(client, small, workspace, named):
    completion = await client.chat.completions.create(model=named, messages=QUESTION)
    assert completion.choices[0].message.content == GROUNDED
    assert completion.grounding == "found"
    check_citations(completion.citations)


async def test_citations_stream_before_the_words(client, small, workspace):
    stream = await client.chat.completions.create(
        model=f"{workspace.pk}/{small}", messages=QUESTION, stream=True
    )
    chunks = [chunk async for chunk in stream]
    with_citations = [place for place, chunk in enumerate(chunks) if "citations" in chunk.model_extra]
    first_words = next(place for place, chunk in enumerate(chunks) if chunk.choices[0].delta.content)
    assert len(with_citations) == 1
    assert with_citations[0] < first_words
    check_citations(chunks[with_citations[0]].citations)


@pytest.mark.parametrize("streams", [False, True])
async def test_an_empty_workspace_says_so_in_a_sentence(client, small, asker, model, streams):
    def make():
        embedder = factories.embedder(base_url=model.base_url, dimensions=384)
        made = factories.workspace(name="New", dimensions=384, embedder=embedder)
        Membership.objects.create(workspace=made, user=asker)

    await to_thread(make)()
    reply = await client.chat.completions.create(model="New/", messages=QUESTION, stream=streams)
    if streams:
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in reply])
    else:
        text = reply.choices[0].message.content
        assert (reply.grounding, reply.usage.total_tokens) == ("empty", 0)
    assert text == "There is nothing in New to search yet, so no model was asked."
    # The sentence is not part of the stored answer: the page shows its own notice.
    assert (await row(Answer)).text == ""
    assert not model.chats


# --- the conversation ----------------------------------------------------------------------------


async def test_earlier_messages_are_the_history_and_instructions_are_followed(client, small, model):
    messages = [
        {"role": "system", "content": "Answer like a pirate."},
        {"role": "assistant", "content": "A greeting nobody asked for."},
        {"role": "user", "content": "What is a pump?"},
        {"role": "assistant", "content": "It moves water."},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "a valve?"}]},
    ]
    await client.chat.completions.create(model=small, messages=messages)
    first, *rest = model.chats[-1].body["messages"]
    assert first["role"] == "system"
    assert first["content"].endswith("Answer like a pirate.")
    assert [(each["role"], each["content"]) for each in rest] == [
        ("user", "What is a pump?"), ("assistant", "It moves water."), ("user", "And\na valve?"),
    ]  # fmt: skip
    assert (await row(Turn)).text == "And\na valve?"


async def test_a_failover_of_the_database_fails_no_request(client, small, model, lose_connections):
    """The request succeeds although several idle connections of the pool are dead."""
    with ThreadPoolExecutor(4) as threads:
        gate = threading.Barrier(4)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(threads, _use_a_connection, gate) for _ in range(4)])
    await lose_connections()
    completion = await client.chat.completions.create(model=small, messages=QUESTION)
    assert completion.choices[0].message.content == UNGROUNDED
    assert len(model.chats) == 1


def _use_a_connection(gate):
    """Open a connection and wait for the other threads, so that each of them has its own."""
    try:
        connection.ensure_connection()
        gate.wait(10)
    finally:
        connection.close()


async def test_each_request_is_a_session_of_its_own_and_not_in_the_pages_list(client, small, asker):
    for _ in range(2):
        await client.chat.completions.create(model=small, messages=QUESTION)
    sessions = await to_thread(lambda: list(Session.objects.all()))()
    assert [each.user_id for each in sessions] == [asker.pk] * 2
    assert not await to_thread(lambda: list(list_sessions(asker)))()


async def test_the_same_key_again_is_the_same_answer(client, small, model):
    same = {"model": small, "messages": QUESTION, "extra_headers": {"Idempotency-Key": "k1"}}
    first, second = await asyncio.gather(*[client.chat.completions.create(**same) for _ in range(2)])
    assert first.id == second.id
    assert first.choices[0].message.content == second.choices[0].message.content == UNGROUNDED
    assert len(model.chats) == 1


# --- models --------------------------------------------------------------------------------------


async def test_models_are_listed_with_and_without_each_workspace(client, small, workspace):
    await to_thread(factories.workspace)(name="Somebody else's")
    listed = [model.id async for model in client.models.list()]
    assert listed == [small, "Club / rules/", f"Club / rules/{small}"]
    for name in listed:
        assert (await client.models.retrieve(name)).id == name
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("Somebody else's/")


async def test_a_models_own_name_goes_before_a_workspaces(client, small, asker, model):
    await to_thread(factories.workspace)(name="acme", created_by=asker)
    await to_thread(factories.chat_endpoint)(name="small 1", base_url=model.base_url)
    completion = await client.chat.completions.create(model=small, messages=QUESTION)
    assert completion.grounding == "none"


# --- client disconnects --------------------------------------------------------------------------


@pytest.fixture
def slow(model):
    model.behaviour = Behaviour(tokens=1000, between_tokens_s=0.02)
    return model


async def test_leaving_a_stream_stops_the_answer_and_the_model(client, small, slow):
    stream = await client.chat.completions.create(model=small, messages=QUESTION, stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    answer = await until_ended()
    assert (answer.status, bool(answer.text)) == ("stopped", True)
    await slow.wait_abandoned()


async def test_leaving_before_a_whole_reply_stops_the_answer_too(client, small, slow):
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(model=small, messages=QUESTION, timeout=0.7)
    assert (await until_ended()).status == "stopped"


@pytest.mark.parametrize(("headers", "status"), [({}, "stopped"), ({"Idempotency-Key": "k9"}, "finished")])
async def test_leaving_while_the_question_is_recorded_stops_its_answer(client, small, model, headers, status):
    """A client that sent an Idempotency-Key is expected to retry, so its answer goes on."""
    model.behaviour = Behaviour(tokens=200, between_tokens_s=0.02)
    holding = asyncio.create_task(asyncio.to_thread(_hold_the_turns, 1.0))
    await asyncio.sleep(0.2)
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(
            model=small, messages=QUESTION, timeout=0.3, extra_headers=headers
        )
    assert not await to_thread(Answer.objects.exists)()
    await holding
    assert (await until_ended()).status == status


def _hold_the_turns(seconds):
    """Make every question wait in the database, with a table lock."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_turn IN SHARE MODE")
        time.sleep(seconds)
    connection.close()


async def test_a_stream_that_is_dropped_before_it_is_read_is_left():
    """Django drops it like this if the client disconnects while a middleware holds the response."""
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.call_soon_threadsafe(left.set)

    response = sse.stream(aiter_of_nothing(), leave)
    del response
    async with asyncio.timeout(5):
        await left.wait()


async def aiter_of_nothing():
    for nothing in ():
        yield nothing


async def test_whoever_means_to_come_back_finds_the_answer_written(client, small, model):
    model.behaviour = Behaviour(tokens=40, between_tokens_s=0.02)
    same = {"model": small, "messages": QUESTION, "extra_headers": {"Idempotency-Key": "k2"}}
    stream = await client.chat.completions.create(stream=True, **same)
    await anext(stream)
    await stream.close()
    completion = await client.chat.completions.create(**same)
    assert len(completion.choices[0].message.content.split()) == 40
    assert len(model.chats) == 1


@pytest.mark.parametrize("streams", [False, True])
async def test_a_key_that_is_revoked_meanwhile_gets_no_more(client, small, slow, asker, monkeypatch, streams):
    monkeypatch.setattr(sse, "CHECK_INTERVAL_S", 0.1)
    asked = asyncio.create_task(completed(client, model=small, messages=QUESTION, stream=streams))
    await slow.wait_until(lambda: slow.chats)
    await to_thread(lambda: revoke(asker.api_keys.get()))()
    with pytest.raises(openai.APIError, match="no longer valid"):
        await asked
    assert (await until_ended()).status == "stopped"


@pytest.mark.parametrize("streams", [False, True])
async def test_an_answer_that_is_deleted_meanwhile_is_told_so(client, small, slow, asker, caplog, streams):
    asked = asyncio.create_task(completed(client, model=small, messages=QUESTION, stream=streams))
    await slow.wait_until(lambda: slow.chats)
    await to_thread(lambda: delete_session(asker, Session.objects.get().pk))()
    with pytest.raises(openai.APIError, match="This answer was deleted"):
        await asked
    assert not [record for record in caplog.records if record.name in ("chat.openai.views", "uvicorn.error")]


async def completed(client, **asked):
    reply = await client.chat.completions.create(**asked)
    return [chunk async for chunk in reply] if asked["stream"] else reply


async def test_a_silent_stream_is_kept_open_by_pings(client, small, model, monkeypatch):
    monkeypatch.setattr(sse, "PING_INTERVAL_S", 0.05)
    model.behaviour = Behaviour(first_token_s=0.4)
    stream = await client.chat.completions.create(model=small, messages=QUESTION, stream=True)
    assert "".join([each.choices[0].delta.content or "" async for each in stream]) == UNGROUNDED


# --- problems ------------------------------------------------------------------------------------


async def test_a_model_that_fails_is_an_error_of_the_client(client, small, model):
    model.behaviour = Behaviour(status=400, error="The prompt is filtered.")
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="The prompt is filtered"):
            await client.chat.completions.create(model=small, messages=QUESTION, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_what_an_operator_must_mend_is_no_fault_of_the_client(client, small, model, status, stream):
    model.behaviour = Behaviour(status=status, error="Not for you.")
    with pytest.raises(openai.InternalServerError, match="not set up correctly") as error:
        await client.chat.completions.create(model=small, messages=QUESTION, stream=stream)
    assert error.value.status_code == 502


async def test_a_model_that_is_away_is_an_http_error_before_the_first_chunk(client, small, model):
    await to_thread(Endpoint.objects.update)(options={"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(openai.InternalServerError, match="Nothing answers") as error:
        await client.chat.completions.create(model=small, messages=QUESTION, stream=True)
    assert error.value.status_code == 503


async def test_a_stream_of_a_slow_model_begins_before_its_words(client, small, model, monkeypatch):
    monkeypatch.setattr(views, "ERROR_STATUS_WITHIN_S", 0.0)
    model.behaviour = Behaviour(first_token_s=1.5, status=200)
    stream = await client.chat.completions.create(model=small, messages=QUESTION, stream=True)
    began = time.monotonic()
    first = await anext(aiter(stream))
    assert first.choices[0].delta.role == "assistant"
    assert time.monotonic() - began < 1
    await stream.close()


async def test_an_error_after_the_first_words_ends_the_stream(client, small, model):
    model.behaviour = Behaviour(error_after=3, error="GPU lost.", between_tokens_s=0.5)
    same = {"model": small, "messages": QUESTION, "stream": True, "extra_headers": {"Idempotency-Key": "k3"}}
    stream = await client.chat.completions.create(**same)
    with pytest.raises(openai.APIError, match=r"GPU lost\."):
        [chunk async for chunk in stream]
    with pytest.raises(openai.InternalServerError, match=r"GPU lost\."):  # known before the stream begins
        await client.chat.completions.create(**same)


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_is_not_given_out(client, small, model, stream):
    model.behaviour.text = "<think>Two and two.</think>\n\nFour."
    reply = await client.chat.completions.create(model=small, messages=QUESTION, stream=stream)
    if stream:
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in reply])
    else:
        text = reply.choices[0].message.content
    assert text == "Four."


async def test_thinking_that_a_client_sends_back_is_not_sent_to_the_model(client, small, model):
    earlier = [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "<think>Hm</think>Four."},
    ]
    await client.chat.completions.create(model=small, messages=[*earlier, *QUESTION])
    sent = model.chats[-1].body["messages"]
    assert {"role": "assistant", "content": "Four."} in sent
    assert "Hm" not in str(sent)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", path) for path in ("embeddings", "completions", "responses", "chat/completions/", "")),
        *(("GET", path) for path in ("files", "models/", "assistants/x")),
    ],
)
async def test_an_unknown_address_is_refused_in_openais_format(client, method, path):
    reply = await client._client.request(method, f"{client.base_url}{path}", headers=client.auth_headers)
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "unknown_url")
    assert error["message"].startswith(f"There is no {method} /v1/")


async def test_a_model_that_may_recover_is_worth_another_try(client, small, model):
    model.behaviour = Behaviour(status=500)
    with pytest.raises(openai.InternalServerError) as error:
        await client.chat.completions.create(model=small, messages=QUESTION)
    assert error.value.status_code == 503


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "huge"}, "There is no model 'huge'"),
        ({"messages": []}, "The last message must be from the user"),
        ({"messages": [*QUESTION, {"role": "assistant", "content": "It is"}]}, "The last message must be"),
        ({"messages": [{"role": "user", "content": " "}]}, "empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "Images are not taken here"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "Sound is not taken here"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "Files are not taken here"),
        ({"messages": [{"role": "user", "content": [{"type": "odd"}]}]}, "type 'odd' are not taken here"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools is not supported"),
        ({"n": 2}, "n is not supported"),
        ({"stop": ["."]}, "stop is not supported"),
        ({"max_tokens": 9000}, "8,192"),
        ({"temperature": 3}, "temperature"),
        ({"extra_body": {"mood": "good"}}, "mood"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_openais_words(client, small, fields, words):
    with pytest.raises(openai.APIStatusError) as error:
        await client.chat.completions.create(**{"model": small, "messages": QUESTION} | fields)
    assert error.value.status_code == (404 if "model" in fields else 400)
    assert words in error.value.message
    assert error.value.type == "invalid_request_error"
    assert not await to_thread(Turn.objects.exists)()


async def test_parameters_that_change_nothing_are_taken(client, small):
    completion = await client.chat.completions.create(
        model=small, messages=QUESTION, n=1, user="me", seed=7, stop=[], tools=[], presence_penalty=0,
        response_format={"type": "text"}, max_completion_tokens=50, temperature=0.5, top_p=0.9,
    )  # fmt: skip
    assert completion.choices[0].message.content == UNGROUNDED
    parameters = (await row(Answer)).parameters
    assert parameters == {"max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "streaming": False}


@pytest.mark.parametrize("said", ["", "Bearer", "Bearer rs_wrong", "Basic x"])
def test_without_a_key_there_is_no_answer(said, small):
    reply = Client().post("/v1/chat/completions", "{}", "application/json", headers={"Authorization": said})
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"


def test_a_revoked_key_opens_nothing(asker):
    row, key = issue(asker, "old")
    revoke(row)
    reply = Client().get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert "was revoked" in reply.json()["error"]["message"]


def test_a_page_that_is_logged_in_does_not_ask_by_its_cookie(asker, small):
    client = Client()
    client.force_login(asker)
    assert client.post("/v1/chat/completions", "{}", "application/json").status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": "\\u0000"}'])
def test_a_body_that_is_no_request_is_refused(key, body):
    reply = Client().post(
        "/v1/chat/completions", body, "application/json", headers={"Authorization": f"Bearer {key}"}
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


async def test_a_conversation_that_is_too_large_is_told_so(client, small):
    with pytest.raises(openai.APIStatusError) as error:
        await client.chat.completions.create(model=small, messages=QUESTION, user="x" * 6_000_000)
    assert error.value.status_code == 413
    assert "send fewer messages" in error.value.message
