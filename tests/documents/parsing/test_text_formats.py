"""Tables, JSON, XML, notebooks, logs and Markdown: nothing is lost without a word."""

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

from documents.errors import Unreadable
from documents.ingestion.extract import Extraction
from documents.parsing import markdown

from .conftest import sentences, text_of

Read = Callable[..., Extraction]


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("a;b\n1,5;2,5\n", "| a | b |\n| 1,5 | 2,5 |"),
        ("sep=;\na;b\n1;2\n", "| a | b |\n| 1 | 2 |"),
        ('a,b\n"x, y","two\nlines"\n', "| a | b |\n| x, y | two lines |"),
        ("a|b\n1|2\n", "| a | b |\n| 1 | 2 |"),
        ("a\tb\n1\t\n", "| a | b |\n| 1 |  |"),
        ("Report 2026,,\n,,\na,b,c\n1-2,3,007\n", "Report 2026\n\n| a | b | c |\n| 1-2 | 3 | 007 |"),
        ('a,b\n"5"" pipe",x|y\n', '| a | b |\n| 5" pipe | x\\|y |'),
        ("only\none\n", "| only |\n| one |"),
    ],
    ids=["semicolon", "named separator", "quoted", "bars", "tabs", "title above", "marks", "one column"],
)
def test_a_table_keeps_every_cell(read: Read, source: str, table: str) -> None:
    assert text_of(read("a.csv", source.encode())) == table


def test_each_section_of_a_long_table_has_its_header(read: Read) -> None:
    rows = "".join(f"SKU-{number:05},pump,{number % 60}\n" for number in range(3000))
    found = read("a.csv", f"sku,item,lead_time_days\n{rows}".encode())
    assert len(found.sections) > 2
    assert all(section.text.startswith("| sku | item | lead_time_days |\n") for section in found.sections)
    assert text_of(found).count("| SKU-") == 3000
    assert (found.facts["rows"], found.facts["columns"]) == (3000, 3)


def test_a_table_of_a_million_rows_is_refused_by_its_limit(read: Read) -> None:
    rows = "".join(f"{number},Pump,{number / 7:.2f},{number % 99}\n" for number in range(1_000_000))
    with pytest.raises(Unreadable, match=r"more than 20,000,000 characters\. Split it and add the parts"):
        read("a.csv", f"id,name,price,stock\n{rows}".encode(), memory_bytes=1024**3)


def test_json_has_its_letters_and_its_numbers(read: Read) -> None:
    source = r'{"name": "Z\u00fcrich \ud83d\ude00", "note": "one\ntwo\t\u201cthree\u201d", "url": "a\/b", "n": 1.50}'
    assert text_of(read("a.json", source.encode())) == (
        '{"name": "Zürich 😀", "note": "one\ntwo\t“three”", "url": "a/b", "n": 1.50}'
    )


def test_json_without_line_ends_gets_some(read: Read) -> None:
    rows = [{"id": number, "text": "a, b", "empty": {}} for number in range(200)]
    lines = text_of(read("a.json", json.dumps(rows).encode())).split("\n")
    assert max(map(len, lines)) < 40
    assert sum('"text": "a, b"' in line for line in lines) == 200


def test_a_file_within_json_is_named_as_left_out(read: Read) -> None:
    picture = b64encode(bytes(range(256)) * 9).decode()
    found = read("a.json", json.dumps({"name": "Pump", "image": picture, "dna": "ACGT" * 400}).encode())
    assert "Pump" in text_of(found)
    assert picture[:20] not in text_of(found)
    assert "ACGT" * 400 in text_of(found)
    assert "Left out: 1 file that the JSON contains" in sentences(found)


def test_json_in_a_log_has_its_letters(read: Read) -> None:
    assert (
        text_of(read("a.log", b'{"m": "Z\\u00fcrich"}\n{"m": "K\\u00f6ln"}\n'))
        == '{"m": "Zürich"}\n{"m": "Köln"}'
    )
    assert text_of(read("a.txt", b"[see \\u00fc]")) == "[see \\u00fc]"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('[{"m": "Z\\u00fcrich"},\n {"m": "a\\/b"}]', '[{"m": "Zürich"},\n {"m": "a/b"}]'),
        ('{\n  "m": "Z\\u00fcrich"\n}\n{\n  "m": 2\n}\n', '{\n  "m": "Zürich"\n}\n{\n  "m": 2\n}'),
        ('{"m": 1}\r\n\r\n{"m": "Z\\u00fcrich"}', '{"m": 1}\n\n{"m": "Zürich"}'),
        ("[1]\nThe file is C:\\new\\table.txt", "[1]\nThe file is C:\\new\\table.txt"),
        ('{"m": 1}\nsee \\u00fc', '{"m": 1}\nsee \\u00fc'),
        ('10:00 up\n{"m": "Z\\u00fcrich"}\n{"m": "\\u00fc', '10:00 up\n{"m": "Zürich"}\n{"m": "\\u00fc'),
        ("[]\n\n\\textbf{Words}", "[]\n\n\\textbf{Words}"),
    ],
    ids=["array", "objects over lines", "lines with gaps", "a number first", "an object first", "a log", "an empty list"],
)  # fmt: skip
def test_only_json_within_a_text_loses_its_escapes(read: Read, source: str, said: str) -> None:
    assert text_of(read("a.txt", source.encode())) == said


def test_a_picture_within_a_text_is_cut_out(read: Read) -> None:
    source = f"# Plan\n\n![plan](data:image/png;base64,{'iVBOR' * 99})\n\nWords after it."
    assert text_of(read("a.md", source.encode())).endswith(
        "![plan](data:image/png;base64,…)\n\nWords after it."
    )


def test_broken_json_is_read_as_it_is(read: Read) -> None:
    assert text_of(read("a.jsonl", b'{"a": 1}\n{"b": \\u0041 "tail')) == '{"a": 1}\n{"b": A "tail'


def test_xml_has_its_attributes(read: Read) -> None:
    source = (
        '<list><!-- internal --><item key="A-1" unit="mm">Bolt</item><item key="B-2" note="sold &amp; gone"/>'
        '<p>See <b style="x">this</b> note.</p><f><![CDATA[5 < 6]]></f></list>'
    )
    found = read("a.xml", source.encode())
    for words in ("Bolt (key: A-1, unit: mm)", "key: B-2, note: sold & gone", "See this note.", "5 < 6"):
        assert words in text_of(found)
    assert sentences(found) == "1 comment was left out.\nLeft out: 1 attribute of elements within sentences."


def test_broken_xml_says_what_is_missing(read: Read) -> None:
    found = read("a.xml", b'<a><b key="1">Words</c></a>')
    assert "Words" in text_of(found)
    assert "not well-formed" in sentences(found)


def notebook(**more: object) -> bytes:
    cells = [
        {
            "cell_type": "markdown",
            "source": ["# Churn\n", "The limit is **0.42**.\n"],
            "attachments": {"a": {"image/png": ""}},
        },
        {
            "cell_type": "code",
            "source": 'print("hi")',
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["printed\n"]},
                {
                    "output_type": "display_data",
                    "data": {"image/png": "iVBORw0KGgo", "text/plain": "<Figure>"},
                },
                {"output_type": "execute_result", "data": {"text/html": "<b>only</b> html"}},
                {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: late"]},
            ],
        },
        {"cell_type": "raw", "source": "raw words"},
    ]
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4} | more
    ).encode()


def test_a_notebook_has_its_text_code_and_results(read: Read) -> None:
    found = read("a.ipynb", notebook())
    said = text_of(found)
    for words in (
        "Churn",
        "The limit is 0.42.",
        'print("hi")',
        "printed",
        "<Figure>",
        "only html",
        "ValueError: late",
        "raw words",
    ):
        assert words in said
    assert "iVBOR" not in said
    assert "image/png" in sentences(found)
    assert found.notes[0].count == 2
    assert found.sections[0].title_path == ("Churn",)


def test_a_damaged_notebook_is_refused(read: Read) -> None:
    with pytest.raises(Exception, match="damaged"):
        read("a.ipynb", b'{"cells": [')


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mfailed\x1b[0m: test", "failed: test"),
        ("\x1b[38;5;196mred\x1b[m \x1b[2K\x1b[1Gdone", "red done"),
        ("\x1b]8;;https://x.test\x1b\\link\x1b]8;;\x07 \x1b]0;title\x07end", "link end"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("^[[32mok^[[0m ␛[1mbold␛[0m #033[33mwarn#033[0m", "ok bold warn"),
        ("N\x08NA\x08AM\x08ME", "NAME"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("a\x85b\u2028c\x0bd", "a\nb\nc\nd"),
        ("list[31m] and array[0]", "list[31m] and array[0]"),
        ("می‌خواهم", "می‌خواهم"),
    ],
    ids=[
        "colours",
        "cursor",
        "links",
        "charsets",
        "written out",
        "overstruck",
        "invisible",
        "line ends",
        "brackets",
        "joiner",
    ],
)
def test_terminal_codes_and_invisible_characters_are_no_text(read: Read, written: str, shown: str) -> None:
    assert text_of(read("a.log", written.encode())) == shown


_NESTED = "# Guide\n\n````markdown\n```bash\n# no heading *a*\n```\n````\n\n~~~\n```\n# none either\n~~~\n\n## Real\n\nOtters."


def test_a_fence_within_a_fence_is_code(read: Read) -> None:
    found = read("a.md", _NESTED.encode())
    assert [section.title_path for section in found.sections] == [("Guide",), ("Guide", "Real")]


def test_code_keeps_its_marks_where_others_go() -> None:
    [heading, body, *_] = markdown.plain_blocks(
        "# T\n\n````\n```\na*b*c\n```\n````\n\n- item\n\n      ```\n\n  ~~~\n  x*y*z\n  ~~~\n\n> ```\n> q*r*s\n> ```\n\nNot *code*."
    )
    assert heading.text == "T"
    assert "```\na*b*c\n```" in body.text
    assert "````" not in body.text
    assert "x*y*z" in body.text
    assert "q*r*s" in body.text
    assert "Not code." in body.text
