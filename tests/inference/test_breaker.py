"""A server that does not answer is left alone for a while."""

import asyncio

import pytest

from inference import breaker
from inference.connect import open_chat, open_embedder
from inference.errors import InferenceError, Unavailable
from inference.types import ChatMessage, ChatRequest, Deadlines, EndpointSpec, TextDelta
from tests.fakes.openai_server import Behaviour, OpenAIServer

REQUEST = ChatRequest((ChatMessage("user", "Hello"),))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("inference.resilience._PAUSES_S", ())  # no retries
    monkeypatch.setattr(breaker, "_troubles", {})
    monkeypatch.setattr(breaker, "_answered", {})


@pytest.fixture
async def server():
    async with OpenAIServer() as server:
        yield server


def spec(server, name="Large"):
    deadlines = Deadlines(first_token_s=0.2)
    return EndpointSpec("openai_compat", "fake", {"base_url": server.base_url}, None, deadlines, name)


async def said(server, **fields):
    async with open_chat(spec(server, **fields)) as model:
        return "".join([event.text async for event in model.stream(REQUEST) if isinstance(event, TextDelta)])


async def fail(server, times=breaker.OPENS_AFTER, **fields):
    for _ in range(times):
        with pytest.raises(InferenceError):
            await said(server, **fields)


@pytest.fixture
def a_pause_passes(monkeypatch):
    def passes():
        for trouble in breaker._troubles.values():
            trouble.until = 0

    return passes


@pytest.mark.parametrize("how", [{"status": 500}, {"first_token_s": 5}], ids=["fails", "stalls"])
async def test_after_three_failures_in_a_row_it_is_not_asked_for_a_while(server, how):
    server.behaviour = Behaviour(**how)
    await fail(server)
    with pytest.raises(Unavailable, match=r"^Large is not answering\. It will be tried again in 15 s\.$"):
        await said(server)
    assert len(server.chats) == breaker.OPENS_AFTER


async def test_then_one_call_is_let_through_and_if_it_is_answered_all_are(server, a_pause_passes):
    server.behaviour = Behaviour(status=500)
    await fail(server)
    server.behaviour = Behaviour()
    a_pause_passes()
    assert await said(server)
    assert await said(server)


async def test_if_that_one_fails_the_pause_begins_again(server, a_pause_passes):
    server.behaviour = Behaviour(status=500)
    await fail(server)
    a_pause_passes()
    await fail(server, times=3)
    assert len(server.chats) == breaker.OPENS_AFTER + 1


async def test_only_failures_in_a_row_count(server):
    for _ in range(3):
        server.behaviour = Behaviour(status=500)
        await fail(server, times=breaker.OPENS_AFTER - 1)
        server.behaviour = Behaviour()
        assert await said(server)


async def test_failures_do_not_count_if_others_were_answered_meanwhile(server):
    """Of many calls at once some fail: their server is there, and all the others must not be refused."""
    server.behaviour = Behaviour(first_token_s=5)
    failing = [asyncio.create_task(fail(server, times=1)) for _ in range(breaker.OPENS_AFTER)]
    await asyncio.sleep(0.1)  # of the 0.2 s after which they fail
    assert len(server.chats) == len(failing)
    server.behaviour = Behaviour()
    assert await said(server)
    await asyncio.gather(*failing)
    assert await said(server)


@pytest.mark.parametrize("status", [400, 401, 429])
async def test_a_server_that_refuses_or_slows_us_down_does_answer(server, status):
    server.behaviour = Behaviour(status=status)
    await fail(server, times=6)
    assert len(server.chats) == 6


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refusal_says_as_well_that_the_server_is_back(server, a_pause_passes, status):
    server.behaviour = Behaviour(status=500)
    await fail(server)
    server.behaviour = Behaviour(status=status)
    a_pause_passes()
    await fail(server, times=1)
    server.behaviour = Behaviour()
    assert await said(server)


async def test_others_and_calls_without_a_name_go_on(server):
    server.behaviour = Behaviour(status=500)
    await fail(server)
    await fail(server, name="Small", times=1)
    await fail(server, name="", times=5)
    assert len(server.chats) == breaker.OPENS_AFTER + 6


async def test_embedders_have_one_too(server):
    server.behaviour = Behaviour(status=500)
    for _ in range(breaker.OPENS_AFTER + 1):
        with pytest.raises(Unavailable):
            async with open_embedder(spec(server)) as embedder:
                await embedder.embed(["text"], "query")
    assert len(server.requests) == breaker.OPENS_AFTER
