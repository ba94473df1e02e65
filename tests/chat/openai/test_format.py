"""The replies to OpenAI clients for answers that were restarted, stopped, filtered or failed."""

from uuid import uuid4

import pytest

from chat.log.events import Delta, Failed, Finished, Restarted, Stopped
from chat.openai.format import ApiError, CompletionReply


def told(*events, is_streamed):
    reply = CompletionReply(uuid4(), "small", "", is_streamed)
    chunks = [reply.take(event) for event in events]
    return reply, chunks


RESTARTED = [
    Delta("The pum"),
    Restarted("The process is gone."),
    Delta("A pump moves water."),
    Finished("length"),
]


def test_a_whole_reply_holds_only_what_was_written_since_the_restart():
    reply, _ = told(*RESTARTED, is_streamed=False)
    [choice] = reply.whole()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("A pump moves water.", "length")


def test_a_stream_cannot_take_words_back_so_it_ends_with_an_error():
    reply, chunks = told(*RESTARTED[:2], is_streamed=True)
    assert chunks[1]["error"]["code"] == "restarted"
    assert reply.problem.status == 503


def test_a_stopped_answer_is_told_as_far_as_it_went():
    reply, chunks = told(Delta("The pum"), Stopped(), is_streamed=True)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert reply.text == "The pum"


def test_filtered_is_called_as_openai_calls_it():
    reply, _ = told(Finished("filtered"), is_streamed=False)
    assert reply.finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("failed", "status"),
    [(Failed("No", True), 503), (Failed("No", False), 502), (Failed("No", False, is_refusal=True), 400)],
)
def test_a_failure_says_by_its_status_who_can_do_something_about_it(failed, status):
    reply, _ = told(failed, is_streamed=False)
    with pytest.raises(ApiError, match="No") as problem:
        reply.whole()
    assert problem.value.status == status
