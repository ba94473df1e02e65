"""What servers say of themselves, and how they count a prompt."""

import pytest

from inference.connect import open_server
from inference.errors import InferenceError, Misconfigured, TimedOut
from inference.types import ChatMessage, EndpointSpec, ServerFacts
from tests.fakes.openai_server import OpenAIServer

PROMPT = (ChatMessage("system", "Answer briefly."), ChatMessage("user", "What is a pump?"))
WORDS = 6


def spec(server, tokenizer=""):
    return EndpointSpec("openai_compat", "fake", {"base_url": server.base_url}, tokenizer=tokenizer)


async def facts(server):
    async with open_server(spec(server)) as asked:
        return await asked.facts()


async def count(server, tokenizer=""):
    async with open_server(spec(server, tokenizer)) as asked:
        return await asked.count(PROMPT)


@pytest.mark.parametrize("flavour", ["vllm", "llama.cpp", "tgi"])
async def test_a_server_that_tells_is_known(flavour):
    async with OpenAIServer(flavour=flavour, context_tokens=8192) as server:
        assert await facts(server) == ServerFacts(8192, flavour)


async def test_a_server_that_tells_nothing_is_no_mistake():
    async with OpenAIServer() as server:
        assert await facts(server) == ServerFacts()
    assert await facts(server) == ServerFacts()  # nobody is there any more


@pytest.mark.parametrize(
    ("flavour", "template"), [("vllm", 0), ("llama.cpp", 2 * 2), ("tgi", 8 * 2)], ids=lambda value: str(value)
)
async def test_a_prompt_is_counted_with_its_template(flavour, template):
    async with OpenAIServer(flavour=flavour) as server:
        assert await count(server, flavour) == WORDS + template


async def test_the_operators_choice_goes_before_what_was_found():
    async with OpenAIServer(flavour="vllm") as server:
        chosen = EndpointSpec(
            "openai_compat", "fake", {"base_url": server.base_url, "tokenizer": "vllm"}, tokenizer="tgi"
        )
        async with open_server(chosen) as asked:
            assert await asked.count(PROMPT) == WORDS


async def test_a_server_without_a_tokenizer_is_not_asked():
    async with OpenAIServer() as server:
        with pytest.raises(Misconfigured, match="does not count"):
            await count(server)
        assert not server.requests


async def test_counting_has_a_short_deadline(monkeypatch):
    monkeypatch.setattr("inference.resilience._COUNT_S", 0.1)
    async with OpenAIServer(flavour="vllm", count_s=5) as server:
        with pytest.raises(TimedOut):
            await count(server, "vllm")


async def test_another_server_than_before_is_an_error_of_ours():
    async with OpenAIServer(flavour="vllm") as server:
        with pytest.raises(InferenceError):
            await count(server, "llama.cpp")
