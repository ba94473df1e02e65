"""An answer that was cut goes on as if it had never been cut."""

import pytest

from inference.continuation import Seam, is_in_code, resume_point

CODE = "Run this:\n\n```python\ndef area(r):\n    pi = 3.14\n"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The fee is 48 eu", "The fee is 48 "),
        ("The fee is 48 euros. ", "The fee is 48 euros. "),
        ("It costs 3.", "It costs "),  # perhaps the beginning of 3.50
        ("料金は年額48ユ", "料金は年額48ユ"),
        (f"{CODE}    return p", CODE),
        ("Run this:\n\n```pyth", "Run this:\n\n"),
        ("```\na\n```\nDone wi", "```\na\n```\nDone "),
        ("- one\n- tw", "- one\n- "),
        ("w" * 200, "w" * 120),
        ("", ""),
    ],
)
def test_an_answer_is_taken_up_after_its_last_whole_word_or_line_of_code(text, kept):
    assert resume_point(text) == kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```\na", True),
        ("```\na\n```", False),
        ("````\n```\na", True),
        ("````\n```\na\n````\n", False),
        ("~~~ sh\n```\n", True),
        ("- item\n  ```js\n  a", True),
        ("a ``` b", False),
        ("```\n``` js\n", True),  # a closing fence has no language
    ],
)
def test_a_block_of_code_is_open_until_its_own_fence_closes_it(text, expected):
    assert is_in_code(text) is expected


JOINS = [
    # (the beginning, the words of the model, what follows the beginning)
    ("The fee is 48 ", "euros a year.", "euros a year."),
    ("The fee is 48 ", " euros a year.", "euros a year."),
    ("The yearly fee is 48 ", "The yearly fee is 48 euros.", "euros."),  # the whole again
    ("Pumps. The yearly fee is 48 ", "The yearly fee is 48 euros.", "euros."),  # its last sentence
    ("The fee is 48 ", "\n\nMembers pay half.", "\n\nMembers pay half."),
    (CODE, "    return pi * r * r\n```\n", "    return pi * r * r\n```\n"),
    (CODE, "```python\n    return pi * r * r\n```\n", "    return pi * r * r\n```\n"),
    (
        CODE,
        "```python\n    pi = 3.14\n    return pi\n",
        "    return pi\n",
    ),  # too short to be a repetition by itself
    ("if a {\n  b\n}\n", "}\n", "}\n"),  # not a repetition
    ("x ", "", ""),
    ("", "Hello", "Hello"),
    ("料金は年額48ユ", "ーロです。", "ーロです。"),
]


@pytest.mark.parametrize(("begun", "words", "expected"), JOINS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_new_words_join_the_old_ones(begun, words, expected, size):
    seam = Seam(begun)
    pieces = [words[start : start + size] for start in range(0, len(words), size)]
    assert "".join([*map(seam.feed, pieces), seam.close()]) == expected


def test_words_that_repeat_nothing_are_not_held_back():
    seam = Seam("The fee is 48 ")
    assert seam.feed("euros") == "euros"
    assert seam.feed(" a year.") == " a year."
