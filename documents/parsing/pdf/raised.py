"""Finds raised and lowered numbers on a page of a PDF: 10⁶ must not become 106, nor a note's number part of a word.

PDFium joins them with the text before them, and begins a line after them.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from documents.parsing.markup import superscripts

Rect = tuple[float, float, float, float]  # left, bottom, right, top in points

_NUMBER = re.compile(r"[+\-−–]?\d[\d.,–-]*")
_SMALLER = 0.85  # the most of the height of the text before it
_RAISED, _LOWERED = 0.15, -0.05  # the distance from its base line, as a share of its height
_MAX_GAP = 0.25  # to the text before and behind it, as a share of its height
_CONTEXT = 15  # characters


class Mark(NamedTuple):
    at: int  # the index of its first character in the text of the page
    text: str
    plain: str  # as plain text: "^6" or "[6]"
    before: str
    place: Rect
    continues: bool  # the line goes on behind it


def marks(page: pdfium.PdfTextPage, rects: Sequence[Rect]) -> Iterator[Mark]:
    """Yield the marks in reading order. rects: of the page's text, in the order of the file."""
    around: Sequence[Rect | None] = [None, *rects, None]
    for base, rect, behind in zip(around, rects, around[2:], strict=False):
        if base and _is_candidate(base, rect):
            mark = _mark(page, base, rect)
            continues = (
                behind is not None and _overlap(base, behind) and _is_close(rect, behind, _height(base))
            )
            found = mark and mark._replace(continues=continues)
        else:
            found = _mark_of_note(page, rect, behind) if behind else None
        if found:
            yield found


def with_marks(text: str, found: Sequence[Mark]) -> str:
    """Return the text of a page with its marks as plain text."""
    pieces, done = [], 0
    for mark in found:
        end = mark.at + len(mark.text)
        if mark.at >= done and text[mark.at : end] == mark.text:
            pieces += [text[done : mark.at], mark.plain]
            done = end + 2 * (mark.continues and text.startswith("\r\n", end))
    return "".join(pieces) + text[done:]


def within(text: str, rect: Rect, found: Sequence[Mark]) -> str:
    """Return the text of a part of a page with its marks as plain text."""
    for mark in found:
        is_within = rect[0] <= mark.place[0] <= rect[2] and _overlap(mark.place, rect)
        if is_within and (mark.before or text.startswith(mark.text)):
            text = text.replace(mark.before + mark.text, mark.before + mark.plain, 1)
    return text


def _height(rect: Rect) -> float:
    return rect[3] - rect[1]


def _overlap(one: Rect, other: Rect) -> bool:
    return min(one[3], other[3]) > max(one[1], other[1])


def _is_close(one: Rect, other: Rect, height: float) -> bool:
    return -1 <= other[0] - one[2] <= _MAX_GAP * height


def _is_candidate(base: Rect, rect: Rect) -> bool:
    height = _height(base)
    return _height(rect) < height and _overlap(base, rect) and _is_close(base, rect, height)


def _mark(page: pdfium.PdfTextPage, base: Rect, rect: Rect) -> Mark | None:
    text = page.get_text_bounded(*rect).strip()
    if not _NUMBER.fullmatch(text):
        return None
    before = page.get_text_bounded(*base).strip("\r\n")[-_CONTEXT:]
    first = _first_character(page, rect)
    if first < 1 or not before:
        return None
    last = first - 1
    height = _line_height(page, last)
    if not height or _line_height(page, first) > _SMALLER * height:
        return None
    rise = (_base_line(page, first) - _base_line(page, last)) / height
    if _LOWERED < rise < _RAISED:
        return None
    plain = superscripts.raised(before, text) if rise > 0 else superscripts.lowered(before, text)
    at = raw.FPDFText_GetTextIndexFromCharIndex(page, first)
    return Mark(at, text, plain, before, rect, continues=False)


def _mark_of_note(page: pdfium.PdfTextPage, rect: Rect, behind: Rect) -> Mark | None:
    """Return the number that a note begins with, apart from the note's first word."""
    height = _height(behind)
    if not (_height(rect) < height and _overlap(rect, behind) and _is_close(rect, behind, height)):
        return None
    text = page.get_text_bounded(*rect).strip()
    first = _first_character(page, rect)
    if not _NUMBER.fullmatch(text) or first < 0 or page.get_text_bounded(*behind)[:1].isspace():
        return None
    is_raised = rect[3] >= behind[3] and rect[1] > behind[1] + _RAISED * height
    at = raw.FPDFText_GetTextIndexFromCharIndex(page, first)
    return Mark(at, text, f"{text} ", "", rect, continues=True) if is_raised else None


def _first_character(page: pdfium.PdfTextPage, rect: Rect) -> int:
    """Return the index of the first character in a place, negative if there is none."""
    found: int = raw.FPDFText_GetCharIndexAtPos(page, rect[0] + 0.5, (rect[1] + rect[3]) / 2, 2.0, 2.0)
    return found


def _line_height(page: pdfium.PdfTextPage, index: int) -> float:
    """Return the height of a line in a character's font. The font's size alone leaves out its scale on the page."""
    _, bottom, _, top = page.get_charbox(index, loose=True)
    return float(top - bottom)


def _base_line(page: pdfium.PdfTextPage, index: int) -> float:
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(page, index, x, y)
    return y.value
