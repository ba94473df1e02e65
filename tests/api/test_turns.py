"""Asking through the REST API: once for each message id, polled or followed, stopped."""

import asyncio
import json
from uuid import uuid4

import aiohttp
import pytest

from accounts.identity.api_key import issue, revoke
from chat.log import sse
from chat.models import Answer, AnswerRating, Turn
from core.db.threads import to_thread
from models_registry.models import Endpoint
from tests import factories
from tests.chat.serving import served
from tests.fakes.openai_server import UNGROUNDED, Behaviour

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model(transactional_db, server):
    factories.chat_endpoint(name="small", base_url=server.base_url)
    return server


@pytest.fixture
def user(transactional_db):
    return factories.user()


@pytest.fixture
def session(user):
    return factories.session(user)


@pytest.fixture
def program(api, user):
    return api(user)


def question(text="What is a pump?", **fields):
    return {"text": text, "messageId": uuid4().hex} | fields


# --- asking --------------------------------------------------------------------------------------


def test_a_question_is_recorded_with_its_answer_to_come(program, session, model):
    asked = question(modelName="small", modelKwargs={"maxTokens": 9})
    reply = program("POST", f"sessions/{session.pk}/turns", asked)
    assert reply.status_code == 201
    [answer] = reply.json()["answers"]
    assert (reply.json()["messageId"], reply.json()["text"]) == (asked["messageId"], asked["text"])
    assert (answer["model"], answer["status"], answer["text"]) == ("small", "queued", "")
    assert Answer.objects.get().parameters["max_tokens"] == 9


def test_the_same_message_again_is_the_same_turn_and_says_so(program, session, model):
    asked = question()
    first, second = (program("POST", f"sessions/{session.pk}/turns", asked) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert Turn.objects.count() == 1


def test_the_idempotency_key_is_the_message_id(client, user, session, model):
    headers = {"Authorization": f"Bearer {issue(user, 'k')[1]}", "Idempotency-Key": "order-7"}
    replies = [
        client.post(
            f"/api/v1/sessions/{session.pk}/turns", {"text": "What?"}, "application/json", headers=headers
        )
        for _ in range(2)
    ]
    assert [reply.status_code for reply in replies] == [201, 200]
    assert Turn.objects.get().message_id == "order-7"
    contrary = client.post(
        f"/api/v1/sessions/{session.pk}/turns", question("What?"), "application/json", headers=headers
    )
    assert contrary.status_code == 400
    assert "Idempotency-Key" in contrary.json()["messageId"][0]


def test_several_models_give_an_answer_each(program, session, model):
    factories.chat_endpoint(name="quotes")
    reply = program("POST", f"sessions/{session.pk}/turns", question(modelNames=["quotes", "small"]))
    first, second = reply.json()["answers"]
    assert (first["model"], second["model"]) == ("quotes", "small")
    assert program("POST", f"answers/{first['id']}/stop").json()["status"] == "stopped"
    assert program("GET", f"answers/{second['id']}").json()["status"] == "queued"


@pytest.mark.parametrize(
    ("fields", "where", "word"),
    [
        ({"messageId": None}, "messageId", "null"),
        ({"messageId": "a b"}, "detail", "message id"),
        ({"text": " "}, "detail", "empty"),
        ({"text": "x" * 20_001}, "detail", "20,000"),
        ({"modelName": "huge"}, "detail", "no chat model 'huge'"),
        ({"modelNames": ["small"] * 5}, "modelNames", "more than 4"),
        ({"modelNames": ["small", "small"]}, "detail", "different"),
        ({"modelNames": ["small", "huge"]}, "detail", "no chat model 'huge'"),
        ({"modelNames": ["small"], "modelName": "small"}, "detail", "not both"),
        ({"modelKwargs": {"maxTokens": 0}}, "detail", "8,192"),
        ({"modelKwargs": {"heat": 1}}, "modelKwargs", "maxTokens"),
        ({"mood": "good"}, "mood", "Unknown field"),
        ({"workspaceId": str(uuid4())}, "detail", "workspace"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_asked_is_refused_in_words(program, session, model, fields, where, word):
    reply = program("POST", f"sessions/{session.pk}/turns", question() | fields)
    assert reply.status_code in (400, 404)
    assert word in json.dumps(reply.json()[where])
    assert not Turn.objects.exists()


@pytest.fixture
def answer(session, model):
    endpoint = Endpoint.objects.get(name="small")
    return factories.answer(session, text="Old words.", endpoint=endpoint, parameters={"max_tokens": 9})


def test_an_answer_is_regenerated_once_for_each_key(program, answer):
    address = f"answers/{answer.pk}/regenerate"
    first, again = (program("POST", address, {"messageId": "v-1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["model"], first.json()["status"], first.json()["lane"]) == ("small", "queued", 0)
    factories.chat_endpoint(name="quotes")
    other = program(
        "POST", address, {"messageId": "v-2", "modelName": "quotes", "modelKwargs": {"maxTokens": 5}}
    )
    assert other.json()["model"] == "quotes"
    assert Answer.objects.get(message_id="v-2").parameters["max_tokens"] == 5
    turn = program("GET", f"sessions/{answer.turn.session_id}").json()["turns"][0]
    assert [each["text"] for each in turn["answers"]] == ["Old words.", "", ""]


@pytest.mark.parametrize(
    ("body", "where", "word"),
    [
        ({}, "messageId", "Generate an id"),
        ({"messageId": "a b"}, "detail", "message id"),
        ({"messageId": "v", "modelName": "huge"}, "detail", "no chat model 'huge'"),
        ({"messageId": "v", "text": "x"}, "text", "Unknown field"),
    ],
)
def test_a_version_that_cannot_be_asked_for_is_refused_in_words(program, answer, body, where, word):
    reply = program("POST", f"answers/{answer.pk}/regenerate", body)
    assert reply.status_code == 400
    assert word in json.dumps(reply.json()[where])


def test_the_conversation_goes_on_with_the_answer_that_is_named(program, answer):
    reply = program("POST", f"answers/{answer.pk}/continue")
    assert reply.status_code == 200
    assert reply.json()["chosenAt"]
    Answer.objects.update(status="failed")
    refused = program("POST", f"answers/{answer.pk}/continue")
    assert (refused.status_code, "has text" in refused.json()["detail"]) == (400, True)


def test_an_answer_is_rated_and_the_rating_withdrawn(program, answer):
    address = f"answers/{answer.pk}/rating"
    reply = program("PUT", address, {"isGood": False, "comment": "Wrong page."})
    assert (reply.status_code, reply.json()["isGood"], reply.json()["comment"]) == (200, False, "Wrong page.")
    assert program("PUT", address, {"comment": "?"}).status_code == 400
    assert program("DELETE", address).status_code == 204
    assert not AnswerRating.objects.exists()
    Answer.objects.update(status="running")
    assert "when it has ended" in program("PUT", address, {"isGood": True}).json()["detail"]


def test_a_message_without_an_id_is_refused_and_told_why(program, session, model):
    reply = program("POST", f"sessions/{session.pk}/turns", {"text": "What?"})
    assert reply.status_code == 400
    assert "Generate an id" in reply.json()["messageId"][0]


def test_nobody_asks_in_somebody_elses_session(api, session, model):
    reply = api(factories.user())("POST", f"sessions/{session.pk}/turns", question())
    assert reply.status_code == 404
    assert not Turn.objects.exists()


# --- polling and stopping ------------------------------------------------------------------------


def test_an_answer_that_nobody_writes_yet_is_stopped_at_once(program, session, model):
    [answer] = program("POST", f"sessions/{session.pk}/turns", question()).json()["answers"]
    assert program("GET", f"answers/{answer['id']}").json()["status"] == "queued"
    reply = program("POST", f"answers/{answer['id']}/stop")
    assert (reply.status_code, reply.json()["status"]) == (202, "stopped")
    assert program("POST", f"answers/{answer['id']}/stop").status_code == 202


def test_polling_an_answer_takes_few_queries(program, user, session, django_assert_max_num_queries):
    answer = factories.answer(session, text="This [1].", passages=[{}, {}])
    with django_assert_max_num_queries(4):
        read = program("GET", f"answers/{answer.pk}").json()
    assert (read["text"], len(read["passages"])) == ("This [1].", 2)


# --- following, over a real server ---------------------------------------------------------------


class Program:
    """A client that speaks HTTP over a real connection."""

    def __init__(self, address, key):
        self.address = address
        self._session = aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {key}"})

    async def __aenter__(self):
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self._session.__aexit__(*error)

    async def ask(self, session, **fields):
        """Return the answer's address."""
        path = f"/api/v1/sessions/{session.pk}/turns"
        async with self._session.post(path, json=question(**fields)) as reply:
            assert reply.status == 201, await reply.text()
            return f"/api/v1/answers/{(await reply.json())['answers'][0]['id']}"

    async def read(self, path):
        async with self._session.get(path) as reply:
            return await reply.json()

    def follow(self, answer, **headers):
        return self._session.get(f"{answer}/events", headers={"Accept": "text/event-stream", **headers})

    async def stop(self, answer):
        async with self._session.post(f"{answer}/stop") as reply:
            return reply.status


@pytest.fixture
async def over_http(user):
    async with served() as address, Program(address, (await to_thread(issue)(user, "k"))[1]) as program:
        yield program


async def messages(reply):
    """Yield each message as a dictionary of its fields; a comment is the field ""."""
    message = {}
    async for line in reply.content:
        if text := line.decode().rstrip("\n"):
            name, _, value = text.partition(": ")
            message[name] = value
        elif message:
            yield message
            message = {}


async def all_of(reply):
    return [message async for message in messages(reply) if "id" in message]


def text_of(messages):
    return "".join(json.loads(each["data"])["text"] for each in messages if each["event"] == "delta")


async def test_an_answer_is_followed_to_its_end_and_then_read(over_http, session, model):
    answer = await over_http.ask(session)
    async with over_http.follow(answer) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "text/event-stream"
        came = await all_of(reply)
    assert [int(each["id"]) for each in came] == list(range(1, len(came) + 1))
    assert came[0]["event"] == "queued"
    assert came[-1]["event"] == "finished"
    assert text_of(came) == UNGROUNDED
    read = await over_http.read(answer)
    assert (read["status"], read["text"]) == ("finished", UNGROUNDED)


async def test_a_connection_that_broke_goes_on_where_it_was(over_http, session, model):
    model.behaviour = Behaviour(tokens=30, between_tokens_s=0.01)
    answer = await over_http.ask(session)
    before = []
    async with over_http.follow(answer) as reply:
        async for each in messages(reply):
            before.append(each)
            if len(before) == 8:
                break
    async with over_http.follow(answer, **{"Last-Event-ID": before[-1]["id"]}) as reply:
        after = await all_of(reply)
    assert [int(each["id"]) for each in before + after] == list(range(1, len(before + after) + 1))
    assert len(text_of(before + after).split()) == 30


async def test_an_event_source_that_has_all_is_told_not_to_come_back(over_http, session, model):
    answer = await over_http.ask(session)
    async with over_http.follow(answer) as reply:
        last = (await all_of(reply))[-1]
    async with over_http.follow(answer, **{"Last-Event-ID": last["id"]}) as reply:
        assert reply.status == 204


async def test_a_silent_stream_is_kept_open_by_pings(over_http, session, model, monkeypatch):
    monkeypatch.setattr(sse, "PING_INTERVAL_S", 0.05)
    model.behaviour = Behaviour(first_token_s=0.4)
    answer = await over_http.ask(session)
    async with over_http.follow(answer) as reply:
        came = [each async for each in messages(reply)]
    assert {"": "ping"} in came
    assert text_of([each for each in came if "id" in each]) == UNGROUNDED


async def test_an_answer_is_polled_while_it_is_written_and_stopped(over_http, session, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.02)
    answer = await over_http.ask(session)
    async with asyncio.timeout(10):
        while not (await over_http.read(answer))["text"]:  # noqa: ASYNC110 - as a program polls
            await asyncio.sleep(0.05)
    assert await over_http.stop(answer) == 202
    async with over_http.follow(answer) as reply:
        came = await all_of(reply)
    read = await over_http.read(answer)
    assert (came[-1]["event"], read["status"]) == ("stopped", "stopped")
    assert read["text"] == text_of(came)
    assert read["text"]


async def test_more_streams_than_the_pool_has_connections(over_http, session, model, settings):
    model.behaviour = Behaviour(first_token_s=1)
    most = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    answers = [await over_http.ask(session) for _ in range(most + 3)]
    replies = [await over_http.follow(answer) for answer in answers]
    ends = [(await all_of(reply))[-1]["event"] for reply in replies]
    assert ends == ["finished"] * len(answers)


@pytest.mark.parametrize("how", ["disabled", "revoked"])
async def test_whoever_may_not_any_more_sees_no_more(over_http, session, model, user, monkeypatch, how):
    monkeypatch.setattr(sse, "CHECK_INTERVAL_S", 0.1)
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.02)
    answer = await over_http.ask(session)

    def forbid():
        if how == "disabled":
            type(user).objects.update(is_active=False)
        else:
            revoke(user.api_keys.get())

    async with over_http.follow(answer) as reply:
        await anext(messages(reply))
        await to_thread(forbid)()
        rest = await all_of(reply)
    assert rest[-1]["event"] == "delta"
    async with over_http.follow(answer) as reply:
        assert reply.status == 401


async def test_a_silent_stream_ends_within_seconds_of_its_users_logout(
    over_http, session, model, user, client
):
    model.behaviour = Behaviour(first_token_s=60)
    answer = await over_http.ask(session)
    await to_thread(client.force_login)(user)
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    page = aiohttp.ClientSession(over_http.address, headers=cookie)
    async with page, page.get(f"{answer}/events") as reply:
        assert (await anext(messages(reply)))["event"] == "queued"
        await to_thread(client.logout)()
        async with asyncio.timeout(5):
            rest = await all_of(reply)
    assert {each["event"] for each in rest} <= {"queued", "started"}
    assert (await over_http.read(answer))["status"] == "running"


async def test_a_batch_question_is_marked_as_one(over_http, session, model):
    answer = await over_http.ask(session, priority="batch")
    async with over_http.follow(answer) as reply:
        assert (await all_of(reply))[-1]["event"] == "finished"
    assert (await to_thread(Answer.objects.get)()).is_batch


@pytest.mark.parametrize("said", ["-1", "x", "²", "9999999999"])
async def test_a_place_that_no_event_can_have_is_refused(over_http, session, model, said):
    answer = await over_http.ask(session)
    async with over_http.follow(answer, **{"Last-Event-ID": said}) as reply:
        assert reply.status == 400
        assert "Last-Event-ID" in (await reply.json())["detail"]
