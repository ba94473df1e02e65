"""Lays out the cells of a spreadsheet as rows of a table. Shared by the formats of spreadsheets."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from documents.parsing.parts import Parts

MAX_MERGED_ROWS = 1000  # a merged cell repeats its text in at most so many rows
_MAX_COLUMNS = 16_384  # of Excel, and of LibreOffice since 7.4

Merged = dict[tuple[int, int], tuple[int, int]]  # a covered cell -> the cell that has its text


@dataclass(slots=True)
class Sheet:
    name: str
    rows: dict[int, dict[int, str]] = field(
        default_factory=dict
    )  # row and column, from 1 -> text; no empty texts
    hidden_rows: Collection[int] = ()
    hidden_columns: Collection[int] = ()
    merged: Merged = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)  # comments, headers, text boxes


def table(sheet: Sheet, parts: Parts) -> str:
    """Return the rows of a sheet as lines with bars; a blank line stands for rows without text."""
    return "\n".join(_lines(sheet, parts))


def _lines(sheet: Sheet, parts: Parts) -> Iterator[str]:
    _repeat_merged(sheet)
    for kind, hidden in (("hidden rows", sheet.hidden_rows), ("hidden columns", sheet.hidden_columns)):
        held = _held(sheet, hidden, is_row=kind == "hidden rows")
        for each in held:
            parts.leave_out(kind, f"{sheet.name} {each}")
    hidden = set(sheet.hidden_columns)
    rows = {number: row for number, row in sheet.rows.items() if number not in set(sheet.hidden_rows) and row}
    columns = sorted({column for row in rows.values() for column in row} - hidden)
    first, last_row = (columns[0] if columns else 1), None
    for number in sorted(rows):
        row = rows[number]
        filled = [column for column in row if column not in hidden]
        if not filled:
            continue
        if last_row is not None and number > last_row + 1:
            yield ""
        last_row = number
        shown = (
            column for column in range(first, min(max(filled), _MAX_COLUMNS) + 1) if column not in hidden
        )
        yield f"| {' | '.join(_cell(row.get(column, '')) for column in shown)} |"


def _repeat_merged(sheet: Sheet) -> None:
    """Give each row of a cell that is merged over several rows its text, because rows are read alone."""
    for (row, column), (top, left) in sheet.merged.items():
        if column == left and (text := sheet.rows.get(top, {}).get(left)):
            sheet.rows.setdefault(row, {}).setdefault(column, text)


def _held(sheet: Sheet, hidden: Collection[int], *, is_row: bool) -> list[str]:
    """Return the names of the hidden rows or columns that hold text."""
    if is_row:
        return [str(number) for number in sorted(hidden) if sheet.rows.get(number)]
    used = {column for row in sheet.rows.values() for column in row}
    return [column_name(number) for number in sorted(set(hidden) & used)]


def column_name(number: int) -> str:
    """Return the letters of a column, counted from 1: A, Z, AA."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def merged_cells(areas: Iterable[tuple[int, int, int, int]]) -> Merged:
    """Return the covered cells of areas, each its first row, first column, last row and last column."""
    covered = {}
    for top, left, bottom, _ in areas:
        for row in range(top + 1, min(bottom, top + MAX_MERGED_ROWS) + 1):
            covered[row, left] = top, left
    return covered
