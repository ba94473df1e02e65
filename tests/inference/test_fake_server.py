"""The fake speaks the real wire: the vendor's own client understands it."""

from collections.abc import AsyncIterator

import openai
import pytest

from tests.fakes.openai_server import GROUNDED, UNGROUNDED, Behaviour, OpenAIServer

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello?"}]
PASSAGE: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "[1] A passage."}]


@pytest.fixture
async def client(openai_server: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=openai_server.base_url, api_key="sk", max_retries=0) as client:
        yield client


async def test_a_completion(client: openai.AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(model="m", messages=PASSAGE)
    assert reply.choices[0].message.content == GROUNDED
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage
    assert reply.usage.completion_tokens == 6


@pytest.mark.parametrize("write_bytes", [None, 1, 7], ids=["whole events", "single bytes", "odd pieces"])
async def test_a_stream(
    openai_server: OpenAIServer, client: openai.AsyncOpenAI, write_bytes: int | None
) -> None:
    openai_server.behaviour = Behaviour(write_bytes=write_bytes, reasoning="Hm.")
    stream = await client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == UNGROUNDED
    assert chunks[-1].usage
    assert chunks[-1].usage.prompt_tokens == 1


async def test_embeddings_are_near_for_common_words(client: openai.AsyncOpenAI) -> None:
    reply = await client.embeddings.create(
        model="m", input=["red car", "red bus", "deep sea"], dimensions=128
    )
    red_car, red_bus, sea = (item.embedding for item in reply.data)
    assert len(red_car) == 128
    assert sum(a * b for a, b in zip(red_car, red_bus, strict=True)) == pytest.approx(0.5, abs=1e-5)
    assert abs(sum(a * b for a, b in zip(red_car, sea, strict=True))) < 0.1


async def test_models_behave_each_in_its_way(openai_server: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    openai_server.models["busy"] = Behaviour(status=429, retry_after_s=2, error="Slow down.")
    with pytest.raises(openai.RateLimitError, match="Slow down") as refusal:
        await client.chat.completions.create(model="busy", messages=HELLO)
    assert refusal.value.response.headers["Retry-After"] == "2"
    reply = await client.chat.completions.create(model="other?tokens=3", messages=HELLO)
    assert reply.choices[0].message.content == "This is a "
    assert [model.id async for model in client.models.list()] == ["busy"]


async def test_an_error_in_the_stream(openai_server: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    openai_server.behaviour = Behaviour(error_after=1)
    stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="told to fail"):
        assert not [chunk async for chunk in stream]
