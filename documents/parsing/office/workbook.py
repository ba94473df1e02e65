"""Reads Excel workbooks (ECMA-376, part 1, section 18): the cells as Excel shows them, and their comments.

Libraries give the numbers of cells, not what their number formats show: 0.075 for 7.5%. And they keep all cells
of a workbook in memory as objects; here a sheet is read row by row.
"""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lxml import etree
from lxml.etree import _Element as Element

from documents.errors import Unreadable
from documents.parsing.containers.members import Opened
from documents.parsing.markup import superscripts
from documents.parsing.markup.superscripts import Height
from documents.parsing.parts import Parts, extraction
from documents.parsing.types import DAMAGED, ExtractedBlock, Extraction

from . import drawing
from .number_formats import BUILT_IN, GENERAL, write_number, write_text
from .package import Package, R, local, refuse_entities
from .sheets import MAX_CELLS, Area, Sheet, refuse_more, table

READS = {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})", re.IGNORECASE)
_MARGIN_CODES = re.compile(r'&(?:"[^"]*"|K[0-9A-F]{6}|\d{1,3}|[PNDTZFAGSXYBIUEOH+-])', re.IGNORECASE)
_MARGIN_PARTS = re.compile(r"&[LCR]")
_THREAD_NOTICE = "[Threaded comment]"  # begins the copy of a comment for old versions of Excel
_HEIGHTS: dict[str, Height] = {"superscript": "super", "subscript": "sub"}


def read(path: Path, opened: Opened) -> Extraction:
    """Return a section for each visible sheet. Raises Unreadable."""
    with Package(path) as package:
        name = package.part_of_kind("officeDocument") or "xl/workbook.xml"
        workbook = package.xml(name)
        if workbook is None:
            raise Unreadable(DAMAGED)
        reader = _Workbook(package, name, workbook)
        return extraction(
            reader.blocks(), reader.parts, opened, parser="ooxml", properties=package.properties()
        )


class _Workbook:
    def __init__(self, package: Package, name: str, root: Element) -> None:
        self._package, self._root = package, root
        self._related = package.relationships(name)
        self._strings = _shared_strings(self._part("sharedStrings"))
        self._formats = _formats(self._part("styles"))
        properties = root.find(f"{S}workbookPr")
        self._from_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self._people = _people(self._part("person"))
        self._cells_left = MAX_CELLS
        self.parts = Parts()

    def _part(self, kind: str) -> Element | None:
        target = next((target for each, target in self._related.values() if each == kind), None)
        return self._package.optional_xml(target) if target else None

    def blocks(self) -> Iterator[ExtractedBlock]:
        for entry in self._root.iter(f"{S}sheet"):
            name = entry.get("name", "")
            _, target = self._related.get(entry.get(f"{R}id", ""), ("", ""))
            if entry.get("state", "visible") != "visible":
                self.parts.leave_out("hidden sheets", name)
            elif target:
                self.parts.count("sheets")
                sheet = self._sheet(name, target)
                text = "\n\n".join(filter(None, (table(sheet, self.parts), *sheet.remarks)))
                if text:
                    yield ExtractedBlock(name, level=1)
                    yield ExtractedBlock(text)

    def _sheet(self, name: str, target: str) -> Sheet:
        sheet = Sheet(name)
        data = self._package.bytes_of(target)
        if data is None:
            self.parts.leave_out("damaged sheets", name)
            return sheet
        _SheetReader(self, sheet).read(data)
        related = self._package.relationships(target)
        sheet.remarks += _comments(self._package, related, self._people, self.parts)
        for kind, part in related.values():
            if kind == "drawing":
                sheet.remarks += self._drawing(part)
            elif kind in ("oleObject", "package"):
                self.parts.embed(self._package.embedded(part, part.rpartition("/")[2]))
        return sheet

    def _drawing(self, target: str) -> Iterator[str]:
        root = self._package.optional_xml(target)
        if root is None:
            return
        related = self._package.relationships(target)
        yield from drawing.chart_texts(root, self._package, related, self.parts)
        for body in (each for each in root.iter() if local(each) == "txBody"):
            if text := drawing.words_of(body):
                self.parts.count("text boxes")
                yield text
        yield from (text.strip() for text in drawing.picture_texts(root, self.parts))

    # --- cells --------------------------------------------------------------------------------

    def text_of(self, cell: Element) -> str:
        """Return what Excel shows in a cell."""
        kind = cell.get("t", "n")
        content: str | None = cell.findtext(f"{S}v")
        code = self._formats.get(cell.get("s", "0"), GENERAL)
        if kind == "inlineStr":
            found = cell.find(f"{S}is")
            return write_text(_rich_text(found) if found is not None else "", code)
        if content is None:
            return self._formula(cell)
        match kind:
            case "s":
                at = int(content) if content.strip().isdigit() else -1
                return write_text(self._strings[at], code) if 0 <= at < len(self._strings) else ""
            case "n":
                return self._number(content, code)
            case "b":
                return "TRUE" if content.strip() == "1" else "FALSE"
            case "d":
                return content.removesuffix("T00:00:00")
            case _:
                return write_text(content, code)

    def _number(self, content: str, code: str) -> str:
        try:
            number = float(content)
            return write_number(number, code, from_1904=self._from_1904)
        except (ValueError, ArithmeticError):
            return content

    def _formula(self, cell: Element) -> str:
        """Return a formula whose result is not stored: a program wrote the file, and Excel never opened it."""
        formula = cell.findtext(f"{S}f")
        if not formula:
            return ""
        self.parts.warn(
            "Formulas without a stored result were read as formulas. Open the file in Excel, save it, and add it again."
        )
        return f"={formula}"

    def count_cell(self) -> None:
        self._cells_left -= 1
        refuse_more(self._cells_left)


class _SheetReader:
    """Reads one sheet's XML, row by row."""

    def __init__(self, workbook: _Workbook, sheet: Sheet) -> None:
        self._workbook, self._sheet = workbook, sheet
        self._hidden_rows: set[int] = set()
        self._hidden_columns: set[int] = set()
        self._is_filtered = False
        self._last_row = 0

    def read(self, data: bytes) -> None:
        wanted = ("row", "col", "mergeCell", "filterColumn", "headerFooter")
        data = Package.transitional(data)
        refuse_entities(data)
        try:
            for _, element in etree.iterparse(
                io.BytesIO(data),
                tag=[f"{S}{name}" for name in wanted],
                resolve_entities=False,
                no_network=True,
            ):
                self._take(element)
        except etree.XMLSyntaxError as error:
            raise Unreadable(DAMAGED) from error
        sheet = self._sheet
        if self._is_filtered and self._hidden_rows:
            self._workbook.parts.count("rows behind a filter", len(self._hidden_rows))
        else:
            sheet.hidden_rows = self._hidden_rows
        sheet.hidden_columns = self._hidden_columns

    def _take(self, element: Element) -> None:
        match local(element):
            case "row":
                self._row(element)
                element.clear()
                while element.getprevious() is not None:  # the rows before: the tree must not grow
                    del element.getparent()[0]
            case "col" if _is_on(element, "hidden"):
                first, last = int(element.get("min", "1")), int(element.get("max", "1"))
                self._hidden_columns |= set(range(first, min(last, 16_384) + 1))
            case "mergeCell":
                if area := _area(element.get("ref", "")):
                    self._sheet.merged.append(area)
            case "filterColumn":
                self._is_filtered = True
            case "headerFooter":
                self._sheet.remarks += self._margins(element)

    def _row(self, row: Element) -> None:
        number = self._last_row = int(row.get("r") or self._last_row + 1)
        if _is_on(row, "hidden"):
            self._hidden_rows.add(number)
        cells = self._sheet.rows.setdefault(number, {})
        column = 0
        for cell in row.iter(f"{S}c"):
            place = _REFERENCE.fullmatch(cell.get("r", ""))
            column = _column(place[1]) if place else column + 1
            self._workbook.count_cell()
            if text := self._workbook.text_of(cell).strip():
                cells[column] = text

    def _margins(self, element: Element) -> Iterator[str]:
        for which in ("Header", "Footer"):
            texts = (each.text or "" for each in element if local(each).endswith(which))
            words = dict.fromkeys(filter(None, map(_margin_words, texts)))
            if words:
                self._workbook.parts.count(f"page {which.lower()}s", len(words))
                yield f"Page {which.lower()}: " + "\n".join(words)


def _margin_words(text: str) -> str:
    """Return the words of a header or footer without its codes, such as &P for the page number."""
    parts = (_MARGIN_CODES.sub("", part).replace("&&", "&").strip() for part in _MARGIN_PARTS.split(text))
    words = " ".join(filter(None, parts))
    return words if any(map(str.isalpha, words)) else ""


# --- parts of a workbook ------------------------------------------------------------------------


def _shared_strings(root: Element | None) -> list[str]:
    return [] if root is None else [_rich_text(each) for each in root.iter(f"{S}si")]


def _rich_text(element: Element) -> str:
    """Return the text of its runs, without the phonetic reading of Japanese."""
    return superscripts.join(_runs(element))


def _runs(element: Element) -> Iterator[tuple[str, Height]]:
    for child in element:
        if child.tag == f"{S}t":
            yield child.text or "", ""
        elif child.tag == f"{S}r":
            align = child.find(f"{S}rPr/{S}vertAlign")
            yield (
                child.findtext(f"{S}t") or "",
                _HEIGHTS.get(align.get("val", ""), "") if align is not None else "",
            )


def _formats(root: Element | None) -> dict[str, str]:
    """Return the number format code of each cell style."""
    if root is None:
        return {}
    own = {each.get("numFmtId", ""): each.get("formatCode", "") for each in root.iter(f"{S}numFmt")}
    styles = root.find(f"{S}cellXfs")
    keys = [each.get("numFmtId", "0") for each in styles] if styles is not None else []
    return {
        str(at): own.get(key) or BUILT_IN.get(int(key) if key.isdigit() else 0, GENERAL)
        for at, key in enumerate(keys)
    }


def _people(root: Element | None) -> dict[str, str]:
    return {} if root is None else {each.get("id", ""): each.get("displayName", "") for each in root}


def _comments(
    package: Package, related: dict[str, tuple[str, str]], people: dict[str, str], parts: Parts
) -> Iterator[str]:
    for kind, target in related.values():
        root = package.optional_xml(target) if kind in ("comments", "threadedComment") else None
        if root is None:
            continue
        authors = [each.text or "" for each in root.iter(f"{S}author")]
        for comment in root.iter():
            if local(comment) not in ("comment", "threadedComment"):
                continue
            text = "".join(each.text or "" for each in comment.iter() if local(each) in ("t", "text")).strip()
            if text and not text.startswith(_THREAD_NOTICE):
                key = comment.get("authorId", "")
                author = people.get(comment.get("personId", "")) or (
                    authors[int(key)] if key.isdigit() and int(key) < len(authors) else ""
                )
                parts.count("comments")
                yield f"Comment on {comment.get('ref', '')}{f' by {author}' if author else ''}: {text}"


def _is_on(element: Element, name: str) -> bool:
    return element.get(name) in ("1", "true", "on")


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _area(reference: str) -> Area | None:
    ends: Iterable[re.Match[str] | None] = (_REFERENCE.fullmatch(end) for end in reference.split(":"))
    places = [(int(end[2]), _column(end[1])) for end in ends if end]
    return (*places[0], places[1][0]) if len(places) == 2 else None
