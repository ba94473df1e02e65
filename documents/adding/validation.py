"""Validates input: each `validate_*` returns a document's content, or raises DocumentRefused with a sentence."""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.template.defaultfilters import filesizeformat

from core.text import clean_body, one_line
from documents.chunking.questions import SEPARATOR
from documents.errors import DocumentRefused, NotAccepted
from documents.models import Document
from documents.parsing.media_types import MARKDOWN, TEXT, MediaType, recognise

MAX_TITLE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Content:
    """The validated content of a document."""

    kind: Document.Kind
    title: str
    media_type: MediaType
    file: File[Any]
    sha256: str


def validate_file(file: File[Any], title: str) -> Content:
    """Return the content of a file. Raises DocumentRefused."""
    title = clean_title(title)
    media_type = _check_type(file, clean_title(file.name or title))
    return Content(Document.Kind.FILE, title, media_type, file, _sha256(file))


def validate_text(title: str, text: str, is_markdown: bool = False) -> Content:
    """Return the content of a text. Raises DocumentRefused."""
    media_type = MARKDOWN if is_markdown else TEXT
    return _text_content(Document.Kind.TEXT, _line(title, "title"), _body(text, "text"), media_type)


def validate_pair(question: str, answer: str) -> Content:
    """Return the content of a pair: one text that begins with the question. Raises DocumentRefused."""
    question = _line(question, "question")
    return _text_content(Document.Kind.QA, question, question + SEPARATOR + _body(answer, "answer"), TEXT)


def clean_title(name: str) -> str:
    """Return the last part of a path, without control and direction marks, cut to the maximum length."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = one_line(last).strip(". ") or "untitled"
    stem, dot, extension = kept.rpartition(".")
    if len(kept) > MAX_TITLE_CHARACTERS and dot and len(extension) < 20:
        return f"{stem[: MAX_TITLE_CHARACTERS - len(extension) - 1]}.{extension}"
    return kept[:MAX_TITLE_CHARACTERS]


def _text_content(kind: Document.Kind, title: str, text: str, media_type: MediaType) -> Content:
    file = ContentFile(text.encode("utf-8", "replace"), name=title)
    check_size(file)
    return Content(kind, title, media_type, file, _sha256(file))


def _line(text: str, what: str) -> str:
    """Return the text as one line. Raises DocumentRefused."""
    line = one_line(text)
    if not any(character.isalnum() for character in line):
        raise DocumentRefused(f"The {what} is empty. Write one.")
    if len(line) > MAX_TITLE_CHARACTERS:
        raise DocumentRefused(
            f"The {what} has {len(line):,} characters; the limit is {MAX_TITLE_CHARACTERS}. Shorten it."
        )
    return line


def _body(text: str, what: str) -> str:
    body = clean_body(text)
    if not any(character.isalnum() for character in body):
        raise DocumentRefused(f"The {what} is empty. Write one.")
    return body


def _check_type(file: File[Any], name: str) -> MediaType:
    check_size(file)
    try:
        return recognise(cast(Any, file), name)
    except NotAccepted as error:
        raise DocumentRefused(str(error)) from error


def check_size(file: File[Any]) -> None:
    """Raise DocumentRefused if the file is empty or too large."""
    check_length(file.size)


def check_length(size_bytes: int) -> None:
    if size_bytes <= 0:
        raise DocumentRefused("The file is empty. Choose another one.")
    if size_bytes > settings.UPLOAD_MAX_BYTES:
        limit = filesizeformat(settings.UPLOAD_MAX_BYTES)
        raise DocumentRefused(
            f"The file has {filesizeformat(size_bytes)}; the limit is {limit}. Split it and add the parts."
        )


def _sha256(file: File[Any]) -> str:
    digest = hashlib.sha256()
    for piece in file.chunks():
        digest.update(piece)
    return digest.hexdigest()


def text_of(document: Document) -> str:
    """Return the text of a written document as it is stored. Raises FileNotFoundError."""
    with document.file.open("rb") as file:
        return str(file.read().decode())


def pair_of(document: Document) -> tuple[str, str]:
    """Return the question and the answer. Raises FileNotFoundError."""
    question, _, answer = text_of(document).partition(SEPARATOR)
    return question, answer
