"""A conversation as Markdown: what one answer holds does not reach into another."""

import pytest
from django.urls import reverse
from markdown_it import MarkdownIt

from chat.models import Answer
from chat.transfer.file_names import file_name
from chat.transfer.markdown_text import fenced, stand_alone
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client):
    user = factories.user()
    client.force_login(user)
    return user


def text_of(response):
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("See [1] and [2, 3].", "See [^11] and [^12][^13]."),
        ("`[1]` and ``a ` [1]``", "`[1]` and ``a ` [1]``"),
        ("    [1]", "    [1]"),
        ("[1](https://a.example)", "[1](https://a.example)"),
        ("[1]: Handbook", "[^11]\\: Handbook"),
        ("[a]: https://a.example", "\\[a]: https://a.example"),
        ("A note [^1]\n\n[^1]: of its own", "A note \\[^1]\n\n\\[^1]: of its own"),
        ("<script>x</script> \\<b> \\\\<i> 2 < 3", "\\<script>x\\</script> \\<b> \\\\\\<i> 2 < 3"),
        ("<!-- never closed", "\\<!-- never closed"),
        ("<https://a.example>", "<https://a.example>"),
        ("# One\n\n> ## Two", "#### One\n\n> ##### Two"),
        ("a `b\n\nc` [1]", "a `b\n\nc` [^11]"),
        ("| a | b |\n|---|---|\n| [1] | `[1]` |", "| a | b |\n|---|---|\n| [^11] | `[1]` |"),
        ("```\nopen [1]", "```\nopen [1]\n```"),
        ("~~~~md\n```\nx\n~~~", "~~~~md\n```\nx\n~~~\n~~~~"),
        ("- a\n  ```\n  open", "- a\n  ```\n  open"),
    ],
)
def test_a_text_stands_alone(text, written):
    assert stand_alone(text, lambda numbers: "".join(f"[^{10 + each}]" for each in numbers)) == f"{written}\n"


def test_a_fence_is_longer_than_those_in_its_text():
    text = "````\n```python\nx\n```\n````"
    [block] = MarkdownIt().parse(fenced(text))
    assert block.content == f"{text}\n"


def test_two_answers_cite_their_own_passages(client, reader):
    session = factories.session(reader, title="Two *questions*")
    for word in ("first", "second"):
        factories.answer(
            session, f"{word}?", text=f"The {word} [1], not [7].\n\n```\nopen",
            passages=[{"document_title": f"{word}.pdf", "text": f"Text of the {word}", "page": 3}],
        )  # fmt: skip
    page = text_of(client.get(reverse("session-markdown", args=[session.pk])))
    assert page.startswith("# Two \\*questions\\*\n")
    assert "The first [^1], not [7]." in page
    assert "The second [^2], not [7]." in page
    assert "[^2]: **second.pdf**, page 3\n\n    > Text of the second\n" in page
    blocks = [token.content for token in MarkdownIt().parse(page) if token.type == "fence"]
    assert blocks == ["open\n", "open\n"]


def test_only_the_path_and_the_versions_in_front_are_exported(client, reader):
    session = factories.session(reader)
    first = factories.answer(session, "old question", text="old answer")
    edited = session.turns.create(text="new question", message_id="new", parent=None)
    Answer.objects.create(turn=edited, endpoint_name="small", status="finished", text="first version")
    Answer.objects.create(
        turn=edited, endpoint_name="small", status="stopped", text="second version", message_id="v"
    )
    page = text_of(client.get(reverse("session-markdown", args=[session.pk])))
    assert "> new question" in page
    assert "second version" in page
    assert "*Stopped before its end.*" in page
    assert "first version" not in page
    assert "old" not in page
    alone = text_of(client.get(reverse("answer-markdown", args=[first.pk])))
    assert "> old question" in alone
    assert "old answer" in alone


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Q3/Q4: „Größe“", "Q3-Q4- „Größe“.md"),
        ("../../etc/passwd\n", "etc-passwd.md"),
        ("CON", "CON_.md"),
        ("a\u202egpj.exe", "agpj.exe.md"),
        (" . ", "conversation.md"),
        ("日本" * 60, "日本" * 25 + ".md"),
        ('"; filename="x', "; filename=-x.md"),
    ],
)
def test_a_file_name_keeps_the_letters_of_the_title(title, name):
    assert file_name(title, "md") == name


def test_the_header_names_the_file_in_any_script(client, reader):
    session = factories.session(reader, title="Q3/Q4: „Größe“")
    response = client.get(reverse("session-markdown", args=[session.pk]))
    expected = "attachment; filename*=utf-8''Q3-Q4-%20%E2%80%9EGr%C3%B6%C3%9Fe%E2%80%9C.md"
    assert response["Content-Disposition"] == expected
    assert response["Content-Type"].startswith("text/markdown")
