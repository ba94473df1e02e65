"""Adds many questions with their answers at once, from a list or a CSV file."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.files import File

from accounts.models import User
from documents.errors import DocumentRefused
from documents.fields.metadata import NO_CHANGE, MetadataChange
from documents.models import Document
from documents.parsing.encodings import decode
from workspaces.models import Workspace

from .service import add_qa
from .validation import check_size

MAX_PAIRS = 1000  # per request: each pair becomes a document and a message in the queue
_COLUMNS = ("question", "answer")
_NOT_A_TABLE = 'Each row needs a question and an answer. Save the table as CSV with the two columns "question" and "answer".'


@dataclass(frozen=True, slots=True)
class Pair:
    row: int  # from 1, as the author of the list counts
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class PairResult:
    row: int
    question: str
    document: Document | None  # None: it was refused
    refusal: str = ""  # the reason, for people


def add_pairs(
    workspace: Workspace,
    user: User | None,
    pairs: Iterable[Pair],
    language: str | None = None,
    about: MetadataChange = NO_CHANGE,
    *,
    ask_worker: bool = True,
) -> list[PairResult]:
    """Add each pair on its own: a refused pair does not stop the others.

    Raises DocumentRefused for too many.
    """
    listed = list(pairs)
    if len(listed) > MAX_PAIRS:
        raise DocumentRefused(
            f"There are {len(listed):,} pairs; the limit is {MAX_PAIRS:,} at once. Split them."
        )
    return [_add(workspace, user, pair, language, about, ask_worker) for pair in listed]


def _add(
    workspace: Workspace,
    user: User | None,
    pair: Pair,
    language: str | None,
    about: MetadataChange,
    ask_worker: bool,
) -> PairResult:
    try:
        document = add_qa(
            workspace, user, pair.question, pair.answer, language, about=about, ask_worker=ask_worker
        )
    except DocumentRefused as refusal:
        return PairResult(pair.row, pair.question, None, str(refusal))
    return PairResult(pair.row, pair.question, document)


def read_pairs(file: File[Any]) -> list[Pair]:
    """Return the pairs of a CSV file, in any encoding, separated by commas, semicolons or tabs.

    The first row may name the columns; all columns except "question" and "answer" are ignored. Without such a
    row, the file must have exactly these two. Empty rows are skipped. Raises DocumentRefused.
    """
    check_size(file)
    text = decode(file.read()).lstrip("\ufeff")
    try:
        pairs = list(_pairs(text))
    except csv.Error as error:
        raise DocumentRefused(f"The table could not be read: {error}. Save it as CSV again.") from error
    if not pairs:
        raise DocumentRefused(f"The table has no questions. {_NOT_A_TABLE}")
    return pairs


def _pairs(text: str) -> Iterator[Pair]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    columns: tuple[int, int] | None = None
    for number, row in enumerate(reader, 1):
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            names = [cell.strip().lower() for cell in row]
            if set(_COLUMNS) <= set(names):
                columns = names.index("question"), names.index("answer")
                continue
            if len(row) != len(_COLUMNS):
                raise DocumentRefused(_NOT_A_TABLE)
            columns = 0, 1
        cells = [*row, *[""] * (max(columns) + 1 - len(row))]
        yield Pair(number, cells[columns[0]], cells[columns[1]])


def _delimiter(text: str) -> str:
    """Return the delimiter: the first comma, semicolon or tab outside quotes in the first row."""
    is_quoted = False
    for character in text:
        if character == '"':
            is_quoted = not is_quoted
        elif not is_quoted and character in ",;\t":
            return character
        elif not is_quoted and character == "\n":
            break
    return ","
