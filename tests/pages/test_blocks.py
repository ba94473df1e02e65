"""The text of a section, split into the blocks that a page shows."""

from time import thread_time

import pytest

from documents.parsing.blocks import Block, blocks


def shown(text: str, mark: tuple[int, int] = (0, 0), *, is_markdown: bool = True) -> list[tuple]:
    return [_plainly(block) for block in blocks(text, 0, mark, is_markdown=is_markdown)]


def _plainly(block: Block) -> tuple:
    if block.kind == "table":
        return ("table", [["".join(piece.text for piece in cell) for cell in row] for row in block.rows])
    return (block.kind, "".join(piece.text for piece in block.pieces))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("one\ntwo\n\nthree", [("paragraph", "one\ntwo"), ("paragraph", "three")]),
        ("\n\n  \nlate", [("paragraph", "late")]),
        (
            "before\n- one\n  goes on\n- two\n\nafter",
            [("paragraph", "before"), ("item", "one\n  goes on"), ("item", "two"), ("paragraph", "after")],
        ),
        ("1. first\n2) second", [("numbered", "1. first"), ("numbered", "2) second")]),
        ("- ", [("paragraph", "- ")]),
        ("-5 degrees", [("paragraph", "-5 degrees")]),
        ("```sh\na\n\n- b\n```\nc", [("code", "a\n\n- b"), ("paragraph", "c")]),
        ("```\nnever closed", [("code", "never closed")]),
        ("| a | b |\n|---|:-:|\n| 1 | |", [("table", [["a", "b"], ["1", ""]])]),
        ("|a|b\n| x \\| y |", [("table", [["a", "b"], ["x \\| y"]])]),
        ("|", [("table", [[]])]),
        ("**bold** *lean* `code` [link](https://x.y)", [("paragraph", "bold lean code link")]),
        (
            "2 ** 3 ** 4, a * b * c, x*y*z, [1], snake_case",
            [("paragraph", "2 ** 3 ** 4, a * b * c, x*y*z, [1], snake_case")],
        ),
        ("`**not bold**`", [("paragraph", "**not bold**")]),
        (r"so $a*b*c$ and \(x\,[y](z)\)", [("paragraph", r"so $a*b*c$ and \(x\,[y](z)\)")]),
        ("$$\na*b*c\n$$ *d*", [("paragraph", "$$\na*b*c\n$$ d")]),
        ("**60$** or **25$**, $5 and **b** $6", [("paragraph", "60$ or 25$, $5 and b $6")]),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, str) else "",
)
def test_text_becomes_blocks(text, expected):
    assert shown(text) == expected


def test_code_knows_its_language_and_a_diagram_is_drawn_unless_a_passage_is_marked_in_it():
    text = "- a\n\n   ```mermaid x\ngraph TD\n```\n\n```\nplain\n```"
    _, diagram, plain = blocks(text, 0, (0, 0), is_markdown=True)
    assert (diagram.language, diagram.is_diagram) == ("mermaid", True)
    assert (plain.language, plain.is_diagram) == ("", False)
    start = text.index("graph")
    assert not blocks(text, 0, (start, start + 5), is_markdown=True)[1].is_diagram
    assert blocks(text, 0, (0, 0), is_markdown=False)[1].language == ""


def test_marks_mean_nothing_where_the_text_is_not_markdown():
    assert shown("**a** `b`", is_markdown=False) == [("paragraph", "**a** `b`")]


@pytest.mark.parametrize("is_markdown", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "Intro **bold words** here.\n\n- item `one`\n- item two\n\n| a | b |\n|---|---|\n| c | d |\n\n```\nx = 1\n```\nEnd.",
        "```\n| a |\n```\n1. [x](y) **z**\n   more",
        "שלום **עולם**\n\nÜber `ß`",
    ],
)
def test_every_mark_shows_exactly_the_characters_it_covers(text, is_markdown):
    """A mark on any stretch shows exactly those of its characters that the page shows without a mark."""
    alone = [_marked(text, (at, at + 1), is_markdown) for at in range(len(text))]
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            assert _marked(text, (start, end), is_markdown) == "".join(alone[start:end])
    assert _marked(text, (0, len(text)), is_markdown) == _all(text, is_markdown)


def _marked(text: str, mark: tuple[int, int], is_markdown: bool) -> str:
    found = blocks(text, 0, mark, is_markdown=is_markdown)
    return "".join(piece.text for block in found for piece in block.all_pieces() if piece.is_marked)


def _all(text: str, is_markdown: bool) -> str:
    found = blocks(text, 0, (0, 0), is_markdown=is_markdown)
    return "".join(piece.text for block in found for piece in block.all_pieces())


@pytest.mark.parametrize(
    "piece", ["**a ", "*a ", "`", "``a` ", "[", "![a](", "|", "- ", "|-", "a\n", "```\n"]
)
def test_a_hostile_text_costs_no_more_than_a_long_one(piece):
    started = thread_time()
    blocks(piece * (20_000 // len(piece)), 0, (0, 10), is_markdown=True)
    assert thread_time() - started < 1
