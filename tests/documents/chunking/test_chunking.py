import random
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from documents.chunking import CHUNKERS, Chunk
from documents.chunking.table_heads import is_quote
from documents.parsing import markdown
from documents.parsing.outline import outline
from documents.parsing.types import ExtractedSection
from inference.types import Vector
from workspaces.models import ChunkingStrategy

_ALPHABETS = [
    "ab \n", "abc. \n\n", "字。 a", "a", " \n\t", 'ab\n\n. 。!"”',
    "|a \n", "```\n ab", "- 1.\n ab", "\x1f\u2028\u3000a\n",
]  # fmt: skip
_TOPICS = ("pump", "leave", "coffee")


def by_topic(texts: Sequence[str]) -> list[Vector]:
    """A vector for each text: how often it names each topic."""
    return [[text.count(topic) + 0.01 for topic in _TOPICS] for text in texts]


def unused(texts: Sequence[str]) -> list[Vector]:
    raise AssertionError("this strategy needs no model here")


def sections(*texts: str) -> list[ExtractedSection]:
    return [ExtractedSection(text) for text in texts]


def cut(strategy: str, text: str, size: int, overlap: int = 0) -> list[str]:
    return [each.text for each in CHUNKERS[strategy](sections(text), size, overlap, by_topic)]


def markdown_sections(text: str) -> list[ExtractedSection]:
    return outline(markdown.blocks(text))


# --- what holds for all -------------------------------------------------------------------------


def test_every_strategy_a_workspace_may_choose_exists() -> None:
    assert set(CHUNKERS) == set(ChunkingStrategy.values)


@pytest.mark.parametrize("strategy", CHUNKERS)
@pytest.mark.parametrize(
    "text", ["| a | b |\n", "```\n", "same line.\n", "x", "word ", "# a\n\n"], ids=lambda text: text.strip()
)
def test_a_long_text_takes_as_long_as_its_parts(strategy: str, text: str) -> None:
    """A text of so many characters took minutes where each chunk looked through all of it."""
    began = time.thread_time()
    cut(strategy, text * (500_000 // len(text)), 1000, 100)
    assert time.thread_time() - began < 20


@pytest.mark.parametrize("strategy", CHUNKERS)
@pytest.mark.parametrize("seed", range(len(_ALPHABETS)), ids=[repr(each) for each in _ALPHABETS])
def test_every_chunk_is_exactly_where_it_says_and_no_word_is_lost(strategy: str, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(120):
        texts = [
            "".join(rng.choices(_ALPHABETS[seed], k=rng.randrange(300))) for _ in range(rng.randrange(3))
        ]
        size = rng.randrange(1, 80)
        overlap = rng.randrange(size)
        chunks = CHUNKERS[strategy](sections(*texts), size, overlap, by_topic)
        own = [texts[each.section][each.start : each.end] for each in chunks]
        assert all(is_quote(each.text, texts[each.section], each.start, each.end) for each in chunks)
        assert all(each.text.endswith(text) for each, text in zip(chunks, own, strict=True))
        assert all(text and text == text.strip() for text in own)
        assert all(len(each.text) <= size for each in chunks)
        assert all(each.embedded.endswith(each.text) for each in chunks if each.embedded)
        for position, text in enumerate(texts):
            check_cover(text, [each for each in chunks if each.section == position], overlap)
        assert [each.section for each in chunks] == sorted(each.section for each in chunks)


def check_cover(text: str, chunks: list[Chunk], overlap: int) -> None:
    covered = {at for each in chunks for at in range(each.start, each.end)}
    assert all(at in covered or text[at].isspace() for at in range(len(text)))
    for one, following in pairwise(chunks):
        assert one.start < following.start
        assert one.end < following.end
        assert one.end - following.start <= overlap


@pytest.mark.parametrize("strategy", CHUNKERS)
def test_no_chunk_crosses_sections(strategy: str) -> None:
    chunks = CHUNKERS[strategy](sections("tiny", "", "small"), 100, 10, unused)
    assert [(each.section, each.text) for each in chunks] == [(0, "tiny"), (2, "small")]


_ROWS = "\n".join(f"| Part {number} | {number} euro |" for number in range(9))


@pytest.mark.parametrize("strategy", CHUNKERS)
@pytest.mark.parametrize(
    ("head", "table"),
    [
        ("| Part | Price |", f"| Part | Price |\n{_ROWS}"),
        ("| Part | Price |", f"Prices:\n\n| Part | Price |\n|---|--:|\n{_ROWS}"),
        ("| Part | Price |", "  | Part | Price |\n  " + _ROWS.replace("\n", "\n  ")),
        ("Part | Price", "Part | Price\n--- | ---\n" + _ROWS.replace("| P", "P").replace("o |", "o")),
    ],
    ids=["rows", "with a rule", "indented", "without outer bars"],
)
def test_each_chunk_of_a_table_has_its_header(strategy: str, head: str, table: str) -> None:
    chunks = CHUNKERS[strategy](sections(f"{table}\n\nAfter it."), 80, 20, by_topic)
    assert sum("euro" in each.text for each in chunks) > 2
    assert all(head in each.text for each in chunks if "euro" in each.text)
    assert all(is_quote(each.text, f"{table}\n\nAfter it.", each.start, each.end) for each in chunks)


@pytest.mark.parametrize("strategy", CHUNKERS)
@pytest.mark.parametrize("size", [70, 80, 200, 1000])
@pytest.mark.parametrize("overlap", [0, 20])
def test_a_chunk_with_its_header_is_no_longer_than_the_chunk_size(
    strategy: str, size: int, overlap: int
) -> None:
    rows = "\n".join(f"| Part {number} | {number} euro |" for number in range(200))
    table = f"| Part | Price |\n{rows}\n\n{'After it. ' * 40}\n\n| Code of the part | Its colour |\n{rows}"
    chunks = CHUNKERS[strategy](sections(table), size, overlap, by_topic)
    assert max(len(each.text) for each in chunks) <= size
    assert all(is_quote(each.text, table, each.start, each.end) for each in chunks)
    heads = [each.text.partition("\n")[0] for each in chunks if each.text.count("euro")]
    assert {"| Part | Price |", "| Code of the part | Its colour |"} >= {
        each for each in heads if "euro" not in each and "After" not in each
    }
    assert not [each for each in heads if "euro" in each]


def test_a_table_that_fits_with_its_header_is_split_as_before() -> None:
    rows = [f"| Part {number} | {number} euro |" for number in range(9)]
    text = "| Part | Price |\n" + "\n".join(rows)
    assert cut("recursive", text, 90)[1].splitlines() == ["| Part | Price |", *rows[3:6]]


_WIDE = "| " + " | ".join(f"Quantity delivered in month {month}" for month in range(12)) + " |"


@pytest.mark.parametrize("strategy", CHUNKERS)
def test_a_header_longer_than_half_a_chunk_has_its_cells_shortened(strategy: str) -> None:
    row = "| " + " | ".join(["12"] * 12) + " |"
    text = "\n".join([_WIDE, *[row] * 60])
    chunks = CHUNKERS[strategy](sections(text), 500, 50, by_topic)
    for each in chunks[1:]:
        head = each.text.partition("\n")[0]
        assert len(head) <= 250
        assert head.startswith("| Quantity deliver… |")
        assert head.count("|") == 13
    assert max(len(each.text) for each in chunks) <= 500
    assert all(is_quote(each.text, text, each.start, each.end) for each in chunks)


def test_a_header_that_leaves_no_room_for_rows_is_not_repeated() -> None:
    text = "\n".join([_WIDE, *["| " + " | ".join(["12"] * 12) + " |"] * 9])
    *_, last = CHUNKERS["recursive"](sections(text), 120, 0, unused)
    assert "Quan" not in last.text
    assert len(last.text) <= 120


def test_a_changed_header_is_no_quote() -> None:
    section = f"{_WIDE}\n| 1 |\n| 2 |"
    start = section.index("| 2")
    assert is_quote(f"{_WIDE}\n| 2 |", section, start, len(section))
    assert not is_quote("| Quality… |\n| 2 |", section, start, len(section))


def test_prose_after_a_table_has_no_header() -> None:
    [*_, last] = CHUNKERS["recursive"](
        sections(f"| Part | Price |\n{_ROWS}\n\n{'After it. ' * 9}"), 90, 0, unused
    )
    assert "After it." in last.text
    assert "Price" not in last.text


def test_a_changed_text_is_no_quote() -> None:
    section = "| Part | Price |\n| Valve | 12 |\n| Pump | 9 |"
    assert is_quote("| Part | Price |\n| Pump | 9 |", section, 32, 44)
    assert not is_quote("| Part | Price |\n| Pump | 8 |", section, 32, 44)


# --- recursive ----------------------------------------------------------------------------------


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
    assert cut("recursive", text, size) == expected


def test_neighbours_share_whole_words() -> None:
    first, second = cut("recursive", "one two three four five six seven", 20, 10)[:2]
    assert first == "one two three four"
    assert second.startswith("four")


# --- layout -------------------------------------------------------------------------------------

_TABLE = "| Part | Price |\n| Valve | 12 euro |\n| Gasket | 3 euro |"
_CODE = "```python\ndef seal(valve):\n\n    return valve.shut()\n```"
_PROSE = "The pump is primed by hand. It then runs by itself for a day."


@pytest.mark.parametrize("whole", [_TABLE, _CODE], ids=["table", "code"])
def test_layout_keeps_a_table_and_code_whole(whole: str) -> None:
    before = "The pump is primed by hand."
    text = f"{before}\n\n{whole}\n\n{before}"
    assert cut("layout", text, 70) == [before, whole, before]
    assert whole not in cut("recursive", text, 70)


def test_layout_packs_paragraphs_and_leaves_no_crumb_at_the_end() -> None:
    text = "\n\n".join(["a" * 30, "b" * 30, "c" * 30, "d" * 10])
    assert [len(each) for each in cut("layout", text, 94)] == [62, 42]


def test_layout_never_leaves_a_heading_alone() -> None:
    text = f"# Prices\n\n{_TABLE}"
    assert cut("layout", text, 60)[0].startswith("# Prices\n\n| Part | Price |")


def test_layout_embeds_the_headings_a_chunk_stands_under() -> None:
    text = f"# Manual\n\nHello.\n\n## Pumps\n\n{_PROSE} {_PROSE}"
    first, second, third = CHUNKERS["layout"](markdown_sections(text), 100, 0, unused)
    assert first.embedded == first.text  # it begins with its heading
    assert second.embedded == f"Manual\n{second.text}"
    assert third.embedded == f"Manual > Pumps\n{third.text}"


def test_layout_leaves_out_headings_without_end() -> None:
    deep = ExtractedSection("text", tuple(letter * 90 for letter in "abc"))
    [chunk] = CHUNKERS["layout"]([deep], 100, 0, unused)
    assert chunk.embedded == f"{'b' * 90} > {'c' * 90}\ntext"


# --- semantic -----------------------------------------------------------------------------------


def test_semantic_breaks_where_the_topic_changes() -> None:
    pumps = "The pump hums. A pump needs oil. This pump leaks. No pump lasts."
    leave = "My leave is short. Ask for leave early. Paid leave is dear. No leave in May."
    assert cut("semantic", f"{pumps} {leave}", 100) == [pumps, leave]
    assert cut("recursive", f"{pumps} {leave}", 100) != [pumps, leave]


def test_semantic_leaves_what_fits_whole_without_asking_the_model() -> None:
    [chunk] = CHUNKERS["semantic"](sections("The pump hums. My leave is short."), 100, 0, unused)
    assert chunk.text == "The pump hums. My leave is short."


def test_semantic_makes_no_crumbs() -> None:
    text = "Coffee? " + "The pump hums along all day. " * 6 + "My leave!"
    lengths = [len(each) for each in cut("semantic", text, 100)]
    assert min(lengths) >= 25


# --- adaptive -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "same_as"),
    [
        (
            markdown_sections("\n\n".join(f"# Part {number}\n\n{_PROSE}\n\n{_TABLE}" for number in range(4))),
            "layout",
        ),
        (sections(f"{_TABLE}\n\n{_PROSE}\n\n{_CODE}"), "layout"),
        (sections("\n\n".join([_PROSE] * 6)), "recursive"),
    ],
    ids=["many headings", "tables and code", "prose"],
)
def test_adaptive_goes_by_what_a_document_is_made_of(document: list[ExtractedSection], same_as: str) -> None:
    adaptive, other = (CHUNKERS[each](document, 70, 10, unused) for each in ("adaptive", same_as))
    assert adaptive == other
