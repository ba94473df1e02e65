import pytest

from inference.sentences import MAX_CHARACTERS, split, split_prose

PROSE: dict[str, tuple[str, list[str]]] = {
    "two sentences": ("It rains. We stay.", ["It rains.", "We stay."]),
    "questions and shouts": ("Why? Look! Oh…  Well.", ["Why?", "Look!", "Oh…", "Well."]),
    "titles": ("Ask Dr. Smith or Prof. Lee. They know.", ["Ask Dr. Smith or Prof. Lee.", "They know."]),
    "initials": ("J. R. R. Tolkien wrote it. Read it.", ["J. R. R. Tolkien wrote it.", "Read it."]),
    "abbreviations": ("Fruit, e.g. Apples, i.e. Food. Good.", ["Fruit, e.g. Apples, i.e. Food.", "Good."]),
    "German ones": (
        "Das gilt z. B. Montags bzw. Dienstags. Sonst nicht.",
        ["Das gilt z. B. Montags bzw. Dienstags.", "Sonst nicht."],
    ),
    "countries": ("The U.S. Army came. It left.", ["The U.S. Army came.", "It left."]),
    "numbers": ("It costs 3.50 euro. Or 1,000.00 a year.", ["It costs 3.50 euro.", "Or 1,000.00 a year."]),
    "German dates": ("Am 3. Oktober ist frei. Sonst nicht.", ["Am 3. Oktober ist frei.", "Sonst nicht."]),
    "years end sentences": ("It was in 1998. Then it ended.", ["It was in 1998.", "Then it ended."]),
    "addresses": (
        "See example.com/a.b or ask me@x.org. Bye.",
        ["See example.com/a.b or ask me@x.org.", "Bye."],
    ),
    "names of files": ("Open settings.py now. Save.", ["Open settings.py now.", "Save."]),
    "quotation marks": (
        'He said “Go.” She went. "Yes." Fine.',
        ["He said “Go.”", "She went.", '"Yes."', "Fine."],
    ),
    "a small letter goes on": ("Really?! he asked. Yes.", ["Really?! he asked.", "Yes."]),
    "Chinese": ("首都是北京。上海很大！对吗？对", ["首都是北京。", "上海很大！", "对吗？", "对"]),
    "Japanese quotation": ("「行く。」と言った。終わり。", ["「行く。」", "と言った。", "終わり。"]),
    "no end": ("No full stop here", ["No full stop here"]),
    "nothing": ("  ", []),
}


@pytest.mark.parametrize(("text", "sentences"), PROSE.values(), ids=PROSE.keys())
def test_prose_is_split_where_sentences_end(text: str, sentences: list[str]) -> None:
    assert split_prose(text) == sentences


BLOCKS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "wrapped lines are one sentence": ("We met\nin Rome. It\nrained.", [("sentence", "We met in Rome."), ("sentence", "It rained.")]),
    "Markdown headings": ("# Rain #\n\nIt rains.", [("heading", "Rain"), ("sentence", "It rains.")]),
    "a short line above prose is a heading": ("Opening hours\n\nFrom nine.", [("heading", "Opening hours"), ("sentence", "From nine.")]),
    "a short first line is a heading": ("Refunds\nYou get it back.", [("heading", "Refunds"), ("sentence", "You get it back.")]),
    "a wrapped first line is not": ("The office of the\nmayor is open.", [("sentence", "The office of the mayor is open.")]),
    "a fact is no heading": ("Price: 24 euro\n\nCheap.", [("sentence", "Price: 24 euro"), ("sentence", "Cheap.")]),
    "list items": ("- First one\n  goes on\n* Second\n3. Third\n(b) Fourth", [("sentence", "First one goes on"), ("sentence", "Second"), ("sentence", "Third"), ("sentence", "Fourth")]),
    "marks are taken off at the beginning only": ("Ask Mr. L. Cohen", [("sentence", "Ask Mr. L. Cohen")]),
    "an item may hold sentences": ("- One. Two.", [("sentence", "One."), ("sentence", "Two.")]),
    "tables": ("| Land | Rate |\n|---|---|\n| France | 32 |\n| Spain | 30 |", [("heading", "Land | Rate"), ("row", "France | 32"), ("row", "Spain | 30")]),
    "tabs": ("iPhone\t65\nMac\t7", [("row", "iPhone | 65"), ("row", "Mac | 7")]),
    "fenced code": ("Do:\n```sh\nmake run\n\nmake test\n```\nDone.", [("sentence", "Do:"), ("code", "make run\n\nmake test"), ("sentence", "Done.")]),
    "code without a fence": ("def split(text):\n    return text.split();\n\nIt splits.", [("code", "def split(text):\n    return text.split();"), ("sentence", "It splits.")]),
    "a prompt": ("Type\n\n$ make run", [("heading", "Type"), ("code", "$ make run")]),
    "rules say nothing": ("Title\n=====\nIt rains.\n\n---\n\nIt pours.", [("heading", "Title"), ("sentence", "It rains."), ("sentence", "It pours.")]),
    "nothing": ("\n \n", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), BLOCKS.values(), ids=BLOCKS.keys())
def test_a_passage_is_split_by_its_lines(text: str, parts: list[tuple[str, str]]) -> None:
    assert [(part.kind, part.text) for part in split(text)] == parts


def test_sentences_know_the_heading_above_them() -> None:
    parts = split("It begins.\n\n# One\n\nA. b.\n\n## Two\n\n- C.")
    assert [part.heading for part in parts if part.kind == "sentence"] == ["", "One", "Two"]


def test_what_never_ends_is_cut_at_a_space() -> None:
    text = "word " * 400
    parts = [part.text for part in split(text)]
    assert all(len(part) <= MAX_CHARACTERS for part in parts)
    assert " ".join(parts) == text.strip()
    assert "".join(part.text for part in split("x" * 2000)) == "x" * 2000
