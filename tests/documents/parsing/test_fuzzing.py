"""Files as hypothesis makes them up: each ends in text or in a clear sentence, and a valid one keeps its words."""

import html
import io
import logging
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from documents.errors import NotAccepted, Unreadable
from documents.ingestion.extract import Extraction, extract
from documents.parsing.media_types import TYPES, recognise
from tests.documents.parsing import files, office_files

from .conftest import text_of

MARKER = "Zebrafish4711"
_TIMEOUT_S = 10
_SUFFIXES = sorted({extension for kind in TYPES for extension in kind.extensions})
_IN_A_FORK = settings(
    max_examples=settings.default.max_examples * 3 // 5, suppress_health_check=[HealthCheck.too_slow]
)
_BUILDERS: dict[str, Callable[[], bytes]] = {
    "pdf": lambda: files.pdf(f"{MARKER} on a page"), "docx": office_files.everything_in_word, "pptx": office_files.everything_in_powerpoint,
    "xlsx": office_files.everything_in_excel, "odt": office_files.everything_in_odt, "ods": office_files.everything_in_ods,
    "odp": office_files.everything_in_odp, "eml": files.eml, "epub": files.epub,
    "zip": lambda: files.archive({"a.txt": MARKER, "b.eml": files.eml(), "c.docx": files.docx()}),
    "tar": lambda: files.tar(("a.txt", MARKER.encode()), ("b.eml", files.eml()), mode="w"), "gz": lambda: files.tar(("a.txt", MARKER.encode())),
    "html": lambda: f"<html><body><table><tr><td>{MARKER}</table><p>5<sup>2</sup></body></html>".encode(),
    "json": lambda: b'{"a": [1, "\\u00fc"]}', "csv": lambda: b'a;b\n1;"2\n3"\n', "rtf": lambda: rb"{\rtf1\ansi {\super 2}\b words\b0\par}",
    "ipynb": lambda: b'{"cells": [{"cell_type": "code", "source": ["x"], "outputs": [{"data": {"text/html": "<p>"}}]}]}',
    "xml": lambda: b'<?xml version="1.0" encoding="iso-8859-2"?><a b="c">words</a>',
}  # fmt: skip

_VALUES = re.compile(rb'(?<=")[^"]*(?=")|(?<=>)[^<]+(?=<)|<[^>]*>')
_ODD_VALUES = [b"", b"-1", b"99999999999999999999", b"x", b"1e400", b"NaN", b"inf", b"\xc3(", b"<", b"</p>"]


class Complaints(logging.Handler):
    """Keeps the warnings of a reader: a crash of the parser also ends in a clear sentence."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


@pytest.fixture(scope="module", autouse=True)
def complaints() -> Iterator[Complaints]:
    handler, log = Complaints(), logging.getLogger("documents.ingestion.extract")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    assert handler.kept == []


def read(name: str, content: bytes) -> Extraction | None:
    """Return what the file says, None if it was refused with a sentence."""
    found = _read(name, content)
    if isinstance(found, Extraction):
        return found
    assert found.endswith(".")
    assert "took longer than" not in found
    return None


def _read(name: str, content: bytes) -> Extraction | str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return extract(Path(file.name), recognise(io.BytesIO(content), name).name, timeout_s=_TIMEOUT_S)
        except (NotAccepted, Unreadable) as refusal:
            return str(refusal)


@cache
def built(suffix: str) -> bytes:
    return _BUILDERS[suffix]()


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs", "S"]), max_size=60)


@_IN_A_FORK
@given(st.sampled_from(_SUFFIXES), st.binary(max_size=300))
def test_any_bytes_end_in_text_or_a_sentence(suffix: str, content: bytes) -> None:
    read(f"a.{suffix}", content)


@_IN_A_FORK
@given(st.sampled_from(sorted(_BUILDERS)), st.data())
def test_a_damaged_file_ends_in_text_or_a_sentence(suffix: str, data: st.DataObject) -> None:
    read(f"a.{suffix}", _damaged(built(suffix), data))


@_IN_A_FORK
@given(st.sampled_from(sorted(suffix for suffix in _BUILDERS if built(suffix).startswith(b"PK"))), st.data())
def test_a_package_with_a_damaged_part_ends_in_text_or_a_sentence(suffix: str, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(built(suffix))) as package:
        parts: dict[str, str | bytes] = {name: package.read(name) for name in package.namelist()}
        name = data.draw(st.sampled_from([each for each in parts if each != "mimetype"]))
        parts[name] = _damaged(package.read(name), data)
    read(f"a.{suffix}", files.archive(parts))


def _damaged(content: bytes, data: st.DataObject) -> bytes:
    """Return the content with values and tags of its markup replaced, or with any bytes in it."""
    for _ in range(data.draw(st.integers(1, 3))):
        places: list[tuple[int, int]] = [found.span() for found in _VALUES.finditer(content)]
        is_value: bool = data.draw(st.booleans())
        if places and is_value:
            start, end = data.draw(st.sampled_from(places))
            new = data.draw(st.sampled_from(_ODD_VALUES))
        else:
            start = data.draw(st.integers(0, len(content)))
            end, new = start + data.draw(st.integers(0, 20)), data.draw(st.binary(max_size=20))
        content = content[:start] + new + content[end:]
    return content


@_IN_A_FORK
@given(
    words.filter(lambda text: "\n" not in text),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
)
def test_a_text_in_any_unicode_keeps_its_words(text: str, encoding: str) -> None:
    found = read("a.txt", f"{text} {MARKER}\n{'Plain words follow. ' * 4}".encode(encoding))
    assert found is not None
    assert MARKER in text_of(found)


@_IN_A_FORK
@given(st.lists(st.lists(words, min_size=1, max_size=5), max_size=6), st.sampled_from(",;\t|"))
def test_a_table_keeps_its_words(rows: list[list[str]], separator: str) -> None:
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in [*row, MARKER]] for row in [*rows, ["x"]]
    ]
    found = read("a.csv", "\n".join(separator.join(row) for row in quoted).encode())
    assert found is not None
    assert text_of(found).count(MARKER) == len(quoted)


@_IN_A_FORK
@given(words, words, words)
def test_a_mail_keeps_its_words(subject: str, body: str, name: str) -> None:
    message = EmailMessage()
    message["Subject"] = subject
    message.set_content(f"{body}\n{MARKER}\n")
    message.add_attachment(f"{MARKER} within", filename=f"{name}.txt")
    found = read("a.eml", message.as_bytes())
    assert found is not None
    assert text_of(found).count(MARKER) == 2


@_IN_A_FORK
@given(
    st.lists(
        st.tuples(st.sampled_from(["p", "h2", "li", "td", "pre", "sup", "b", "blockquote"]), words),
        max_size=6,
    )
)
def test_a_web_page_keeps_its_words(parts: list[tuple[str, str]]) -> None:
    body = "".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in parts)
    found = read("a.html", f"<html><body><p>Before.</p>{body}<p>{MARKER}</p></body></html>".encode())
    assert found is not None
    assert MARKER in text_of(found)


@_IN_A_FORK
@given(
    st.lists(st.sampled_from(["```", "~~~", "````python", "- item", "    code", "> quote", "| a | b |", "|---|---|", "", "# Head", "***"]),
             max_size=10)
)  # fmt: skip
def test_markdown_keeps_its_words(lines: list[str]) -> None:
    found = read("a.md", "\n".join([*lines, MARKER, *lines]).encode())
    assert found is not None
    assert MARKER in text_of(found)
