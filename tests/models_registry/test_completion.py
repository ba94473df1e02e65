"""A short text by a model, and what the call took, however it ended."""

import asyncio

import pytest

from inference.errors import InferenceError
from inference.types import ChatMessage
from models_registry.completion import Completion
from tests import factories
from tests.fakes.openai_server import Behaviour, running_in_thread

pytestmark = pytest.mark.django_db
PROMPT = (ChatMessage("user", "Tell me about pumps."),)


@pytest.fixture
def server():
    with running_in_thread() as server:
        yield server


def _open(server, **fields):
    return Completion(factories.chat_endpoint(base_url=server.base_url, **fields), PROMPT, 50)


def test_it_returns_the_text_and_the_tokens_as_counted(server):
    server.behaviour = Behaviour(text="  Pumps\0 move water. ")
    call = _open(server)
    assert asyncio.run(call.run()) == "Pumps move water."
    assert not call.usage().is_estimate
    assert server.chats[0].body["max_tokens"] == 50
    assert server.chats[0].body["temperature"] == 0


def test_a_call_that_failed_before_its_first_word_took_nothing(server):
    server.behaviour = Behaviour(status=500)
    call = _open(server)
    with pytest.raises(InferenceError):
        asyncio.run(call.run())
    assert (call.usage().input_tokens, call.usage().output_tokens) == (0, 0)


def test_a_call_that_was_cancelled_has_read_its_prompt(server):
    server.behaviour = Behaviour(first_token_s=5)
    call = _open(server)

    async def run_briefly():
        async with asyncio.timeout(0.3):
            await call.run()

    with pytest.raises(TimeoutError):
        asyncio.run(run_briefly())
    assert call.usage().is_estimate
    assert call.usage().input_tokens > 0
