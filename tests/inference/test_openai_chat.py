import json
from typing import Any

import pytest

from inference.errors import BadReply, InferenceError, RateLimited, Rejected, Unavailable
from inference.types import ChatEvent, ChatMessage, ChatRequest, Finished, TextDelta, Thinking, Usage
from inference.wire import openai_chat
from inference.wire.openai_chat import ReplyReader
from inference.wire.sse import SseReader

REQUEST = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "Hello?")), max_tokens=7)
ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}


def words(text: str | None, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}]}


def end(reason: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


SIGN_OF_LIFE = Thinking()


def read(*sent: dict[str, Any] | str) -> list[ChatEvent]:
    reader = ReplyReader(REQUEST)
    data = [item if isinstance(item, str) else json.dumps(item) for item in sent]
    events = [event for item in data for event in reader.feed(item)] + reader.close()
    return [event for event in events if event != SIGN_OF_LIFE]


def test_a_request_becomes_a_body() -> None:
    assert openai_chat.body("gpt", REQUEST) == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "max_tokens": 7,
        "temperature": 0.1,
        "top_p": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_body_leaves_out_what_the_server_refuses() -> None:
    body = openai_chat.body(
        "o9", REQUEST, include_usage=False, sampling=False, limit_field="max_completion_tokens"
    )
    assert body.keys() == {"model", "messages", "max_completion_tokens", "stream"}


def test_a_reply_becomes_words_then_usage_then_the_end() -> None:
    assert read(ROLE, words("Hel"), words("lo"), end("stop"), USAGE, "[DONE]") == [
        TextDelta("Hel"),
        TextDelta("lo"),
        Usage(11, 3),
        Finished("stop"),
    ]


REPLIES: dict[str, tuple[list[dict[str, Any] | str], list[ChatEvent]]] = {
    "usage beside the last words": (
        [
            words("a", finish_reason="stop") | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            "[DONE]",
        ],
        [TextDelta("a"), Usage(1, 1), Finished("stop")],
    ),
    "usage null until the end": (
        [words("a") | {"usage": None}, end("stop"), USAGE, "[DONE]"],
        [TextDelta("a"), Usage(11, 3), Finished("stop")],
    ),
    "no usage: estimated, four characters a token": (
        [words("12345"), end("stop"), "[DONE]"],
        [TextDelta("12345"), Usage(4, 2, is_estimate=True), Finished("stop")],
    ),
    "no [DONE]": ([words("a"), end("stop"), USAGE], [TextDelta("a"), Usage(11, 3), Finished("stop")]),
    "no finish reason": ([words("a"), USAGE, "[DONE]"], [TextDelta("a"), Usage(11, 3), Finished("stop")]),
    "cut at the limit": ([end("length"), USAGE, "[DONE]"], [Usage(11, 3), Finished("length")]),
    "filtered": ([end("content_filter"), USAGE, "[DONE]"], [Usage(11, 3), Finished("filtered")]),
    "an unknown reason": ([end("eos_token"), USAGE, "[DONE]"], [Usage(11, 3), Finished("stop")]),
    "reasoning is not part of the answer": (
        [{"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]}, words("a"), end("stop"), USAGE],
        [Thinking("Hm"), TextDelta("a"), Usage(11, 3), Finished("stop")],
    ),
    "other choices are not ours": (
        [{"choices": [{"index": 1, "delta": {"content": "x"}}]}, words("a"), end("stop"), USAGE],
        [TextDelta("a"), Usage(11, 3), Finished("stop")],
    ),
    "null content": ([words(None), end("stop"), USAGE], [Usage(11, 3), Finished("stop")]),
    "unknown fields": (
        [words("a") | {"system_fingerprint": "fp", "prompt_filter_results": []}, end("stop"), USAGE],
        [TextDelta("a"), Usage(11, 3), Finished("stop")],
    ),
}


@pytest.mark.parametrize(("sent", "events"), REPLIES.values(), ids=REPLIES.keys())
def test_servers_differ(sent: list[dict[str, Any] | str], events: list[ChatEvent]) -> None:
    assert read(*sent) == events


def test_a_stream_cut_at_every_byte_reads_the_same() -> None:
    sent = [ROLE, words("Grüß "), words("dich 😀"), end("stop"), USAGE]
    stream = b"".join(f"data: {json.dumps(item, ensure_ascii=False)}\r\n\r\n".encode() for item in sent)
    stream += b"data: [DONE]\r\n\r\n"
    for cut in range(len(stream)):
        sse, reply = SseReader(), ReplyReader(REQUEST)
        pieces = (stream[:cut], stream[cut:])
        events = [event for piece in pieces for item in sse.feed(piece) for event in reply.feed(item.data)]
        assert reply.is_complete
        assert [each for each in events + reply.close() if each != SIGN_OF_LIFE] == [
            TextDelta("Grüß "),
            TextDelta("dich 😀"),
            Usage(11, 3),
            Finished("stop"),
        ]


ERRORS: dict[str, tuple[dict[str, Any] | str, type[InferenceError], str]] = {
    "OpenAI's": ({"error": {"message": "Overloaded.", "code": None}}, Unavailable, "Overloaded."),
    "vLLM's, with a status": ({"error": {"message": "Too long.", "code": 400}}, Rejected, "Too long."),
    "a rate limit": ({"error": {"message": "Slow down.", "code": 429}}, RateLimited, "Slow down."),
    "a plain sentence": ({"error": "Out of memory."}, Unavailable, "Out of memory."),
    "no JSON": ("<html>", BadReply, "not a chat completion"),
    "half JSON": ('{"choices": [{"del', BadReply, "not a chat completion"),
    "another shape": ({"choices": "none"}, BadReply, "not a chat completion"),
    "a list": ("[]", BadReply, "not a chat completion"),
}


@pytest.mark.parametrize(("sent", "kind", "sentence"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_in_the_stream_is_raised(
    sent: dict[str, Any] | str, kind: type[InferenceError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as raised:
        read(words("a"), sent)
    assert type(raised.value) is kind


def test_an_answer_that_breaks_off_is_not_finished() -> None:
    with pytest.raises(BadReply, match="in the middle"):
        read(ROLE, words("a"))


def test_a_reply_that_was_not_streamed() -> None:
    reply = {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1},
    }
    assert openai_chat.read_reply(json.dumps(reply).encode(), REQUEST) == [
        TextDelta("Hi"),
        Usage(2, 1),
        Finished("length"),
    ]
