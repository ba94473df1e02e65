"""Replies of model servers as hypothesis makes them up: cut anywhere, with any field null or odd, in any order."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.errors import BadReply, InferenceError
from inference.types import ChatEvent, ChatMessage, ChatRequest, Finished, TextDelta, Thinking, Usage
from inference.wire import openai_chat
from inference.wire.openai_chat import ReplyReader
from inference.wire.sse import SseReader

REQUEST = ChatRequest((ChatMessage("user", "Hello?"),))
TEXT = "Grüß dich 😀 ครับ"
STREAM: list[Any] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm"}}]},
    {"choices": [{"index": 0, "delta": {"content": "Grüß dich "}, "logprobs": None}], "usage": None},
    {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "😀 ครับ"}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
]
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
ODD = st.sampled_from([None, 0, -1, 2.5, True, "", "x", [], {}, [None], {"a": None}, ["x"], 10**400])


def encode(chunks: list[Any], line_end: str = "\n", *, done: bool = True) -> bytes:
    sent = [*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), *(["[DONE]"] if done else [])]
    return "".join(f"data: {data}{line_end}{line_end}" for data in sent).encode()


def read(*pieces: bytes) -> list[ChatEvent]:
    """Return the events of a stream as the provider reads them. Raises InferenceError."""
    sse, reply = SseReader(), ReplyReader(REQUEST)
    sent = [each for piece in pieces for each in sse.feed(piece)] + sse.close()
    return [event for each in sent for event in reply.feed(each.data, each.event)] + reply.close()


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value in a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, each in inner for path in paths(each, (*here, key)))]


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy of the document with another value at this path."""
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], odd)
    return copy


@given(st.lists(st.integers(0, 900), max_size=8), LINE_ENDS, st.booleans())
def test_a_stream_may_be_cut_at_any_bytes(cuts: list[int], line_end: str, done: bool) -> None:
    stream = encode(STREAM, line_end, done=done)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = read(*(stream[start:end] for start, end in pairwise(places)))
    assert text_of(events) == TEXT
    assert Thinking("Hm") in events
    assert events[-2:] == [Usage(3, 4), Finished("stop")]


@given(st.integers(0, 900))
@example(365)  # inside a character
def test_a_stream_that_ends_anywhere_is_whole_or_fails(end: int) -> None:
    stream = encode(STREAM)
    try:
        events = read(stream[:end])
    except BadReply as error:
        assert "in the middle" in str(error) or "not a chat completion" in str(error)  # noqa: PT017 - both may come
    else:
        assert text_of(events) == TEXT


@pytest.mark.parametrize("path", paths(STREAM)[1:], ids=str)
def test_any_field_may_be_null(path: tuple[Any, ...]) -> None:
    events = read(encode(put(STREAM, path, None)))
    assert isinstance(events[-1], Finished)
    if path[0] not in (2, 3):  # the chunks with the words
        assert text_of(events) == TEXT


@given(st.sampled_from(paths(STREAM)[1:]), ODD)
@example((4, "choices", 0, "finish_reason"), [])
@example((0, "choices", 0, "index"), 10**400)
@example((5, "usage", "prompt_tokens"), 2.5)
def test_any_field_may_be_odd(path: tuple[Any, ...], odd: Any) -> None:
    """It is passed over, or the answer fails in our words."""
    try:
        events = read(encode(put(STREAM, path, odd)))
    except InferenceError as error:
        assert str(error).startswith("The model")  # noqa: PT017 - it may also succeed
    else:
        assert isinstance(events[-1], Finished)


@given(st.permutations(range(len(STREAM))))
def test_chunks_in_any_order_lose_no_words(order: list[int]) -> None:
    text = text_of(read(encode([STREAM[place] for place in order])))
    assert text in (TEXT, "😀 ครับGrüß dich ")


@given(st.binary(max_size=200), st.integers(0, 600))
@example(b"data: [[[[", 0)
@example(b"\x80", 5)
@example(b"event: error\n", 40)
@example(b'data: "\\ud83d"\n\n', 0)
def test_rubbish_in_a_stream_never_crashes_the_reader(rubbish: bytes, place: int) -> None:
    stream = encode(STREAM)
    try:
        events = read(stream[:place] + rubbish + stream[place:])
    except InferenceError as error:
        assert str(error).startswith("The model")  # noqa: PT017 - it may also succeed
    else:
        text_of(events).encode()  # no half of a character is left


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "delta", "message", "content", "text", "type", "error", "usage", "code", "detail", "index"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
@example({"error": {"code": 10**30}})
@example({"choices": [{"delta": {"content": [[["a"]]]}}]})
def test_any_document_in_place_of_a_stream_is_read_or_fails_in_our_words(document: Any) -> None:
    try:
        events = openai_chat.read_reply(json.dumps(document).encode(), REQUEST)
    except InferenceError as error:
        assert str(error).startswith("The model")  # noqa: PT017 - it may also succeed
    else:
        assert isinstance(events[-1], Finished)
