import pytest
from django.core.files.base import ContentFile

from documents.adding.pairs import MAX_PAIRS, Pair, add_pairs, read_pairs
from documents.errors import DocumentRefused
from workspaces.models import Workspace


def table(text: str | bytes) -> ContentFile:
    return ContentFile(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "question,answer\nWhy?,Because.\n\nHow?,So.\n",
        "Why?,Because.\n,\nHow?,So.",
        'id;Answer;QUESTION \n1;Because.;"Why?"\n;;\n2;So.;How?\n',
        "question\tanswer\r\nWhy?\tBecause.\r\n\r\nHow?\tSo.\r\n",
        "question,answer\nWhy?,Because.\n\nHow?,So.\n".encode("utf-16"),
    ],
    ids=["named", "without names", "other order and columns", "tabs", "UTF-16"],
)
def test_a_table_is_read_as_its_rows_are_counted(text: str | bytes) -> None:
    pairs = read_pairs(table(text))
    assert [(each.question, each.answer) for each in pairs] == [("Why?", "Because."), ("How?", "So.")]
    assert pairs[1].row - pairs[0].row == 2


def test_an_answer_may_have_lines_and_quotes() -> None:
    [pair] = read_pairs(table('question,answer\n"Why, then?","One.\n\nTwo ""three""."\n'))
    assert pair == Pair(2, "Why, then?", 'One.\n\nTwo "three".')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one,two,three\n", "Save the table as CSV"),
        ("just some words\n", "Save the table as CSV"),
        ("question,answer\n", "The table has no questions"),
        ("\n\n", "The table has no questions"),
        ("", "The file is empty"),
        ("question,answer\nWhy?," + "x" * 200_000, "could not be read"),
    ],
)
def test_what_is_no_such_table_says_what_to_do(text: str, words: str) -> None:
    with pytest.raises(DocumentRefused, match=words):
        read_pairs(table(text))


@pytest.mark.django_db
def test_one_bad_pair_keeps_no_other_out(workspace: Workspace) -> None:
    pairs = [
        Pair(2, "Why?", "Because."),
        Pair(3, "How?", " "),
        Pair(4, "Why?", "Because."),
        Pair(5, "", "No."),
    ]
    outcomes = add_pairs(workspace, None, pairs, "de")
    assert [each.refusal for each in outcomes] == [
        "", "The answer is empty. Write one.", "", "The question is empty. Write one.",
    ]  # fmt: skip
    assert outcomes[0].document == outcomes[2].document == workspace.documents.get(language="de")


def test_too_many_at_once_are_refused_whole() -> None:
    with pytest.raises(DocumentRefused, match="1,001 pairs; the limit is 1,000 at once"):
        add_pairs(Workspace(), None, [Pair(row, "q", "a") for row in range(MAX_PAIRS + 1)])
