"""The rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import pytest

from inference.errors import BadReply
from inference.wire.sse import ServerSentEvent, SseReader

STREAMS = {
    "one event": (b"data: hello\n\n", [("message", "hello")]),
    "two events": (b"data: a\n\ndata: b\n\n", [("message", "a"), ("message", "b")]),
    "only one space after the colon is taken off": (b"data:  two\n\n", [("message", " two")]),
    "no space after the colon": (b"data:x\n\n", [("message", "x")]),
    "lines of data are joined": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10")]),
    "a comment says nothing": (b": ping\n\ndata: x\n\n", [("message", "x")]),
    "a field without a colon is an empty one": (
        b"data\n\ndata\ndata\n\n",
        [("message", ""), ("message", "\n")],
    ),
    "an event without data is none": (b"event: ping\n\ndata: x\n\n", [("message", "x")]),
    "an event has a type": (b"event: delta\ndata: x\n\n", [("delta", "x")]),
    "ids and retry times say nothing": (b"id: 7\nretry: 10\ndata: x\n\n", [("message", "x")]),
    "unknown fields say nothing": (b"dat: y\n data: z\ndata: x\n\n", [("message", "x")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [("message", "a\nb"), ("message", "c")]),
    "CR": (b"data: a\rdata: b\r\rdata: c\r\r", [("message", "a\nb"), ("message", "c")]),
    "mixed line ends": (b"data: a\rdata: b\ndata: c\r\n\r\n", [("message", "a\nb\nc")]),
    "a byte order mark is skipped": (b"\xef\xbb\xbfdata: x\n\n", [("message", "x")]),
    "a second one is not": (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [("message", "y")]),
    "an event that does not end is dropped": (b"data: a\n\ndata: b\n", [("message", "a")]),
    "characters of 1 to 4 bytes": ("data: aé€😀。\n\n".encode(), [("message", "aé€😀。")]),
    "U+2028 ends no line": ("data: a\u2028b\x0bc\n\n".encode(), [("message", "a\u2028b\x0bc")]),
    "bytes that are no UTF-8 are kept": (b"data: a\xffb\n\n", [("message", "a\udcffb")]),
    "an empty stream": (b"", []),
}
by_name = pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())


def read(*pieces: bytes) -> list[tuple[str, str]]:
    reader = SseReader()
    return [(sent.event, sent.data) for piece in pieces for sent in reader.feed(piece)]


@by_name
def test_a_stream_in_one_piece(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert read(stream) == events


@by_name
def test_a_stream_cut_at_every_byte(stream: bytes, events: list[tuple[str, str]]) -> None:
    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:]) == events, f"cut at {cut}"


@by_name
def test_a_stream_byte_by_byte_with_empty_pieces(stream: bytes, events: list[tuple[str, str]]) -> None:
    pieces = [piece for byte in stream for piece in (bytes([byte]), b"")]
    assert read(*pieces) == events


def test_an_event_is_there_with_its_last_byte() -> None:
    reader = SseReader()
    assert reader.feed(b"data: x\n") == []
    assert reader.feed(b"\n") == [ServerSentEvent("x")]


@pytest.mark.parametrize(
    "pieces",
    [[b"data: " + b"x" * 200], [b"x" * 30] * 10, [b"data: xxxxxxxxx\n"] * 20],
    ids=["one long line", "a line that never ends", "an event of many lines"],
)
def test_an_event_beyond_all_bounds_is_refused(pieces: list[bytes]) -> None:
    reader = SseReader(max_event_bytes=100)
    with pytest.raises(BadReply, match="more than 100 bytes"):
        list(map(reader.feed, pieces))


def test_many_small_events_are_not_counted_together() -> None:
    reader = SseReader(max_event_bytes=100)
    assert len(reader.feed(b"data: xxxxxxxxx\n\n" * 50)) == 50


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"], ids=["nothing", "LF", "CR", "CRLF"])
def test_the_last_event_may_lack_its_blank_line(end: bytes) -> None:
    reader = SseReader()
    assert reader.feed(b"event: end\ndata: x" + end) == []
    assert reader.close() == [ServerSentEvent("x", "end")]
    assert reader.close() == []


def test_lines_that_are_no_fields_are_kept_apart() -> None:
    reader = SseReader()
    assert reader.feed(b': ping\nid: 1\n{"a":\n  "b: c"}\ndata: x\n\n') == [ServerSentEvent("x")]
    assert reader.other_text == b'{"a":\n  "b: c"}\n'
