"""Deadlines, failures, retries and connections, on real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from inference import http
from inference.connect import open_chat, open_embedder, open_reranker
from inference.errors import (
    BadReply,
    InferenceError,
    Misconfigured,
    RateLimited,
    Rejected,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from inference.resilience import ResilientEmbedder
from inference.types import Deadlines, Embeddings, EndpointSpec, Finished, TextDelta, TextRole, Usage
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread

from .conftest import REQUEST, events_of


def with_limits(spec: EndpointSpec, **limits: float) -> EndpointSpec:
    return replace(spec, deadlines=Deadlines(**limits))


async def chat(spec: EndpointSpec, **changes: Any) -> str:
    async with open_chat(spec) as model:
        events = await events_of(model, replace(REQUEST, **changes))
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@asynccontextmanager
async def raw_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
) -> AsyncIterator[str]:
    """Yield the address of a server below HTTP."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/v1"


# --- what is sent -------------------------------------------------------------------------------


async def test_the_secret_goes_into_the_header_and_nowhere_else(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    await chat(spec)
    sent = openai_server.chats[0]
    assert sent.headers["Authorization"] == "Bearer sk-hush"
    assert "sk-hush" not in f"{sent.body} {spec!r}"


async def test_without_a_secret_no_header_is_sent(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    await chat(replace(spec, secret=None))
    assert "Authorization" not in openai_server.chats[0].headers


async def test_texts_are_sent_in_batches(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    async with open_embedder(replace(spec, options={**spec.options, "batch_size": 4})) as model:
        await model.embed([f"text {number}" for number in range(10)], "passage")
    assert [len(sent.body["input"]) for sent in openai_server.requests] == [4, 4, 2]


# --- deadlines ----------------------------------------------------------------------------------

SLOW: dict[str, tuple[Behaviour, dict[str, float], dict[str, Any], str]] = {
    "the first word": (Behaviour(first_token_s=9), {"first_token_s": 0.2}, {}, "no first word within 0.2 s"),
    "the next word": (Behaviour(stall_after=2), {"between_tokens_s": 0.2}, {}, "no next word within 0.2 s"),
    "the end": (
        Behaviour(tokens=2, stall_after=2),
        {"between_tokens_s": 0.2},
        {},
        "no next word within 0.2 s",
    ),
    "a reply at once": (
        Behaviour(first_token_s=9),
        {"whole_reply_s": 0.2},
        {"streaming": False},
        "no answer within 0.2 s",
    ),
}


@pytest.mark.parametrize(("behaviour", "limits", "changes", "sentence"), SLOW.values(), ids=SLOW.keys())
async def test_nothing_is_waited_for_longer_than_its_deadline(
    openai_server: OpenAIServer,
    spec: EndpointSpec,
    behaviour: Behaviour,
    limits: Any,
    changes: Any,
    sentence: str,
) -> None:
    openai_server.behaviour = behaviour
    began = time.monotonic()
    with pytest.raises(TimedOut, match=sentence):
        await chat(with_limits(spec, **limits), **changes)
    assert 0.2 <= time.monotonic() - began < 1
    assert len(openai_server.requests) == 1, "a deadline that passed is not tried again"


async def test_embeddings_and_scores_have_a_deadline(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    openai_server.behaviour.first_token_s = 9
    async with open_embedder(with_limits(spec, whole_reply_s=0.2)) as model:
        with pytest.raises(TimedOut, match=r"no embedding within 0\.2 s"):
            await model.embed(["a"], "query")


async def test_a_slow_model_within_its_deadlines_is_heard_out(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(first_token_s=0.15, between_tokens_s=0.05, tokens=8)
    text = await chat(with_limits(spec, first_token_s=0.4, between_tokens_s=0.3))
    assert len(text.split()) == 8


async def test_time_in_which_our_own_process_stood_still_does_not_count(spec: EndpointSpec) -> None:
    with running_in_thread(behaviour=Behaviour(between_tokens_s=0.05, tokens=20)) as server:
        here = replace(spec, options={"base_url": server.base_url})
        for busy_after_s in (0.05, 0.4):
            asyncio.get_running_loop().call_later(busy_after_s, time.sleep, 1)
            text = await chat(with_limits(here, first_token_s=0.3, between_tokens_s=0.3))
            assert len(text.split()) == 20


async def test_a_connection_that_never_comes_about(spec: EndpointSpec) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.socket() as other:
        other.connect(deaf.getsockname())  # the kernel holds one that nobody accepts, and lets no other in
        url = "http://{}:{}/v1".format(*deaf.getsockname())
        with pytest.raises(TimedOut, match=r"No connection to 127\.0\.0\.1:\d+ within 0.2 s"):
            await chat(with_limits(replace(spec, options={"base_url": url}), connect_s=0.2))


# --- failures -----------------------------------------------------------------------------------

FAILURES: dict[str, tuple[Behaviour, type[InferenceError], str]] = {
    "wrong key": (
        Behaviour(status=401, error="Bad key."),
        Unauthorized,
        "check the secret. It said: Bad key.",
    ),
    "forbidden": (Behaviour(status=403), Unauthorized, "check the secret"),
    "wrong model": (
        Behaviour(status=404, error="No model."),
        Misconfigured,
        "check both. It said: No model.",
    ),
    "too long": (Behaviour(status=400, error="Too long."), Rejected, "refused this request .* Too long."),
    "too large": (Behaviour(status=413), Rejected, "413"),
    "unpaid": (Behaviour(status=402, error="No credit."), Misconfigured, "to be paid .* No credit."),
    "not understood": (Behaviour(status=422), Rejected, "422"),
    "moved": (Behaviour(status=308), Misconfigured, "redirects elsewhere"),
    "broken": (Behaviour(status=500, error="CUDA is out of memory."), Unavailable, "CUDA is out of memory."),
    "a web page": (Behaviour(body="<html>Welcome</html>"), BadReply, "not a chat completion"),
    "an error in the stream": (Behaviour(error_after=0, error="Oops."), Unavailable, "Oops."),
    "garbage in the stream": (Behaviour(garbage_after=1), BadReply, "not a chat completion"),
    "a broken connection": (Behaviour(drop_after=1), Unavailable, "The connection to 127.0.0.1:.* broke."),
}


@pytest.mark.parametrize(("behaviour", "kind", "sentence"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_is_told_in_our_words(
    openai_server: OpenAIServer,
    spec: EndpointSpec,
    behaviour: Behaviour,
    kind: type[InferenceError],
    sentence: str,
) -> None:
    openai_server.behaviour = behaviour
    with pytest.raises(kind, match=sentence) as raised:
        await chat(spec)
    assert type(raised.value) is kind


async def test_a_web_page_instead_of_a_whole_reply(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    openai_server.behaviour.body = "<html>Welcome</html>"
    with pytest.raises(BadReply, match="not a chat completion"):
        await chat(spec, streaming=False)
    async with open_embedder(spec) as model:
        with pytest.raises(BadReply, match="not a list of embeddings"):
            await model.embed(["a"], "query")


async def test_the_secret_is_taken_out_of_the_servers_words(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(status=401, error="Incorrect key: sk-hush.")
    with pytest.raises(Unauthorized, match=r"Incorrect key: \*\*\*"):
        await chat(spec)


async def test_nothing_listens(spec: EndpointSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    with pytest.raises(
        Unavailable, match=f"Nothing answers at 127.0.0.1:{port}: is the model's server running"
    ):
        await chat(replace(spec, options={"base_url": url}))


async def test_something_that_is_no_web_server(spec: EndpointSpec) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with raw_server(serve) as url:
        with pytest.raises(BadReply, match="invalid HTTP response"):
            await chat(replace(spec, options={"base_url": url}))


async def test_a_plain_server_at_a_secure_address(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    url = openai_server.base_url.replace("http:", "https:")
    with pytest.raises(Misconfigured, match="no certificate that we can trust"):
        await chat(replace(spec, options={"base_url": url}))


async def test_a_reply_without_end_is_cut_off(
    openai_server: OpenAIServer, spec: EndpointSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_REPLY_BYTES", 50_000)  # the real bound would take seconds to reach
    openai_server.behaviour.tokens = 1_000_000
    with pytest.raises(BadReply, match="sent more than 50,000 bytes"):
        await chat(spec)
    await openai_server.wait_abandoned()


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no such kind": (open_reranker, {}, "OpenAI-compatible server offers no cross-encoder"),
    "no model": (open_chat, {"model": ""}, "fill in the model id"),
    "a secret of two lines": (open_chat, {"secret": "a\nb"}, "on one line"),
    "a wrong option": (open_embedder, {"options": {"batch_size": 0}}, "Batch size"),
    "an unknown provider": (open_chat, {"provider": "x"}, "no provider 'x'"),
}


@pytest.mark.parametrize(("door", "changes", "sentence"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_endpoint_is_refused_before_anything_is_sent(
    openai_server: OpenAIServer, spec: EndpointSpec, door: Any, changes: Any, sentence: str
) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        await door(replace(spec, **changes)).__aenter__()
    assert not openai_server.requests


@pytest.mark.parametrize("missing", [1, 2])
async def test_too_few_vectors_are_refused(
    openai_server: OpenAIServer, spec: EndpointSpec, missing: int
) -> None:
    openai_server.behaviour.vectors_missing = missing
    async with open_embedder(spec) as model:
        with pytest.raises(BadReply, match=f"sent {2 - missing} results for 2 texts"):
            await model.embed(["a", "b"], "query")


class Growing:
    """A model that is swapped for a longer one between two batches."""

    batch_size = 1
    dimensions = 3

    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        self.dimensions += 1
        return Embeddings([[1.0] * self.dimensions for _ in texts], Usage(0, 0))


async def test_vectors_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadReply, match=r"different lengths: \[4, 5\]"):
        await ResilientEmbedder(Growing(), EndpointSpec("quotes", "")).embed(["a", "b"], "query")


# --- retries ------------------------------------------------------------------------------------


async def test_a_busy_server_is_asked_again(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    openai_server.behaviour = Behaviour(status=503, failures=2)
    assert "[1]" in await chat(spec)
    assert len(openai_server.requests) == 3


async def test_the_third_failure_is_told(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    openai_server.behaviour = Behaviour(status=503, error="Loading.")
    with pytest.raises(Unavailable, match="It said: Loading"):
        await chat(spec)
    assert len(openai_server.requests) == 3


async def test_what_an_operator_must_mend_is_not_tried_again(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(status=401)
    with pytest.raises(Unauthorized):
        await chat(spec)
    assert len(openai_server.requests) == 1


async def test_after_the_first_word_nothing_is_tried_again(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(drop_after=2)
    words = []
    with pytest.raises(Unavailable):  # noqa: PT012
        async with open_chat(spec) as model, aclosing(model.stream(REQUEST)) as events:
            async for event in events:
                words.append(event)
    assert len(words) == 2
    assert len(openai_server.requests) == 1


async def test_a_server_is_given_the_time_it_asks_for(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(status=429, failures=1, retry_after_s=1)
    began = time.monotonic()
    await chat(spec)
    assert time.monotonic() - began >= 1


async def test_more_time_than_there_is_is_not_waited_for(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(status=429, retry_after_s=60)
    began = time.monotonic()
    with pytest.raises(RateLimited) as raised:
        await chat(with_limits(spec, first_token_s=5))
    assert raised.value.retry_after_s == 60
    assert time.monotonic() - began < 1


async def test_embeddings_are_tried_again_batch_by_batch(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(status=503, failures=1)
    async with open_embedder(replace(spec, options={**spec.options, "batch_size": 1})) as model:
        assert len((await model.embed(["a", "b"], "query")).vectors) == 2
    assert len(openai_server.requests) == 3


HEADERS = {"12": 12.0, "": None, "soon": None, "-3": None, "Wed, 21 Oct 2015 07:28:00 GMT": 0.0}


@pytest.mark.parametrize(("header", "seconds"), HEADERS.items())
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert http._retry_after_s(header) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    seconds = http._retry_after_s(formatdate(time.time() + 100, usegmt=True))
    assert seconds is not None
    assert 97 < seconds <= 100


# --- connections --------------------------------------------------------------------------------


async def test_leaving_early_closes_the_models_connection_at_once(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(tokens=1000, between_tokens_s=0.01)
    async with open_chat(spec) as model, aclosing(model.stream(REQUEST)) as events:
        await anext(events)
        assert openai_server.abandoned == 0
    await openai_server.wait_abandoned(timeout_s=0.5)
    assert openai_server.tokens_sent < 10


async def test_cancelling_a_reader_closes_the_models_connection_at_once(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour.stall_after = 1
    reading = asyncio.create_task(chat(spec))
    await openai_server.wait_until(lambda: openai_server.tokens_sent)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await openai_server.wait_abandoned(timeout_s=0.5)


async def test_a_connection_serves_many_answers(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    for _ in range(3):
        await chat(spec)
    assert len({sent.client_port for sent in openai_server.chats}) == 1


async def test_a_server_that_never_hangs_up_after_the_end_does_not_hold_us(
    spec: EndpointSpec,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        writer.write(b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n')
        writer.write(b"data: [DONE]\n\n")
        await reader.read()  # until we hang up
        writer.close()

    async with (
        raw_server(serve) as url,
        asyncio.timeout(2),
        open_chat(replace(spec, options={"base_url": url})) as model,
    ):
        assert (await events_of(model))[-1] == Finished("stop")


async def test_both_models_of_the_container_are_reached(container_url: str) -> None:
    spec = EndpointSpec("container", "", {"url": container_url})
    async with open_embedder(spec) as embedder, open_reranker(spec) as reranker:
        [query], [passage] = (
            (await embedder.embed(["a b"], "query")).vectors,
            (await embedder.embed(["a b"], "passage")).vectors,
        )
        assert query == [-value for value in passage], "the role reaches the container"
        assert (await reranker.score("a b", ["b", "c"])).values == [1.0, 0.0]


def test_every_loop_closes_its_own_session() -> None:
    async def ask(spec: EndpointSpec) -> str:
        return await chat(spec)

    with running_in_thread() as server:
        spec = EndpointSpec("openai_compat", "fake", {"base_url": server.base_url})
        for run in (lambda: asyncio.run(ask(spec)), lambda: async_to_sync(ask)(spec)):
            assert "[1]" in run()
            assert not http._sessions
