"""Reads OpenDocument texts, spreadsheets and presentations (OASIS OpenDocument 1.3, part 3): what they show, with
their notes and comments. A cell has the text that it shows as a paragraph, so that no number format is needed; what some
programs write without one is read from the value.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from lxml.etree import _Element as Element

from documents.errors import Unreadable
from documents.parsing.containers.members import Opened
from documents.parsing.markup import superscripts
from documents.parsing.markup.superscripts import Height
from documents.parsing.parts import Parts, extraction
from documents.parsing.types import DAMAGED, ENCRYPTED, ExtractedBlock, Extraction

from .drawing import chart_lines
from .number_formats import GENERAL, write_number
from .package import Package, local
from .sheets import MAX_CELLS, Sheet, refuse_more, table

_NAME = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
OFFICE, TEXT, TABLE, DRAW, STYLE, FO, PRESENTATION, FORM, META, CHART = (
    "{" + _NAME.format(each) + "}"
    for each in ("office", "text", "table", "drawing", "style", "xsl-fo-compatible", "presentation", "form", "meta", "chart")
)  # fmt: skip
DC = "{http://purl.org/dc/elements/1.1/}"
XLINK = "{http://www.w3.org/1999/xlink}"
_KIND = "application/vnd.oasis.opendocument."
READS = {f"{_KIND}text", f"{_KIND}spreadsheet", f"{_KIND}presentation"}

_PROPERTIES = {
    "title": "title", "subject": "subject", "creator": "author", "initial-creator": "author", "keyword": "keywords",
    "description": "description", "creation-date": "created", "date": "modified", "language": "language",
}  # fmt: skip
_SKIPPED = {"tracked-changes", "forms", "sequence-decls", "variable-decls", "user-field-decls", "page-number",
            "page-count", "bibliography-configuration", "dde-connection-decls", "scripts", "script", "meta"}  # fmt: skip
_MAX_REPEATS = 200  # of equal cells or rows; a sheet ends with a million empty ones
_MAX_DEPTH = 200
_REFERENCE = re.compile(r"\[([^\[\]]*)\]")  # in a formula: [.A1:.B2], [$Costs.A1]
_DURATION = re.compile(r"PT(\d+)H(\d+)M(\d+)(?:[.,]\d+)?S")

Run = tuple[str, Height]


class _Item(ExtractedBlock):
    """An item of a list: no blank line separates it from its neighbours."""


def read(path: Path, opened: Opened) -> Extraction:
    """Return the sections by headings, sheets or slides. Raises Unreadable."""
    with Package(path) as package:
        if b"encryption-data" in (package.bytes_of("META-INF/manifest.xml") or b""):
            raise Unreadable(ENCRYPTED)
        reader = _Document(package)
        found = extraction(
            reader.blocks(),
            reader.parts,
            opened,
            parser="opendocument",
            properties=_properties(package.optional_xml("meta.xml")),
        )
        return replace(found, page_count=reader.slide_count)


def _properties(root: Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in root.iter() if root is not None else ():
        if (name := _PROPERTIES.get(local(each))) and each.text:
            found.setdefault(name, each.text)
        elif each.tag == f"{META}user-defined" and each.text:
            found[each.get(f"{META}name", "").lower()] = each.text
    return found


class _Document:
    def __init__(self, package: Package) -> None:
        root = package.xml("content.xml")
        body = None if root is None else root.find(f"{OFFICE}body")
        if root is None or body is None:
            raise Unreadable(DAMAGED)
        self._package, self._body = package, body
        self._page_styles = package.optional_xml("styles.xml")
        self._styles = _Styles(*filter(None.__ne__, (self._page_styles, root)))
        self._behind: list[tuple[str, Element]] = []  # notes, comments and text boxes of the paragraph
        self.slide_count: int | None = None
        self._cells_left = MAX_CELLS
        self.parts = Parts()

    def blocks(self) -> Iterator[ExtractedBlock]:
        for kind in self._body:
            match local(kind):
                case "text":
                    yield from self._margins("header")
                    self._count_deletions(kind)
                    yield from self._content(kind)
                    yield from self._margins("footer")
                case "spreadsheet":
                    yield from self._sheets(kind)
                case "presentation" | "drawing":
                    yield from self._slides(kind)
            yield from self._forms(kind)

    def _count_deletions(self, body: Element) -> None:
        for _ in body.iter(f"{TEXT}deletion"):
            self.parts.leave_out("deleted passages")

    def _margins(self, which: str) -> Iterator[ExtractedBlock]:
        """Yield the headers or footers of all page styles, each text once."""
        if self._page_styles is None:
            return
        seen: dict[str, None] = {}
        for each in self._page_styles.iter(
            f"{STYLE}{which}", f"{STYLE}{which}-left", f"{STYLE}{which}-first"
        ):
            text = "\n".join(block.text for block in self._content(each))
            if any(map(str.isalnum, text)):
                seen[text] = None
        if seen:
            self.parts.count(f"page {which}s", len(seen))
            yield ExtractedBlock(f"Page {which}: " + "\n".join(seen))

    # --- text ---------------------------------------------------------------------------------

    def _content(self, container: Element, depth: int = 0) -> Iterator[ExtractedBlock]:
        for kind, group in groupby(self._single_blocks(container, depth), type):
            if kind is _Item:
                yield ExtractedBlock("\n".join(item.text for item in group))
            else:
                yield from group

    def _single_blocks(self, container: Element, depth: int) -> Iterator[ExtractedBlock]:
        if depth > _MAX_DEPTH:
            return
        for child in container:
            match local(child):
                case "p":
                    yield from self._paragraph(child, None)
                case "h":
                    yield from self._paragraph(child, int(child.get(f"{TEXT}outline-level", "1")))
                case "list":
                    yield from self._list(child, 0)
                    yield from self._notes()
                case "table" if child.tag == f"{TABLE}table":
                    yield ExtractedBlock("\n".join(self._rows(child)))
                    yield from self._notes()
                case "section" if child.get(f"{TEXT}display") == "none":
                    self.parts.leave_out("hidden passages")
                case "frame" | "custom-shape" | "g" | "rect":
                    yield from (ExtractedBlock(text) for text in self._shape(child) if text)
                    yield from self._notes()
                case "annotation":
                    self._behind.append(("comments", child))
                    yield from self._notes()
                case name if name not in _SKIPPED:
                    yield from self._single_blocks(child, depth + 1)

    def _paragraph(self, element: Element, level: int | None) -> Iterator[ExtractedBlock]:
        text = self._text_of(element)
        if text.strip():
            yield ExtractedBlock(text, level=level)
        yield from self._notes()

    def _list(self, element: Element, depth: int) -> Iterator[ExtractedBlock]:
        for item in element:
            is_first = True
            for child in item:
                if local(child) == "list":
                    yield from self._list(child, depth + 1)
                elif local(child) in ("p", "h") and (text := self._text_of(child)).strip():
                    yield _Item(f"{'  ' * depth}{'-' if is_first else ' '} {text}")
                    is_first = False

    def _notes(self) -> Iterator[ExtractedBlock]:
        """Yield the notes, comments and text boxes that were anchored since the last call."""
        while self._behind:
            behind, self._behind = self._behind, []
            for kind, element in behind:
                self.parts.count(kind)
                if kind == "text boxes":
                    yield from self._content(element)
                elif text := " ".join(block.text for block in self._content(element)).strip():
                    yield ExtractedBlock(f"{_label(kind, element)}: {text}")

    def _text_of(self, paragraph: Element) -> str:
        return superscripts.join(self._runs(paragraph, self._styles.height(paragraph)))

    def _runs(self, element: Element, height: Height) -> Iterator[Run]:
        yield _white(element.text), height
        for child in element:
            yield from self._run(child, height)
            yield _white(child.tail), height

    def _run(self, child: Element, height: Height) -> Iterator[Run]:
        match local(child):
            case "span":
                if self._styles.is_hidden(child):
                    self.parts.leave_out("hidden passages")
                else:
                    yield from self._runs(child, self._styles.height(child) or height)
            case "s":
                yield " " * min(int(child.get(f"{TEXT}c", "1")), 100), height
            case "tab":
                yield "\t", height
            case "line-break":
                yield "\n", height
            case "note":
                kind = f"{child.get(f'{TEXT}note-class', 'footnote')}s"
                self._behind.append((kind, child))
                yield f"[{child.findtext(f'{TEXT}note-citation') or '*'}]", ""
            case "annotation":
                self._behind.append(("comments", child))
            case "ruby":
                base, reading = child.find(f"{TEXT}ruby-base"), child.findtext(f"{TEXT}ruby-text")
                if base is not None:
                    yield from self._runs(base, height)
                yield (f" ({reading})" if reading else ""), height
            case "hidden-text" | "hidden-paragraph":
                self.parts.leave_out("hidden passages")
            case "frame" | "custom-shape" | "g" | "rect":
                yield from ((f" {text} ", "") for text in self._shape(child) if text)
            case name if name not in _SKIPPED:
                yield from self._runs(child, height)

    def _shape(self, shape: Element) -> Iterator[str]:
        """Yield a shape's alternative text and charts. Keep its text for behind the paragraph."""
        texts = list(shape.iter(f"{DRAW}text-box"))
        if not texts and local(shape) in ("custom-shape", "rect"):
            texts = [shape]
        self._behind += [("text boxes", each) for each in texts if any(True for _ in each.iter(f"{TEXT}p"))]
        pictures = [
            each for each in shape.iter(f"{DRAW}image") if each.getparent().find(f"{DRAW}object") is None
        ]
        for _ in pictures:
            self.parts.leave_out("pictures")
        if pictures:
            words = (each.text for each in shape.iter() if local(each) in ("desc", "title"))
            yield from (
                f"[Picture: {' '.join(text.split())}]"
                for text in dict.fromkeys(words)
                if text and text.strip()
            )
        for each in shape.iter(f"{DRAW}object", f"{DRAW}object-ole"):
            yield from self._object(each)

    def _object(self, element: Element) -> Iterator[str]:
        name = element.get(f"{XLINK}href", "").removeprefix("./")
        root = self._package.optional_xml(f"{name}/content.xml") if name else None
        formula = element.find("{http://www.w3.org/1998/Math/MathML}math")
        if formula is None and root is not None and local(root) == "math":
            formula = root
        if formula is not None:
            yield " ".join("".join(t for t in formula.itertext() if t.strip()).split())
        elif root is not None and (chart := next(root.iter(f"{CHART}chart"), None)) is not None:
            self.parts.count("charts")
            yield self._chart(chart)
        else:
            self.parts.embed(self._package.embedded(name, name or "an object"))

    def _chart(self, chart: Element) -> str:
        titles = [" ".join("".join(each.itertext()).split()) for each in chart.iter(f"{CHART}title")]
        rows = [[" ".join("".join(cell.itertext()).split()) for cell in row.iter(f"{TABLE}table-cell")]
                for row in chart.iter(f"{TABLE}table-row")]  # fmt: skip
        return chart_lines(titles, rows)

    # --- tables -------------------------------------------------------------------------------

    def _rows(self, element: Element) -> Iterator[str]:
        sheet = self._sheet(element)
        yield table(sheet, self.parts)

    def _sheet(self, element: Element) -> Sheet:
        sheet = Sheet(element.get(f"{TABLE}name", ""))
        hidden_rows: set[int] = set()
        sheet.hidden_columns = set(self._hidden_columns(element))
        number = 0
        for row in element.iter(f"{TABLE}table-row"):
            if next(row.iterancestors(f"{TABLE}table")) is not element:
                continue  # of a table in a cell
            cells, spans = self._cells(row)
            repeats = int(row.get(f"{TABLE}number-rows-repeated", "1"))
            for _ in range(min(repeats, _MAX_REPEATS) if cells else 0):
                number += 1
                repeats -= 1
                sheet.rows[number] = dict(cells)
                sheet.merged += [(number, column, number + rows - 1) for column, rows in spans]
                self._cells_left -= len(cells)
                refuse_more(self._cells_left)
                if row.get(f"{TABLE}visibility") == "collapse":
                    hidden_rows.add(number)
            number += repeats
        sheet.hidden_rows = hidden_rows
        return sheet

    def _cells(self, row: Element) -> tuple[dict[int, str], list[tuple[int, int]]]:
        """Return the texts of a row by column, and the columns of cells that are merged over rows."""
        cells: dict[int, str] = {}
        spans: list[tuple[int, int]] = []
        column = 0
        for cell in row.iter(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            if next(cell.iterancestors(f"{TABLE}table-row")) is not row:
                continue
            text = self._cell(cell) if len(cell) else ""
            text = text or _value(cell) or self._formula(cell)
            repeats = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
            if text and local(cell) == "table-cell":
                cells |= {column + n: text for n in range(1, min(repeats, _MAX_REPEATS) + 1)}
                if (rows := int(cell.get(f"{TABLE}number-rows-spanned", "1"))) > 1:
                    spans.append((column + 1, rows))
            column += repeats
        return cells, spans

    def _cell(self, cell: Element) -> str:
        behind, self._behind = self._behind, []
        lines = []
        for child in cell:
            match local(child):
                case "annotation":
                    behind.append(("comments", child))
                case "p" | "h":
                    lines.append(self._text_of(child))
                case "list":
                    lines += [item.text for item in self._list(child, 0)]
                case "table":
                    lines += [text.replace("|", ",") for text in self._rows(child)]
                case "frame" | "custom-shape":
                    lines += self._shape(child)
        self._behind = behind + self._behind
        return "\n".join(lines)

    def _formula(self, cell: Element) -> str:
        """Return a formula whose result is not stored, as Excel writes it: =SUM(A1:A2) for of:=SUM([.A1:.A2])."""
        formula = cell.get(f"{TABLE}formula", "")
        if not formula:
            return ""
        self.parts.warn(
            "Formulas without a stored result were read as formulas. Open the file in its program, save it, and add it again."
        )
        return _REFERENCE.sub(_reference, formula[formula.find("=") :])

    def _hidden_columns(self, element: Element) -> Iterator[int]:
        at = 1
        for column in element.iter(f"{TABLE}table-column"):
            repeats = int(column.get(f"{TABLE}number-columns-repeated", "1"))
            if column.get(f"{TABLE}visibility") == "collapse":
                yield from range(at, at + min(repeats, 16_384))
            at += repeats

    def _sheets(self, body: Element) -> Iterator[ExtractedBlock]:
        for element in body.iterfind(f"{TABLE}table"):
            name = element.get(f"{TABLE}name", "")
            if self._styles.is_undisplayed(element):
                self.parts.leave_out("hidden sheets", name)
                continue
            self.parts.count("sheets")
            texts = [table(self._sheet(element), self.parts)]
            for shapes in element.iterfind(f"{TABLE}shapes"):
                texts += [text for shape in shapes for text in self._shape(shape)]
            texts += [block.text for block in self._notes()]
            if text := "\n\n".join(filter(None, texts)):
                yield ExtractedBlock(name, level=1)
                yield ExtractedBlock(text)

    # --- slides -------------------------------------------------------------------------------

    def _slides(self, body: Element) -> Iterator[ExtractedBlock]:
        pages = list(body.iterfind(f"{DRAW}page"))
        self.slide_count = len(pages)
        for number, page in enumerate(pages, 1):
            if self._styles.is_hidden_slide(page):
                self.parts.leave_out("hidden slides", str(number))
            else:
                yield from self._slide(page, number)

    def _slide(self, page: Element, number: int) -> Iterator[ExtractedBlock]:
        shapes = sorted(page, key=_rank)  # a stable sort keeps the drawing order
        for shape in shapes:
            text = "\n".join(filter(None, self._slide_texts(shape)))
            if text.strip() and _rank(shape) == 2:
                self.parts.count("speaker notes")
                text = f"Speaker notes: {text}"
            if text.strip():
                yield ExtractedBlock(text, level=1 if _rank(shape) == 0 else None, page=number)

    def _slide_texts(self, shape: Element) -> Iterator[str]:
        """Yield the texts of a shape: lists and text boxes, tables, charts, and comments."""
        match local(shape):
            case "annotation":
                self._behind.append(("comments", shape))
            case "notes" | "g":
                for child in shape:
                    yield from self._slide_texts(child)
            case "page-thumbnail" | "forms":
                return
            case _:
                for each in shape.iter(f"{TABLE}table"):
                    yield from self._rows(each)
                yield from self._shape(shape)
        for kind, element in self._take_behind():
            if kind == "text boxes":
                yield "\n".join(block.text for block in self._content(element))
            else:
                self.parts.count(kind)
                yield f"{_label(kind, element)}: " + " ".join(block.text for block in self._content(element))

    def _take_behind(self) -> list[tuple[str, Element]]:
        behind, self._behind = self._behind, []
        return behind

    # --- forms --------------------------------------------------------------------------------

    def _forms(self, body: Element) -> Iterator[ExtractedBlock]:
        """Yield the values of form controls."""
        lines = [
            line for form in body.iter(f"{OFFICE}forms") for each in form.iter() if (line := _form_line(each))
        ]
        if lines:
            self.parts.count("form fields", len(lines))
            yield ExtractedBlock("Form fields:\n" + "\n".join(lines))


class _Styles:
    """The automatic and named styles, by their names."""

    def __init__(self, *roots: Element) -> None:
        self._elements = {
            each.get(f"{STYLE}name", ""): each for root in roots for each in root.iter(f"{STYLE}style")
        }

    def _properties(self, element: Element, kind: str) -> Element | None:
        name = next((value for key, value in element.attrib.items() if key.endswith("}style-name")), "")
        style = self._elements.get(str(name))
        return None if style is None else style.find(f"{STYLE}{kind}-properties")

    def height(self, element: Element) -> Height:
        found = self._properties(element, "text")
        position = "" if found is None else found.get(f"{STYLE}text-position", "")
        first = position.partition(" ")[0]
        if first == "sub" or re.match(r"-[1-9]", first):
            return "sub"
        return "super" if first == "super" or re.match(r"[1-9]", first) else ""

    def is_hidden(self, element: Element) -> bool:
        found = self._properties(element, "text")
        return found is not None and found.get(f"{TEXT}display") == "none"

    def is_undisplayed(self, sheet: Element) -> bool:
        found = self._properties(sheet, "table")
        return found is not None and found.get(f"{TABLE}display") == "false"

    def is_hidden_slide(self, page: Element) -> bool:
        found = self._properties(page, "drawing-page")
        return found is not None and found.get(f"{PRESENTATION}visibility") == "hidden"


def _value(cell: Element) -> str:
    """Return the value of a cell that has no paragraph to show (OpenDocument 1.3, part 3, 19.385), "" if it has none."""
    kind = cell.get(f"{OFFICE}value-type", "")
    written: str = cell.get(f"{OFFICE}{kind}-value", "")
    match kind:
        case "percentage":
            return f"{_number(cell, 100)}%" if _number(cell) else ""
        case "currency":
            return f"{_number(cell)} {cell.get(f'{OFFICE}currency', '')}".strip()
        case "time":
            return _DURATION.sub(r"\1:\2:\3", written)
        case "date":
            return written.removesuffix("T00:00:00")
        case "boolean":
            return written.upper()
        case "string":
            return written
        case _:
            return _number(cell)


def _reference(found: re.Match[str]) -> str:
    return found[1].removeprefix(".").replace(":.", ":").replace("$", "")


def _number(cell: Element, times: int = 1) -> str:
    value: str = cell.get(f"{OFFICE}value", "")
    try:
        return write_number(float(value) * times, GENERAL)
    except (ValueError, ArithmeticError):
        return value


def _white(text: str | None) -> str:
    """Return the text with each run of white space as one space, as OpenDocument defines it."""
    return re.sub(r"[ \t\r\n]+", " ", text or "")


def _label(kind: str, element: Element) -> str:
    if kind == "comments":
        author = element.findtext(f"{DC}creator")
        return f"Comment by {author}" if author else "Comment"
    return f"{kind.removesuffix('s').capitalize()} {element.findtext(f'{TEXT}note-citation') or ''}".strip()


def _rank(shape: Element) -> int:
    """Return 0 for a slide's title, which comes first, and 2 for its notes, which come last."""
    if local(shape) == "notes":
        return 2
    return 0 if shape.get(f"{PRESENTATION}class") == "title" else 1


def _form_line(element: Element) -> str:
    label = element.get(f"{FORM}label") or element.get(f"{FORM}name") or ""
    match local(element):
        case "checkbox" | "radio":
            state = element.get(f"{FORM}current-state") or element.get(f"{FORM}current-selected") or ""
            return f"{label}: {'yes' if state in ('checked', 'true') else 'no'}"
        case "text" | "textarea" | "combobox" | "number" | "date" | "formatted-text":
            value = element.get(f"{FORM}current-value") or element.get(f"{FORM}value") or ""
            return f"{label}: {value}" if value else ""
        case "listbox":
            chosen = [
                each.get(f"{FORM}label", "")
                for each in element
                if each.get(f"{FORM}current-selected") == "true"
            ]
            return f"{label}: {', '.join(chosen)}" if chosen else ""
        case _:
            return ""
