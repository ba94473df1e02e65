"""The WebSocket: questions in, events out, only while the user is logged in."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import uvicorn
import websockets
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client

from accounts.identity import revocation
from accounts.models import User
from benchmarks import exhaustion
from chat.asking.sessions import delete_session
from chat.log import follow
from chat.models import Answer, AnswerEvent, Turn
from chat.queue.runner import Runner
from chat.socket import actions, consumers
from core.db.threads import to_thread
from core.rate import Buckets
from ragsite.asgi import application
from tests import factories
from tests.fakes.openai_server import UNGROUNDED, Behaviour
from tests.fakes.socket import Socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie(transactional_db, asker):
    return cookie_of(asker)


def cookie_of(user):
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@asynccontextmanager
async def connected(cookie, origin="http://localhost", path="/socket"):
    headers = [(b"cookie", cookie.encode()), (b"origin", origin.encode()), (b"host", b"localhost")]
    socket = Socket(application, path, headers)
    assert await socket.connect()
    try:
        yield socket
    finally:
        await socket.leave()


def run(text="What is a pump?", **data):
    return {"action": "run", "data": {"messageId": uuid4().hex, "text": text} | data}


async def answered(socket):
    """Return the events that arrive, up to the last."""
    events = []
    while not (events and events[-1]["kind"] in ("finished", "stopped", "failed")):
        said = await socket.hear()
        assert said["action"] == "event", said
        events += said["data"]["events"]
    return events


def text_of(events):
    return "".join(event["data"]["text"] for event in events if event["kind"] == "delta")


async def error_of(socket, frame):
    await socket.say(frame)
    said = await socket.hear()
    assert said["action"] == "error", said
    return said["data"]


# --- asking --------------------------------------------------------------------------------------


async def test_a_question_is_accepted_and_its_answer_comes_as_events(cookie, endpoint):
    message = run(
        modelName=endpoint.name,
        provider="openai_compat",
        sessionId="",
        workspaceId="",
        modelKwargs={"streaming": True, "maxTokens": 100, "temperature": 0.5, "topP": 0.9},
        mode="chain",
    )
    async with Runner(), connected(cookie) as socket:
        await socket.say(message)
        accepted = await socket.hear()
        events = await answered(socket)
    turn = await to_thread(lambda: Turn.objects.get())()
    answer = await to_thread(lambda: Answer.objects.get())()
    assert accepted == {
        "action": "accepted",
        "data": {
            "messageId": message["data"]["messageId"],
            "sessionId": str(turn.session_id),
            "turnId": str(turn.pk),
            "parentId": None,
            "answers": [{"answerId": str(answer.pk), "model": endpoint.name}],
        },
    }
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert text_of(events) == answer.text == UNGROUNDED
    assert answer.parameters == {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "streaming": True}


async def test_a_message_sent_again_over_another_socket_is_the_same_turn(cookie, endpoint, model):
    message = run()
    async with Runner(), connected(cookie) as first, connected(cookie) as second:
        await asyncio.gather(*[socket.say(message) for socket in (first, first, second)])
        said = [await first.hear()]
        answers = await asyncio.gather(_all(first, 2), _all(second, 1))
    assert said[0]["action"] == "accepted"
    assert set(answers) == {UNGROUNDED}
    assert len(model.chats) == 1


async def _all(socket, accepted):
    """Return the text of the answer on a socket on which the same message was sent several times."""
    events = []
    while not (events and events[-1]["kind"] == "finished"):
        said = await socket.hear()
        if said["action"] == "event":
            events += said["data"]["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return text_of(events)


async def test_several_models_answer_side_by_side(cookie, endpoint, model):
    await to_thread(factories.chat_endpoint)(name="other", base_url=model.base_url)
    async with Runner(), connected(cookie) as socket:
        await socket.say(run(modelNames=[endpoint.name, "other"]))
        answers = (await socket.hear())["data"]["answers"]
        texts = {each["answerId"]: [] for each in answers}
        while not all(some and some[-1]["kind"] == "finished" for some in texts.values()):
            said = (await socket.hear())["data"]
            texts[said["answerId"]] += said["events"]
    assert [each["model"] for each in answers] == [endpoint.name, "other"]
    assert [text_of(each) for each in texts.values()] == [UNGROUNDED] * 2
    assert len(model.chats) == 2


async def test_another_version_comes_as_events_once_however_often_it_is_asked_for(cookie, endpoint, model):
    async with Runner(), connected(cookie) as socket, connected(cookie) as other:
        await socket.say(run())
        accepted = (await socket.hear())["data"]
        await answered(socket)
        old = accepted["answers"][0]["answerId"]
        again = {
            "action": "regenerate",
            "data": {"answerId": old, "messageId": "v-1", "modelKwargs": {"maxTokens": 9}},
        }
        for each in (socket, other):
            await each.say(again)
            said = (await each.hear())["data"]
            events = await answered(each)
    new = await to_thread(lambda: Answer.objects.get(message_id="v-1"))()
    assert said == {
        "messageId": "v-1",
        "sessionId": accepted["sessionId"],
        "turnId": accepted["turnId"],
        "parentId": None,
        "answers": [{"answerId": str(new.pk), "model": endpoint.name}],
        "replaces": old,
    }
    assert text_of(events) == new.text == UNGROUNDED
    assert new.parameters["max_tokens"] == 9
    assert len(model.chats) == 2


async def test_a_version_that_is_refused_says_why_and_which(cookie, ask):
    answer = await to_thread(lambda: ask().answers.get())()
    wish = {"answerId": str(answer.pk), "messageId": "v-1"}
    async with connected(cookie) as socket:
        error = await error_of(socket, {"action": "regenerate", "data": wish})
        assert "still being written" in error["message"]
        assert error["messageId"] == "v-1"
        unknown = await error_of(socket, {"action": "regenerate", "data": wish | {"modelName": "nobody"}})
        assert "nobody" in unknown["message"]


async def test_five_models_side_by_side_are_too_many(cookie, endpoint):
    async with connected(cookie) as socket:
        error = await error_of(socket, run(modelNames=["a", "b", "c", "d", "e"]))
    assert "data.modelNames" in error["message"]


async def test_stop_is_heard_while_an_answer_streams(cookie, endpoint, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with Runner(), connected(cookie) as socket:
        await socket.say(run())
        accepted = await socket.hear()
        answer_id = accepted["data"]["answers"][0]["answerId"]
        events = []
        while not text_of(events):
            events += (await socket.hear())["data"]["events"]
        await socket.say({"action": "stop", "data": {"answerId": answer_id}})
        events += await answered(socket)
    assert events[-1]["kind"] == "stopped"
    answer = await to_thread(lambda: Answer.objects.get())()
    assert answer.text == text_of(events)


async def test_whoever_comes_back_resumes_where_they_were(cookie, endpoint, model):
    model.behaviour = Behaviour(tokens=60, between_tokens_s=0.02)
    async with Runner():
        async with connected(cookie) as socket:
            await socket.say(run())
            accepted = await socket.hear()
            answer_id = accepted["data"]["answers"][0]["answerId"]
            events = []
            while len(events) < 10:
                events += (await socket.hear())["data"]["events"]
        async with connected(cookie) as socket:
            follow = {"answerId": answer_id, "afterSeq": events[-1]["seq"]}
            await socket.say({"action": "follow", "data": follow})
            events += await answered(socket)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len(text_of(events).split()) == 60


async def test_a_page_follows_several_answers_at_once(cookie, ask):
    answers = await to_thread(lambda: [ask().answers.get() for _ in range(3)])()
    texts = {str(answer.pk): "" for answer in answers}
    async with connected(cookie) as socket:
        for answer in answers:
            await socket.say({"action": "follow", "data": {"answerId": str(answer.pk)}})
        async with Runner():
            ended = 0
            while ended < 3:
                said = (await socket.hear())["data"]
                texts[said["answerId"]] += text_of(said["events"])
                ended += said["events"][-1]["kind"] == "finished"
    assert set(texts.values()) == {UNGROUNDED}


async def test_what_nobody_follows_may_be_acknowledged(cookie, ask):
    answer = await to_thread(lambda: ask().answers.get())()
    async with connected(cookie) as socket:
        await socket.say({"action": "ack", "data": {"answerId": str(answer.pk), "seq": 3}})
        assert await socket.receive_nothing(0.2)


async def test_a_client_that_acknowledges_is_not_sent_more_than_it_can_take(cookie, ask, monkeypatch):
    monkeypatch.setattr(consumers, "MAX_UNACKNOWLEDGED", 10)
    monkeypatch.setattr(follow, "PAGE", 10)
    answer = await to_thread(_answer_of_30_events)(ask)
    async with connected(cookie) as socket:
        await socket.say({"action": "follow", "data": {"answerId": str(answer.pk)}})
        for acknowledged in (0, 10, 20):
            await socket.say({"action": "ack", "data": {"answerId": str(answer.pk), "seq": acknowledged}})
            seqs = [event["seq"] for event in (await socket.hear())["data"]["events"]]
            assert seqs == list(range(acknowledged + 1, acknowledged + 11))
            assert await socket.receive_nothing(0.2)


def _answer_of_30_events(ask):
    answer = ask().answers.get()
    AnswerEvent.objects.bulk_create(
        AnswerEvent(answer=answer, seq=seq, kind="delta" if seq < 30 else "finished", data={"text": "word "})
        for seq in range(2, 31)
    )
    return answer


async def test_a_page_follows_a_bounded_number_of_answers(cookie, ask, monkeypatch):
    monkeypatch.setattr(consumers, "MAX_FOLLOWED", 2)
    answers = await to_thread(lambda: [ask().answers.get() for _ in range(3)])()
    async with connected(cookie) as socket:
        for answer in answers[:2]:
            await socket.say({"action": "follow", "data": {"answerId": str(answer.pk)}})
            assert (await socket.hear())["action"] == "event"
        error = await error_of(socket, {"action": "follow", "data": {"answerId": str(answers[2].pk)}})
    assert "follows 2 answers" in error["message"]


# --- rejected frames -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("no json", "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "message"),
        ("null", "message"),
        ('{"action": "dance", "data": {}}', "dance"),
        ('{"data": {}}', "action"),
        ('{"action": "run"}', "data"),
        ('{"action": "run", "data": {"text": "x"}}', "data.messageId"),
        ('{"action": "run", "data": {"text": 3, "messageId": "m"}}', "data.text"),
        ('{"action": "run", "data": {"text": "x", "messageId": "m", "tools": []}}', "data.tools"),
        ('{"action": "run", "data": {"text": "x", "messageId": "m", "mode": "agent"}}', "data.mode"),
        ('{"action": "run", "data": {"text": "x", "messageId": "m"}, "extra": 1}', "extra"),
        (
            '{"action": "run", "data": {"text": "x", "messageId": "m", "modelKwargs": {"seed": 1}}}',
            "data.modelKwargs.seed",
        ),
        ('{"action": "run", "data": {"text": "x", "messageId": "m", "sessionId": "7"}}', "data.sessionId"),
        ('{"action": "follow", "data": {"answerId": "7"}}', "data.answerId"),
        ('{"action": "stop", "data": {}}', "data.answerId"),
        ('{"action": "regenerate", "data": {"answerId": "7", "messageId": "m"}}', "data.answerId"),
        ('{"action": "regenerate", "data": {"messageId": "m"}}', "data.answerId"),
        ("[" * 100_000, "not valid JSON"),
        (json.dumps("x" * 300_000), "longer than"),
    ],
)
async def test_a_frame_that_is_not_understood_is_answered_in_words(cookie, frame, words):
    async with connected(cookie) as socket:
        error = await error_of(socket, frame)
        assert words in error["message"]
        assert len(error["message"]) < 1000
        assert (await error_of(socket, "still here"))["message"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"text": " "}, "empty"),
        ({"text": "x" * 20_001}, "20,001 characters"),
        ({"messageId": "a b"}, "message id"),
        ({"modelKwargs": {"maxTokens": 9999}}, "8,192"),
        ({"modelName": "nobody"}, "nobody"),
        ({"workspaceId": str(uuid4())}, "no such workspace"),
    ],
)
async def test_a_question_that_is_refused_says_why_and_which(cookie, endpoint, data, words):
    frame = run(**data)
    async with connected(cookie) as socket:
        error = await error_of(socket, frame)
    assert words in error["message"]
    assert error["messageId"] == frame["data"]["messageId"]
    assert not await to_thread(Turn.objects.exists)()


async def test_bytes_are_refused(cookie):
    async with connected(cookie) as socket:
        await socket.say(b"\x00")
        assert (await socket.hear())["action"] == "error"


async def test_answers_and_sessions_of_others_are_not_there(ask):
    turn = await to_thread(ask)()
    answer = await to_thread(turn.answers.get)()
    stranger = await to_thread(lambda: cookie_of(factories.operator()))()
    async with connected(stranger) as socket:
        for action, more in (("follow", {}), ("stop", {}), ("regenerate", {"messageId": "v-1"})):
            error = await error_of(socket, {"action": action, "data": {"answerId": str(answer.pk)} | more})
            assert error["message"] == "There is no such answer."
        error = await error_of(socket, run(sessionId=str(turn.session_id)))
        assert error["message"] == "There is no such session."
    await to_thread(answer.refresh_from_db)()
    assert not answer.stop_requested


# --- authentication ------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", "sessionid=forged", "sessionid=" + "x" * 5000])
async def test_a_stranger_is_told_and_sent_away(cookie):
    async with connected(cookie) as socket:
        assert "Log in" in (await socket.hear())["data"]["message"]
        assert await socket.closed_with() == consumers.SIGNED_OUT


def _disable(user, cookie):
    User.objects.filter(pk=user.pk).update(is_active=False)


def _log_out(user, cookie):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie.partition("=")[2]
    client.logout()


def _change_password(user, cookie):
    user.set_password("another one")
    user.save()


@pytest.mark.parametrize("lose", [_disable, _log_out, _change_password])
async def test_whoever_may_not_be_here_any_more_is_closed_at_their_next_message(
    cookie, asker, endpoint, lose
):
    async with connected(cookie) as socket:
        await to_thread(lose)(asker, cookie)
        error = await error_of(socket, run())
        assert "signed out" in error["message"]
        assert await socket.closed_with() == consumers.SIGNED_OUT
    assert not await to_thread(Turn.objects.exists)()


@pytest.mark.parametrize("lose", [_disable, _log_out, _change_password])
async def test_whoever_may_not_be_here_any_more_is_closed_while_they_only_listen(cookie, asker, lose):
    async with connected(cookie) as socket:
        await asyncio.sleep(0.3)  # until the socket is authenticated
        await to_thread(lose)(asker, cookie)
        assert "signed out" in (await socket.hear(timeout_s=5))["data"]["message"]
        assert await socket.closed_with() == consumers.SIGNED_OUT


async def test_a_login_with_other_data_in_its_session_is_still_good(cookie, asker, monkeypatch):
    monkeypatch.setattr(revocation, "POLL_INTERVAL_S", 0.2)
    async with connected(cookie) as socket:
        await asyncio.sleep(0.3)
        await to_thread(_note_something)(cookie)
        assert await socket.receive_nothing(0.7)


def _note_something(cookie):
    session = SessionStore(cookie.partition("=")[2])
    session["something"] = "else"
    session.save()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_pages_of_other_sites_cannot_connect(cookie, origin):
    headers = [(b"cookie", cookie.encode()), (b"origin", origin.encode()), (b"host", b"localhost")]
    assert not await Socket(application, "/socket", headers).connect()


async def test_other_addresses_are_refused(cookie):
    headers = [(b"cookie", cookie.encode()), (b"origin", b"http://localhost"), (b"host", b"localhost")]
    assert not await Socket(application, "/elsewhere", headers).connect()


# --- with a real server --------------------------------------------------------------------------


@asynccontextmanager
async def served():
    """Serve the whole web process under uvicorn, and yield its address."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="on", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"ws://localhost:{server.servers[0].sockets[0].getsockname()[1]}/socket"
    finally:
        server.should_exit = True
        await serving


async def _next_events(socket):
    said = json.loads(await asyncio.wait_for(socket.recv(), 10))
    return said["data"]["events"] if said["action"] == "event" else []


async def test_the_whole_way_over_a_real_server(cookie, endpoint, model):
    model.behaviour = Behaviour(tokens=30, between_tokens_s=0.01)
    async with served() as address:
        headers = _headers(cookie, address)
        async with websockets.connect(address, additional_headers=headers) as socket:
            await socket.send(json.dumps(run()))
            events = []
            while not events or events[-1]["kind"] != "finished":
                events += await _next_events(socket)
    assert len(text_of(events).split()) == 30


async def test_a_server_that_is_asked_to_end_lets_answers_end(cookie, endpoint, model):
    model.behaviour = Behaviour(tokens=30, between_tokens_s=0.02)
    async with served() as address:
        headers = _headers(cookie, address)
        async with websockets.connect(address, additional_headers=headers) as socket:
            await socket.send(json.dumps(run()))
            while not await _next_events(socket):
                pass
    answer = await to_thread(lambda: Answer.objects.get())()
    assert answer.status == Answer.Status.FINISHED
    assert len(answer.text.split()) == 30


async def test_whoever_talks_on_when_they_are_sent_away_keeps_nobody_else_here(cookie, asker, caplog):
    other = await to_thread(factories.user)()
    others = await to_thread(cookie_of)(other)
    async with (
        served() as address,
        websockets.connect(address, additional_headers=_headers(cookie, address)) as socket,
        websockets.connect(address, additional_headers=_headers(others, address)) as listening,
    ):
        await asyncio.sleep(0.3)  # until both are authenticated
        await to_thread(_disable)(asker, cookie)
        socket.transport.pause_reading()  # so that it does not see the close frame
        await socket.send(json.dumps(run()))
        await socket.send("and on, and on")
        await asyncio.sleep(revocation.POLL_INTERVAL_S + 0.5)
        await to_thread(_disable)(other, others)
        await asyncio.wait_for(listening.wait_closed(), 5)
        socket.transport.abort()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_whoever_does_not_read_keeps_nobody_else_here(cookie, asker, ask):
    answer = await to_thread(_long_answer)(ask)
    other = await to_thread(factories.user)()
    others = await to_thread(cookie_of)(other)
    async with (
        served() as address,
        websockets.connect(address, additional_headers=_headers(cookie, address), compression=None) as socket,
        websockets.connect(address, additional_headers=_headers(others, address)) as listening,
    ):
        socket.transport.pause_reading()
        follow = {"action": "follow", "data": {"answerId": str(answer.pk)}}
        await socket.send(json.dumps(follow))
        await asyncio.sleep(1)  # until all buffers between us are full
        await to_thread(_disable)(asker, cookie)
        await asyncio.sleep(revocation.POLL_INTERVAL_S + 0.5)
        await to_thread(_disable)(other, others)
        await asyncio.wait_for(listening.wait_closed(), 5)
        socket.transport.abort()


def _long_answer(ask):
    answer = ask().answers.get()
    words = {"text": "w" * 1024 * 1024}
    AnswerEvent.objects.bulk_create(
        AnswerEvent(answer=answer, seq=seq, kind="delta", data=words) for seq in range(2, 66)
    )
    Answer.objects.update(status=Answer.Status.STOPPED)
    return answer


def _headers(cookie, address: str):
    return {"Cookie": cookie, "Origin": f"http://{urlsplit(address).netloc}"}


async def test_a_client_that_leaves_at_once_leaves_no_error_behind(cookie, endpoint, caplog):
    async with served() as address:
        headers = _headers(cookie, address)
        for _ in range(5):
            async with websockets.connect(address, additional_headers=headers) as socket:
                await socket.send(json.dumps(run()))
                socket.transport.abort()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_page_is_told_that_the_answer_it_follows_was_deleted(cookie, endpoint, model):
    model.behaviour = Behaviour(tokens=500, between_tokens_s=0.05)
    async with Runner(grace_s=0.1), connected(cookie) as socket:
        await socket.say(run(modelName=endpoint.name))
        accepted = (await socket.hear())["data"]
        owner = await to_thread(User.objects.get)(sessions=accepted["sessionId"])
        await to_thread(delete_session)(owner, accepted["sessionId"])
        while (said := await socket.hear())["action"] == "event":
            pass
    assert said == {"action": "gone", "data": {"answerId": accepted["answers"][0]["answerId"]}}


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ud83d \\ude00"])
async def test_half_a_character_is_refused_with_the_message_id(cookie, endpoint, half):
    async with connected(cookie) as socket:
        frame = json.dumps(run("HALF", messageId="m-1")).replace("HALF", half)
        await socket.say(frame)
        said = await socket.hear()
        assert "half of a character" in said["data"]["message"]
        assert said["data"]["messageId"] == "m-1"
        assert (await said_to(socket, run("And now?", messageId="m-2")))["action"] == "accepted"


async def said_to(socket, frame):
    await socket.say(frame)
    return await socket.hear()


# --- floods --------------------------------------------------------------------------------------


async def test_a_flood_of_frames_is_read_slowly(cookie, monkeypatch):
    monkeypatch.setattr(actions, "_frames", Buckets(per_s=10, burst=5))
    follow = {"action": "follow", "data": {"answerId": str(uuid4())}}
    async with connected(cookie) as socket, connected(cookie) as other:
        started = time.monotonic()
        for each in (socket, other) * 5:
            await each.say(follow)
        for each in (socket, other) * 5:
            assert (await each.hear())["action"] == "error"
    assert time.monotonic() - started > 0.4


async def test_a_question_to_a_read_only_database_gets_a_sentence_and_is_taken_afterwards(cookie, endpoint):
    known = {k: v for k, v in connection.get_connection_params().items() if k != "cursor_factory"}
    frame = run()
    async with connected(cookie) as socket:
        outage = exhaustion.read_only(known)
        await asyncio.to_thread(outage.__enter__)
        try:
            said = await error_of(socket, frame)
        finally:
            await asyncio.to_thread(outage.__exit__, None, None, None)
        assert "read-only at the moment" in said["message"]
        assert said["messageId"] == frame["data"]["messageId"]
        assert not await Turn.objects.aexists()
        await socket.say(frame)
        assert (await socket.hear())["action"] == "accepted"
