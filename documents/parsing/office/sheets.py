"""Lays out the cells of a spreadsheet as rows of a table. Shared by the formats of spreadsheets."""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from documents.errors import Unreadable
from documents.parsing.outline import within_limit
from documents.parsing.parts import Parts

MAX_CELLS = 5_000_000  # with text
_MAX_MERGED_ROWS = 1000  # a merged cell repeats its text in at most so many rows
_MAX_EMPTY_COLUMNS = 20  # a wider gap between cells becomes one empty cell

Area = tuple[int, int, int]  # of a merged cell: its first row, its first column and its last row, from 1


@dataclass(slots=True)
class Sheet:
    name: str
    rows: dict[int, dict[int, str]] = field(
        default_factory=dict
    )  # row and column, from 1 -> text; no empty texts
    hidden_rows: Collection[int] = ()
    hidden_columns: Collection[int] = ()
    merged: list[Area] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # comments, headers, text boxes


def table(sheet: Sheet, parts: Parts) -> str:
    """Return the rows of a sheet as lines with bars; a blank line stands for rows without text. Raises Unreadable."""
    _repeat_merged(sheet)
    for kind, held in (("hidden rows", _held_rows(sheet)), ("hidden columns", _held_columns(sheet))):
        for each in held:
            parts.leave_out(kind, f"{sheet.name} {each}")
    return "\n".join(within_limit(_lines(sheet)))


def _lines(sheet: Sheet) -> Iterator[str]:
    hidden_rows, hidden_columns = set(sheet.hidden_rows), set(sheet.hidden_columns)
    shown = {
        number: cells
        for number, row in sheet.rows.items()
        if number not in hidden_rows
        and (cells := {column: text for column, text in row.items() if column not in hidden_columns})
    }
    columns = list(_columns({column for row in shown.values() for column in row}, hidden_columns))
    last_row = None
    for number in sorted(shown):
        if last_row is not None and number > last_row + 1:
            yield ""
        last_row, row = number, shown[number]
        width = bisect_right(columns, max(row))
        yield f"| {' | '.join(_cell(row.get(column, '')) for column in columns[:width])} |"


def _columns(used: Collection[int], hidden: Collection[int]) -> Iterator[int]:
    """Yield the columns to show, in order: those with text, and the empty ones between them."""
    next_column = min(used, default=1)
    for column in sorted(used):
        between = (each for each in range(next_column, column) if each not in hidden)
        empty = list(islice(between, _MAX_EMPTY_COLUMNS + 1))  # a gap may be a billion columns wide
        yield from empty if len(empty) <= _MAX_EMPTY_COLUMNS else empty[:1]
        yield column
        next_column = column + 1


def _repeat_merged(sheet: Sheet) -> None:
    """Give each row of a cell that is merged over several rows its text, because rows are read alone."""
    left = MAX_CELLS
    for top, column, bottom in sheet.merged:
        if text := sheet.rows.get(top, {}).get(column):
            rows = range(top + 1, min(bottom, top + _MAX_MERGED_ROWS) + 1)
            left -= len(rows)
            refuse_more(left)
            for row in rows:
                sheet.rows.setdefault(row, {}).setdefault(column, text)


def refuse_more(cells_left: int) -> None:
    """Raise Unreadable once a workbook has more cells than are read."""
    if cells_left < 0:
        raise Unreadable(f"The workbook has more than {MAX_CELLS:,} cells. Split it and add the parts.")


def _held_rows(sheet: Sheet) -> list[str]:
    """Return the names of the hidden rows that hold text."""
    return [str(number) for number in sorted(sheet.hidden_rows) if sheet.rows.get(number)]


def _held_columns(sheet: Sheet) -> list[str]:
    """Return the names of the hidden columns that hold text."""
    hidden = set(sheet.hidden_columns)
    return [column_name(each) for each in sorted({c for row in sheet.rows.values() for c in row} & hidden)]


def column_name(number: int) -> str:
    """Return the letters of a column, counted from 1: A, Z, AA."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
