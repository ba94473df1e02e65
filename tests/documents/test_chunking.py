import random
from itertools import pairwise

import pytest

from documents.chunking import CHUNKERS
from documents.chunking.recursive import chunk
from workspaces.models import ChunkingStrategy

_ALPHABETS = ["ab \n", "abc. \n\n", "字。 a", "a", " \n\t", 'ab\n\n. 。!"”']


@pytest.mark.parametrize("seed", range(6), ids=_ALPHABETS.__getitem__)
def test_every_chunk_is_exactly_where_it_says_and_no_word_is_lost(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(300):
        text = "".join(rng.choices(_ALPHABETS[seed], k=rng.randrange(300)))
        size = rng.randrange(1, 80)
        overlap = rng.randrange(size)
        chunks = chunk([text], size, overlap)
        covered = {at for each in chunks for at in range(each.start, each.end)}
        assert all(text[each.start : each.end] == each.text for each in chunks)
        assert all(0 < len(each.text) <= size and each.text == each.text.strip() for each in chunks)
        assert all(at in covered or text[at].isspace() for at in range(len(text)))
        for one, following in pairwise(chunks):
            assert one.start < following.start
            assert one.end < following.end
            assert one.end - following.start <= overlap


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("One two.\n\nThree four.\n\nFive six.", 24, ["One two.\n\nThree four.", "Five six."]),
        ("one two\nthree four\nfive", 20, ["one two\nthree four", "five"]),
        ("One two three. Four five six.", 20, ["One two three.", "Four five six."]),
        ("alpha beta gamma", 12, ["alpha beta", "gamma"]),
        ("這是第一句。這是第二句。", 8, ["這是第一句。", "這是第二句。"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
    ],
    ids=["paragraphs", "lines", "sentences", "words", "chinese", "one long word"],
)
def test_cuts_at_the_strongest_boundary(text: str, size: int, expected: list[str]) -> None:
    assert [each.text for each in chunk([text], size, 0)] == expected


def test_neighbours_share_whole_words() -> None:
    first, second = chunk(["one two three four five six seven"], 20, 10)[:2]
    assert first.text == "one two three four"
    assert second.text.startswith("four")


def test_no_chunk_crosses_sections() -> None:
    assert [(each.section, each.text) for each in chunk(["tiny", "", "small"], 100, 10)] == [
        (0, "tiny"),
        (2, "small"),
    ]


def test_every_strategy_a_workspace_may_choose_exists() -> None:
    assert set(CHUNKERS) == set(ChunkingStrategy.values)
