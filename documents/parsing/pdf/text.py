"""Reads the text of PDF pages with PDFium, in the order in which people read it."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from documents.errors import Unreadable
from documents.parsing.types import DAMAGED, ENCRYPTED

from . import bidi, columns, raised
from .bidi import Glyph
from .columns import Line, Run
from .raised import Mark, Rect

VERSION = str(pdfium.PYPDFIUM_INFO.version)
_LINE_END_HYPHEN = re.compile(r"(?<=\d)[\ufffe\x02](?=\d)")  # PDFium's mark where a line ends with a hyphen
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_PROPERTIES = {
    "Title": "title", "Author": "author", "Subject": "subject", "Keywords": "keywords", "Creator": "application",
    "Producer": "producer", "CreationDate": "created", "ModDate": "modified",
}  # fmt: skip
_SAME_PLACE_PT = 0.1


class Pages:
    """The pages of an open PDF. Raises Unreadable if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._pdf = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            raise Unreadable(ENCRYPTED if "password" in str(error).lower() else DAMAGED) from error
        self._last: tuple[int, _open] | None = None  # the page that text_within opened: a form asks it often

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_last()
        self._pdf.close()

    def __len__(self) -> int:
        return len(self._pdf)

    def texts(self) -> Iterator[str | None]:
        """Yield the text of each page, "" for an empty page or a picture, None for a damaged page."""
        for number in range(len(self._pdf)):
            try:
                with _open(self._pdf, number) as text:
                    yield _text_of(text)
            except pdfium.PdfiumError:
                yield None

    def text_within(self, number: int, left: float, bottom: float, right: float, top: float) -> str:
        """Return the text in a rectangle of a page, counted from 0. Units: points, from the bottom left."""
        try:
            found: str = self._text_of_page(number).get_text_bounded(left, bottom, right, top)
            return found
        except (pdfium.PdfiumError, ValueError):
            return ""

    def _text_of_page(self, number: int) -> pdfium.PdfTextPage:
        if self._last is None or self._last[0] != number:
            self._close_last()
            self._last = number, _open(self._pdf, number)
        return self._last[1].text

    def _close_last(self) -> None:
        if self._last is not None:
            self._last[1].close()
            self._last = None

    def properties(self) -> dict[str, str]:
        found = self._pdf.get_metadata_dict(skip_empty=True)
        return {_PROPERTIES[name]: _iso_date(value) for name, value in found.items() if name in _PROPERTIES}


class _open:
    """Opens the text of a page, and closes it with its page."""

    def __init__(self, pdf: pdfium.PdfDocument, number: int) -> None:
        self._page = pdf[number]
        self.text = self._page.get_textpage()
        if self._page.get_rotation() and _is_upright(self.text):
            # PDFium orders the lines as on the turned page, where they are not horizontal.
            self.text.close()
            self._page.set_rotation(0)
            self.text = self._page.get_textpage()

    def __enter__(self) -> pdfium.PdfTextPage:
        return self.text

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.text.close()
        self._page.close()


def _is_upright(page: pdfium.PdfTextPage) -> bool:
    """Return whether most text is horizontal before the page is turned."""
    angles = [raw.FPDFText_GetCharAngle(page, index) for index in range(min(page.count_chars(), 200))]
    return sum(abs(math.sin(angle)) < 0.1 and math.cos(angle) > 0 for angle in angles) > len(angles) / 2


def _text_of(page: pdfium.PdfTextPage) -> str:
    text: str = page.get_text_range()
    if bidi.has_right_to_left(text):
        return "\n".join(_ordered_lines(page, from_right=bidi.is_mostly_right_to_left(text)))
    rects = [page.get_rect(number) for number in range(page.count_rects())]
    marks = list(raised.marks(page, rects))
    text = _LINE_END_HYPHEN.sub("-", raised.with_marks(text, marks))
    lines = columns.in_reading_order(list(_lines(page, rects, marks)))
    return "\n".join(columns.text_of(lines)) if lines else text


# --- columns ------------------------------------------------------------------------------------


def _lines(page: pdfium.PdfTextPage, rects: Sequence[Rect], marks: Sequence[Mark]) -> Iterator[Line]:
    """Yield the runs of the page, grouped by the lines on which they stand, in the order of the file."""
    line: Line = []
    for rect in rects:
        run = Run("", *rect)
        if line and columns.is_beside(line[-1], run):
            columns.append(line, run)
            continue
        if line:
            yield _with_texts(page, line, marks)
        line = [run]
    if line:
        yield _with_texts(page, line, marks)


def _with_texts(page: pdfium.PdfTextPage, line: Line, marks: Sequence[Mark]) -> Line:
    return [replace(run, text=_text_of_run(page, run, marks)) for run in line]


def _text_of_run(page: pdfium.PdfTextPage, run: Run, marks: Sequence[Mark]) -> str:
    place = run.left, run.bottom, run.right, run.top
    return raised.within(page.get_text_bounded(*place), place, marks)


# --- from right to left -------------------------------------------------------------------------


def _ordered_lines(page: pdfium.PdfTextPage, *, from_right: bool) -> Iterator[str]:
    characters: list[int] = []
    for index in range(page.count_chars() + 1):
        character = chr(raw.FPDFText_GetUnicode(page, index)) if index < page.count_chars() else "\n"
        if character in "\r\n":
            if characters:
                yield _ordered(page, characters, from_right=from_right)
            characters = []
        else:
            characters.append(index)


def _ordered(page: pdfium.PdfTextPage, characters: list[int], *, from_right: bool) -> str:
    glyphs = list(_glyphs(page, characters))
    text = "".join(glyph.text for glyph in glyphs)
    return bidi.logical_order(glyphs, page_is_from_right=from_right) if bidi.has_right_to_left(text) else text


def _glyphs(page: pdfium.PdfTextPage, characters: list[int]) -> Iterator[Glyph]:
    """Yield the glyphs. The characters of a ligature have one place; a mark belongs to the letter before it."""
    glyph: Glyph | None = None
    for index in characters:
        character = chr(raw.FPDFText_GetUnicode(page, index))
        left, _, right, _ = page.get_charbox(index)
        if glyph and (_is_same_place(glyph, left, right) or bidi.is_mark(character)):
            glyph = glyph._replace(text=glyph.text + character)
            continue
        if glyph:
            yield glyph
        glyph = Glyph(character, left, right)
    if glyph:
        yield glyph


def _is_same_place(glyph: Glyph, left: float, right: float) -> bool:
    return abs(glyph.left - left) < _SAME_PLACE_PT and abs(glyph.right - right) < _SAME_PLACE_PT


def _iso_date(value: str) -> str:
    """Return a PDF date such as D:20240305101500Z in ISO 8601, other values as they are."""
    found = _DATE.match(value)
    if not found:
        return value
    year, month, day, hour, minute, second = (part or "" for part in found.groups())
    date = "-".join(filter(None, (year, month, day)))
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}" if hour else date
