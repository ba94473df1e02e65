"""Finds columns of prose whose lines were drawn across the page, and reads one column after the other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

_MIN_LINES = 4
_MIN_WORDS = 3.0  # per line of a column, on average: cells of tables have fewer
_MIN_CONTINUED = 0.4  # share of lines that continue a sentence: begin in lower case, where letters have cases
_FILLED, _MIN_FILLED = 0.6, 0.75  # share of lines that are wide, compared with the widest of the column
_MIN_GAP = 0.8  # of the line's height
_MAX_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one line that was drawn without a gap. Units: points, from the bottom left."""

    text: str
    left: float
    bottom: float
    right: float
    top: float


Line = list[Run]


def is_beside(one: Run, other: Run) -> bool:
    """Return whether a run continues the line of another: they overlap vertically, and it is to the right."""
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    return shared > 0.5 * min(one.top - one.bottom, other.top - other.bottom) and other.left >= one.left


def append(line: Line, run: Run) -> None:
    """Add a run to its line. Without a wide gap it is part of the run before: some programs draw each letter alone."""
    last = line[-1]
    if run.left - last.right > _MIN_GAP * (last.top - last.bottom):
        line.append(run)
    else:
        bottom, top = min(last.bottom, run.bottom), max(last.top, run.top)
        line[-1] = Run("", last.left, bottom, max(last.right, run.right), top)


def in_reading_order(lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines column by column, None if no line crosses columns."""
    ordered: list[Line] = []
    at, found = 0, False
    while at < len(lines):
        end, border = _region(lines, at)
        if border is None:
            ordered.append(lines[at])
            at += 1
            continue
        found = True
        for side in _split(lines[at:end], border):
            ordered += in_reading_order(side) or side
        at = end
    return ordered if found else None


def _region(lines: Sequence[Line], start: int) -> tuple[int, float | None]:
    """Return the end and the border of the columns that begin at a line; no border if none begin there."""
    gaps = _gaps(lines[start])
    for gap in gaps[:_MAX_COLUMNS]:
        low, high = gap
        end = start + 1
        while end < len(lines):
            narrowed = _narrowed(lines[end], low, high)
            if narrowed is None:
                break
            low, high = narrowed
            end += 1
        border = (low + high) / 2
        left, right = _split(lines[start:end], border)
        if _is_prose(left) and _is_prose(right):
            return end, border
    return start + 1, None


def _gaps(line: Line) -> list[tuple[float, float]]:
    return [(one.right, other.left) for one, other in pairwise(line)]


def _narrowed(line: Line, low: float, high: float) -> tuple[float, float] | None:
    """Return the part of the gap that this line leaves free, too. None if the line crosses it."""
    low = max([low, *(run.right for run in line if run.left < low)])
    high = min([high, *(run.left for run in line if run.left >= low)])
    return (low, high) if high - low > 2 and not any(run.left < low < run.right for run in line) else None


def _split(lines: Sequence[Line], border: float) -> tuple[list[Line], list[Line]]:
    left = [[run for run in line if run.left < border] for line in lines]
    right = [[run for run in line if run.left >= border] for line in lines]
    return list(filter(None, left)), list(filter(None, right))


def _is_prose(lines: Sequence[Line]) -> bool:
    texts = [" ".join(run.text.strip() for run in line).strip() for line in lines]
    if len(texts) < _MIN_LINES or fmean(len(text.split()) for text in texts) < _MIN_WORDS:
        return False
    widths = [line[-1].right - line[0].left for line in lines]
    if sum(width > _FILLED * max(widths) for width in widths) < _MIN_FILLED * len(widths):
        return False
    begins = [text for text in texts[1:] if text[:1].isalpha()]
    cased = [text for text in begins if text[0].upper() != text[0].lower()]
    continued = sum(text[0].islower() for text in cased)
    has_numbers_only = sum(bool(re.fullmatch(r"[\d\s.,%€$()-]+", text)) for text in texts)
    return continued >= _MIN_CONTINUED * len(cased) and has_numbers_only < len(texts) / 4 and bool(begins)


def text_of(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield " ".join(run.text.strip() for run in line)
