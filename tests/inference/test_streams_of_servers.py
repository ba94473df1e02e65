"""What real servers send, through the door that the chat uses: `open_chat` over HTTP."""

import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from inference.connect import open_chat
from inference.errors import InferenceError, Misconfigured, RateLimited, Rejected, TimedOut, Unavailable
from inference.http import proxy_for
from inference.types import (
    ChatEvent,
    ChatMessage,
    Deadlines,
    EndpointSpec,
    Finished,
    TextDelta,
    Thinking,
    Usage,
)
from tests.fakes.openai_server import Behaviour, OpenAIServer
from tests.inference.conftest import REQUEST


def data(chunk: Any) -> bytes:
    return f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode()


def says(text: Any, **choice: Any) -> bytes:
    return data({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]})


def repeated(sent: bytes, times: int) -> list[bytes | float]:
    """Return writes with pauses of 0.1 s after each."""
    return [each for _ in range(times) for each in (sent, 0.1)]


END = data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
DONE = data("[DONE]")


async def events_of(spec: EndpointSpec, **changes: Any) -> list[ChatEvent]:
    async with (
        open_chat(spec) as model,
        aclosing(model.stream(replace(REQUEST, **changes))) as events,
    ):
        return [event async for event in events]


def answer_in(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thinking_in(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Thinking))


def limited(spec: EndpointSpec, limit_s: float) -> EndpointSpec:
    return replace(spec, deadlines=Deadlines(first_token_s=limit_s, between_tokens_s=limit_s))


# --- thinking ------------------------------------------------------------------------------------

THOUGHTS = {
    "reasoning_content": data({"choices": [{"delta": {"reasoning_content": "Hm. "}}]}),
    "reasoning": data({"choices": [{"delta": {"content": "", "reasoning": "Hm. "}}]}),
    "parts": says([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}]}]),
}


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS.keys())
async def test_a_model_that_thinks_for_longer_than_the_deadline_is_alive(
    openai_server: OpenAIServer, spec: EndpointSpec, thought: bytes
) -> None:
    openai_server.behaviour.sends = [*repeated(thought, 8), says("Four."), END, DONE]
    events = await events_of(limited(spec, 0.4))
    assert answer_in(events) == "Four."
    assert thinking_in(events) == "Hm. " * 8


SIGNS = {
    "comments": b": keep-alive\n\n",
    "empty words": says(""),
    "no choices": data({"choices": []}),
    "null": data("null"),
    "pings": b"event: ping\ndata: {}\n\n",
}


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS.keys())
async def test_whatever_a_server_sends_is_a_sign_of_life(
    openai_server: OpenAIServer, spec: EndpointSpec, sign: bytes
) -> None:
    openai_server.behaviour.sends = [
        *repeated(sign, 6),
        says("Fo"),
        *repeated(sign, 6),
        says("ur."),
        END,
        DONE,
    ]
    assert answer_in(await events_of(limited(spec, 0.4))) == "Four."


async def test_a_model_that_stops_thinking_is_given_up(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour.sends = [*repeated(THOUGHTS["reasoning"], 3), 9.0]
    began = time.monotonic()
    with pytest.raises(TimedOut, match="next word"):
        await events_of(limited(spec, 0.4))
    assert time.monotonic() - began < 2


async def test_thinking_between_tags_is_no_part_of_the_answer(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour.sends = [says("<thi"), says("nk>Two and two.</th"), says("ink>\n\nFour."), END]
    events = await events_of(spec)
    assert (thinking_in(events), answer_in(events)) == ("Two and two.", "Four.")


async def test_a_prompt_may_open_the_thinking(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    openai_server.behaviour.sends = [says("Two and two."), says("\n</think>\n\nFour."), END]
    first, second, *rest = await events_of(spec)
    assert (first, second) == (TextDelta("Two and two."), Thinking("\n", takes_back=True))
    assert answer_in(rest) == "Four."
    told = replace(spec, options={**spec.options, "thinks_first": True})
    events = await events_of(told)
    assert (thinking_in(events), answer_in(events)) == ("Two and two.\n", "Four.")


# --- errors inside a stream ----------------------------------------------------------------------

ERRORS: dict[str, tuple[Sequence[bytes], type[InferenceError], str]] = {
    "vLLM's object": (
        [data({"object": "error", "message": "Too long.", "type": "BadRequestError", "code": 400})],
        Rejected,
        "Too long.",
    ),
    "an event of the type error": (
        [b'event: error\ndata: {"message": "GPU lost."}\n\n', DONE],
        Unavailable,
        "GPU lost.",
    ),
    "an event of the type error, in plain text": (
        [b"event: error\ndata: GPU lost.\n\n"],
        Unavailable,
        "GPU lost.",
    ),
    "an event of the type error, without words": ([b"event: error\ndata:\n\n", DONE], Unavailable, "failed"),
    "TGI's": ([data({"error": "Overloaded.", "error_type": "overloaded"})], Unavailable, "Overloaded."),
    "TGI's refusal": ([data({"error": "Too many.", "error_type": "validation"})], Rejected, "Too many."),
    "Anthropic's": (
        [data({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow."}})],
        RateLimited,
        "Slow.",
    ),
    "a list": ([data({"errors": [{"message": "Gone.", "code": "404"}]})], Misconfigured, "Gone."),
    "FastAPI's": ([data({"detail": "Not loaded."})], Unavailable, "Not loaded."),
    "DashScope's": ([data({"code": "InvalidParameter", "message": "Bad."})], Rejected, "Bad."),
    "beside an empty choice": (
        [data({"error": {"code": 502, "message": "Upstream."}, "choices": [{"finish_reason": "error"}]})],
        Unavailable,
        "Upstream.",
    ),
    "only a reason": (
        [data({"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}), DONE],
        Unavailable,
        "broke off",
    ),
    "aborted": (
        [data({"choices": [{"delta": {}, "finish_reason": "abort"}]}), DONE],
        Unavailable,
        "broke off",
    ),
    "in place of a stream": (
        [b'{"error": {"message": "No such model.", "code": 404}}'],
        Misconfigured,
        "No such",
    ),
}


@pytest.mark.parametrize(("sends", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
async def test_an_error_after_status_200_fails_in_the_servers_words(
    openai_server: OpenAIServer,
    spec: EndpointSpec,
    sends: list[bytes],
    kind: type[InferenceError],
    words: str,
) -> None:
    is_stream = not sends[0].startswith(b"{")
    for before in [[], [says("Half")]] if is_stream else [[]]:
        openai_server.behaviour.sends = [*before, *sends]
        with pytest.raises(kind, match=words) as raised:
            await events_of(spec)
        assert type(raised.value) is kind


# --- what is tolerated ---------------------------------------------------------------------------

USAGE_OF_NULLS = data({"choices": [], "usage": {"prompt_tokens": None, "completion_tokens": None}})
TOLERATED: dict[str, Sequence[bytes]] = {
    "choices null": [says("Four."), data({"choices": None}), END, DONE],
    "an event null": [says("Four."), data("null"), END, DONE],
    "usage of nulls": [says("Four."), END, USAGE_OF_NULLS, DONE],
    "usage of texts": [says("Four."), END, data({"choices": [], "usage": "much"}), DONE],
    "a choice null": [data({"choices": [None]}), says("Four."), END, DONE],
    "an index null": [says("Four.", index=None), END, DONE],
    "parts of the content": [says([{"type": "text", "text": "Fo"}, {"type": "text", "text": "ur."}]), END],
    "a part as text": [says(["Fo", "ur."]), END],
    "one part": [says({"type": "text", "text": "Four."}), END],
    "parts of other types": [says([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Four."}]), END],
    "a refusal": [data({"choices": [{"delta": {"content": None, "refusal": "Four."}}]}), END],
    "the whole message at the end": [
        says("Four."),
        data({"choices": [{"message": {"content": "Four."}, "finish_reason": "stop"}]}),
    ],
    "the last event without its blank line": [says("Four."), END.rstrip()],
    "[DONE] without its blank line": [says("Four."), b"data: [DONE]"],
    "a JSON reply": [
        json.dumps({"choices": [{"message": {"content": "Four."}, "finish_reason": "stop"}]}, indent=1).encode()
    ],
    "a JSON reply in two pieces, after blank lines": [
        b"\n\n",
        b'{"choices": [{"mess',
        0.05,  # type: ignore[list-item]
        b'age": {"content": "Four."}}]}\n',
    ],
    "Moonshot's usage": [says("Four."), data({"choices": [{"finish_reason": "stop", "usage": {"prompt_tokens": 1}}]})],
    "spaces around [DONE]": [says("Four."), b"data:  [DONE] \r\n\r\n"],
}  # fmt: skip


@pytest.mark.parametrize("sends", TOLERATED.values(), ids=TOLERATED.keys())
async def test_a_whole_answer_is_taken(
    openai_server: OpenAIServer, spec: EndpointSpec, sends: list[bytes]
) -> None:
    openai_server.behaviour.sends = sends
    events = await events_of(spec)
    assert answer_in(events) == "Four."
    assert events[-1] == Finished("stop")


async def test_counts_that_are_null_are_estimated(openai_server: OpenAIServer, spec: EndpointSpec) -> None:
    usage = data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": None}})
    openai_server.behaviour.sends = [says("12345678"), usage, END, USAGE_OF_NULLS, DONE]
    assert Usage(7, 2, is_estimate=True) in await events_of(spec)


@pytest.mark.parametrize("end", [END, says(".", finish_reason="length")], ids=["stop", "length"])
async def test_a_connection_that_breaks_after_the_end_loses_nothing(
    openai_server: OpenAIServer, spec: EndpointSpec, end: bytes
) -> None:
    openai_server.behaviour = Behaviour(sends=[says("Four"), end, 0.05], drop_after=0)
    assert answer_in(await events_of(spec)).startswith("Four")


async def test_a_connection_that_breaks_before_the_end_fails(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour = Behaviour(sends=[says("Four"), 0.05], drop_after=0)
    with pytest.raises(Unavailable, match="broke"):
        await events_of(spec)


async def test_a_server_that_stays_silent_after_the_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    monkeypatch.setattr("inference.providers.openai_compat._USAGE_S", 0.1)
    openai_server.behaviour.sends = [says("Four."), END, 9.0]
    began = time.monotonic()
    assert answer_in(await events_of(spec)) == "Four."
    assert time.monotonic() - began < 2


HALVES: dict[str, Sequence[bytes]] = {
    "halves of a surrogate pair": [
        b'data: {"choices": [{"delta": {"content": "Hi \\ud83d"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\\ude00!"}}]}\n\n',
    ],
    "bytes of a character": [
        b'data: {"choices": [{"delta": {"content": "Hi \xf0\x9f"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\x98\x80!"}}]}\n\n',
    ],
}


@pytest.mark.parametrize("sends", HALVES.values(), ids=HALVES.keys())
async def test_a_character_in_two_chunks_is_joined(
    openai_server: OpenAIServer, spec: EndpointSpec, sends: list[bytes]
) -> None:
    openai_server.behaviour.sends = [*sends, END]
    assert answer_in(await events_of(spec)) == "Hi 😀!"
    openai_server.behaviour.sends = [sends[0], END]
    assert answer_in(await events_of(spec)) == "Hi \ufffd"


# --- roles and proxies ---------------------------------------------------------------------------


async def test_instructions_may_be_sent_in_the_users_message(
    openai_server: OpenAIServer, spec: EndpointSpec
) -> None:
    openai_server.behaviour.takes_roles = ["user", "assistant"]
    messages = (ChatMessage("system", "Be brief."), *REQUEST.messages)
    with pytest.raises(Rejected, match="System role not supported"):
        await events_of(spec, messages=messages)
    told = replace(spec, options={**spec.options, "system_role": "user"})
    assert answer_in(await events_of(told, messages=messages))
    [sent] = openai_server.requests[-1].body["messages"]
    assert sent == {"role": "user", "content": f"Be brief.\n\n{REQUEST.messages[0].text}"}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer, spec: EndpointSpec, variable: str
) -> None:
    """The fake stands for the proxy: it gets the request for a host that only a proxy could reach."""
    monkeypatch.setenv(variable, f"http://127.0.0.1:{openai_server.port}")
    there = replace(spec, options={"base_url": "http://models.example/v1"})
    assert answer_in(await events_of(there))
    assert openai_server.requests[0].headers["Host"] == "models.example"


async def test_no_proxy_is_used_for_this_machine_and_for_hosts_in_no_proxy(
    monkeypatch: pytest.MonkeyPatch, spec: EndpointSpec
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert answer_in(await events_of(spec))
    there = replace(spec, options={"base_url": "http://models.invalid/v1"})
    with pytest.raises(Unavailable, match=r"The proxy 127\.0\.0\.1:9 .* does not answer"):
        await events_of(there)
    monkeypatch.setenv("NO_PROXY", ".invalid")
    assert proxy_for("http://models.invalid/v1") is None


async def test_a_proxy_of_another_kind_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, spec: EndpointSpec
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(Misconfigured, match="NO_PROXY"):
        await events_of(replace(spec, options={"base_url": "http://models.example/v1"}))
