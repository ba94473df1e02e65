from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.thinking import ThinkingSplitter, without_thinking
from inference.types import TextDelta

# (a reply, its thinking, its answer)
REPLIES = {
    "no thinking": ("Four.", "", "Four."),
    "before the answer": ("<think>2 + 2</think>\n\nFour.", "2 + 2", "Four."),
    "after blank lines": ("\n \n<think>2 + 2</think>Four.", "2 + 2", "Four."),
    "in capitals": ("<THINK>2 + 2</Think>Four.", "2 + 2", "Four."),
    "another tag": ("<reasoning>2 + 2</reasoning>Four.", "2 + 2", "Four."),
    "Magistral's": ("[THINK]2 + 2[/THINK]Four.", "2 + 2", "Four."),
    "Kimi's": ("◁think▷2 + 2◁/think▷Four.", "2 + 2", "Four."),
    "an empty block": ("<think>\n\n</think>\n\nFour.", "\n\n", "Four."),
    "only the closing tag": ("2 + 2\n</think>\n\nFour.", "2 + 2\n", "Four."),
    "two blocks": ("<think>a</think>Two.\n<think>b</think>\nThree.", "ab", "Two.\n\nThree."),
    "a second closing tag": ("<think>a</think>\n</think>\nFour.", "a", "Four."),
    "cut at the length limit": ("<think>2 +", "2 +", ""),
    "other tags": ("<b>Four</b> <thin>.", "", "<b>Four</b> <thin>."),
    "citations": ("Four [1] [2].", "", "Four [1] [2]."),
    "tags in code": ("It begins with `<think>` and ends with `</think>`.", "", None),
    "tags in a block of code": ("```\n<think>\nno\n</think>\n```\n", "", None),
    "tags in quotes": ('Then comes "</think>", the end.', "", None),
    "an opening tag in a sentence": ("Write <think> first.", "", None),
}
by_name = pytest.mark.parametrize(("reply", "thought", "answer"), REPLIES.values(), ids=REPLIES.keys())


def split(*pieces: str, begins_open: bool = False) -> tuple[str, str]:
    """Return the thinking and the answer of a reply that arrives in these pieces."""
    splitter, thought, answer = ThinkingSplitter(begins_open=begins_open), "", ""
    for found in [*(each for piece in pieces for each in splitter.feed(piece)), *splitter.close()]:
        if isinstance(found, TextDelta):
            answer += found.text
            continue
        thought, answer = (thought + answer, "") if found.takes_back else (thought, answer)
        thought += found.text
    return thought, answer


@by_name
def test_a_reply_is_split_into_thinking_and_answer(reply: str, thought: str, answer: str | None) -> None:
    answer = reply if answer is None else answer
    assert split(reply) == (thought, answer)
    assert without_thinking(reply) == answer


@by_name
def test_a_reply_cut_at_every_character_is_split_the_same(
    reply: str, thought: str, answer: str | None
) -> None:
    for cut in range(len(reply)):
        assert split(reply[:cut], reply[cut:]) == split(reply), f"cut at {cut}"
    assert split(*reply) == split(reply)


def test_a_reply_that_begins_inside_its_thinking() -> None:
    assert split("2 +", " 2</thi", "nk>\nFour.", begins_open=True) == ("2 + 2", "Four.")


def test_without_a_closing_tag_it_is_the_answer() -> None:
    assert split("Fo", "ur <", begins_open=True)[1] == "Four <"


PARTS = st.sampled_from(
    ["<think>", "</think>", "[THINK]", "[/THINK]", "`", "\n", " ", "a", "<", "</", "[", '"']
)


@given(st.lists(PARTS, max_size=12).map("".join), st.lists(st.integers(0, 60), max_size=5))
@example("</think>a</think>", [3])
@example(" <think>a", [1, 2])
def test_where_a_reply_is_cut_changes_nothing(reply: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(reply)) for cut in cuts), len(reply)]
    pieces = [reply[start:end] for start, end in pairwise(places)]
    assert split(*pieces) == split(reply)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_no_character_is_lost_but_tags_and_blanks(reply: str) -> None:
    thought, answer = split(reply)
    kept = [each for each in thought + answer if each == "a"]
    assert kept == [each for each in reply if each == "a"]
