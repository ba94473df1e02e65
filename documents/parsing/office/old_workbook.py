"""Reads workbooks of Excel 97 to 2003 ([MS-XLS]) with xlrd: the cells as Excel shows them, without hidden sheets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlrd

from documents.errors import Unreadable
from documents.parsing.containers.members import Opened
from documents.parsing.parts import Parts, extraction
from documents.parsing.types import DAMAGED, ENCRYPTED, ExtractedBlock, Extraction

from .number_formats import GENERAL, write_number, write_text
from .sheets import Sheet, table

READS = {"application/vnd.ms-excel"}
_GAPS = (
    "Text boxes, charts and embedded files of old workbooks are not read. Save it as .xlsx to have them read."
)


def read(path: Path, opened: Opened) -> Extraction:
    """Return a section for each visible sheet. Raises Unreadable."""
    try:
        with xlrd.open_workbook(str(path), formatting_info=True, on_demand=True, logfile=_Silent()) as book:
            parts = Parts()
            parts.warn(_GAPS)
            properties = {"author": book.user_name} if book.user_name else {}
            return extraction(list(_blocks(book, parts)), parts, opened, parser="xlrd", properties=properties)
    except xlrd.XLRDError as error:
        raise Unreadable(ENCRYPTED if "encrypt" in str(error).lower() else DAMAGED) from error


class _Silent:
    """A file for messages of xlrd, which would print them."""

    def write(self, text: str) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


def _blocks(book: Any, parts: Parts) -> Iterator[ExtractedBlock]:
    for number in range(book.nsheets):
        sheet = book.sheet_by_index(number)
        if sheet.visibility:
            parts.leave_out("hidden sheets", sheet.name)
            continue
        parts.count("sheets")
        text = "\n\n".join(filter(None, (table(_sheet(book, sheet), parts), *_comments(sheet, parts))))
        if text:
            yield ExtractedBlock(sheet.name, level=1)
            yield ExtractedBlock(text)


def _sheet(book: Any, sheet: Any) -> Sheet:
    found = Sheet(sheet.name)
    for row in range(sheet.nrows):
        texts = ((column + 1, _text_of(book, cell)) for column, cell in enumerate(sheet.row(row)))
        found.rows[row + 1] = {column: text for column, text in texts if text.strip()}
    found.hidden_rows = {row + 1 for row, info in sheet.rowinfo_map.items() if info.hidden}
    found.hidden_columns = {column + 1 for column, info in sheet.colinfo_map.items() if info.hidden}
    found.merged = [(top + 1, left + 1, bottom) for top, bottom, left, _ in sheet.merged_cells]
    return found


def _text_of(book: Any, cell: Any) -> str:
    style = book.xf_list[cell.xf_index] if cell.xf_index is not None else None
    format_of_style = book.format_map.get(style.format_key) if style else None
    code = format_of_style.format_str if format_of_style else GENERAL
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return write_text(cell.value, code)
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            return write_number(cell.value, code, from_1904=book.datemode == 1)
        case xlrd.XL_CELL_BOOLEAN:
            return "TRUE" if cell.value else "FALSE"
        case xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, ""))
        case _:
            return ""


def _comments(sheet: Any, parts: Parts) -> Iterator[str]:
    for (row, column), note in sorted(sheet.cell_note_map.items()):
        parts.count("comments")
        place = xlrd.cellname(row, column)
        author = f" by {note.author}" if note.author else ""
        yield f"Comment on {place}{author}: {note.text.strip()}"
