"""Reads Word documents (ECMA-376, part 1, section 17): the text that a reader of the printed document sees, and
its comments. Deleted and hidden text is no text of the document: it is counted and left out.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from lxml.etree import _Element as Element

from documents.errors import Unreadable
from documents.parsing.containers.members import Opened
from documents.parsing.markup import superscripts
from documents.parsing.markup.superscripts import Height
from documents.parsing.parts import Parts, extraction
from documents.parsing.types import DAMAGED, ExtractedBlock, Extraction

from . import drawing, equations
from .numbering import Numbering
from .package import Package, R, local
from .symbols import symbol
from .word_styles import Styles, W, flag, number, value

READS = {"application/vnd.openxmlformats-officedocument.wordprocessingml.document"}

_NOT_SHOWN = {
    "del",
    "moveFrom",
    "delText",
    "delInstrText",
    "rPr",
    "pPr",
    "sectPr",
    "sdtPr",
    "fldData",
}
_PAGE_FIELDS = {"PAGE", "NUMPAGES", "SECTIONPAGES", "SECTION"}
_MAX_COLUMNS = 63  # of a table in Word
_PLAIN = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "pgNum": ""}
_NOTE_KINDS = {
    "footnoteReference": "footnotes",
    "endnoteReference": "endnotes",
    "commentReference": "comments",
}
_NOTE_NAMES = {"footnotes": "Footnote", "endnotes": "Endnote", "comments": "Comment"}
_HEIGHTS: dict[str, Height] = {"superscript": "super", "subscript": "sub"}

Run = tuple[str, Height]


class _Item(ExtractedBlock):
    """An item of a list: no blank line separates it from its neighbours."""


class _Note(NamedTuple):
    kind: str  # "footnotes", "endnotes" or "comments"
    key: str


def read(path: Path, opened: Opened) -> Extraction:
    """Return the sections by headings. Raises Unreadable."""
    with Package(path) as package:
        name = package.part_of_kind("officeDocument") or "word/document.xml"
        if package.bytes_of(name) is None:
            raise Unreadable(DAMAGED)
        reader = _Document(package, name)
        return extraction(
            reader.blocks(), reader.parts, opened, parser="ooxml", properties=package.properties()
        )


class _Document:
    def __init__(self, package: Package, name: str) -> None:
        self._package, self._name = package, name
        self._related = package.relationships(name)
        self._styles = Styles(self._part("styles"))
        self._numbering = Numbering(self._part("numbering"))
        self._notes = {kind: self._notes_of(kind) for kind in _NOTE_NAMES}
        self._fields: list[Literal["code", "result"]] = []  # the fields that are open, the innermost last
        self._codes: list[str] = []  # the instructions of these fields
        self._pending: list[_Note] = []  # notes that the paragraph refers to
        self._boxes: list[Element] = []  # text boxes that are anchored in the paragraph
        self.parts = Parts()

    def _part(self, kind: str) -> Element | None:
        target = next((target for each, target in self._related.values() if each == kind), None)
        return self._package.optional_xml(target) if target else None

    def _notes_of(self, kind: str) -> dict[str, Element]:
        root = self._part(kind)
        notes = {} if root is None else {each.get(f"{W}id", ""): each for each in root}
        return {key: each for key, each in notes.items() if each.get(f"{W}type") in (None, "normal")}

    # --- the document -------------------------------------------------------------------------

    def blocks(self) -> Iterator[ExtractedBlock]:
        root = self._package.xml(self._name)
        body = None if root is None else root.find(f"{W}body")
        if body is None:
            raise Unreadable(DAMAGED)
        yield from self._margins(body, "header")
        yield from self._content(body)
        yield from self._margins(body, "footer")
        yield from self._unanchored_comments()

    def _margins(self, body: Element, which: Literal["header", "footer"]) -> Iterator[ExtractedBlock]:
        """Yield the headers or footers of all pages, each text once."""
        seen: dict[str, None] = {}
        for reference in body.iter(f"{W}{which}Reference"):
            _, target = self._related.get(reference.get(f"{R}id", ""), ("", ""))
            root = self._package.optional_xml(target) if target else None
            if root is not None:
                with self._within(target):
                    seen |= dict.fromkeys(
                        block.text for block in self._content(root) if _has_words(block.text)
                    )
        if seen:
            self.parts.count(f"page {which}s", len(seen))
            yield ExtractedBlock(f"Page {which}: " + "\n".join(seen))

    def _within(self, target: str) -> "_Within":
        return _Within(self, target)

    def _unanchored_comments(self) -> Iterator[ExtractedBlock]:
        """Yield the comments that no paragraph refers to, such as replies in some programs."""
        for key in list(self._notes["comments"]):
            yield from self._note(_Note("comments", key))

    def _content(self, container: Element) -> Iterator[ExtractedBlock]:
        """Yield the paragraphs, lists and tables of a container, with their notes and text boxes behind them."""
        for kind, group in groupby(self._single_blocks(container), type):
            if kind is _Item:
                yield ExtractedBlock("\n".join(item.text for item in group))
            else:
                yield from group

    def _single_blocks(self, container: Element) -> Iterator[ExtractedBlock]:
        carried: list[Run] = []  # of a paragraph whose end was deleted: it continues in the next one
        for element in _block_elements(container):
            if element.tag == f"{W}p":
                runs = carried + self._runs(element)
                carried = runs if _end_is_deleted(element) else []
                if not carried:
                    yield from self._paragraph(element, superscripts.join(runs))
            elif element.tag == f"{W}tbl":
                yield from self._table(element)
            else:
                self._chunk(element)
        if carried:
            yield ExtractedBlock(superscripts.join(carried))

    def _chunk(self, element: Element) -> None:
        """Keep a document that Word would insert here when it opens the file, such as HTML."""
        _, target = self._related.get(element.get(f"{R}id", ""), ("", ""))
        self.parts.embed(self._package.embedded(target, target.rpartition("/")[2] or "an inserted document"))

    def _paragraph(self, paragraph: Element, text: str) -> Iterator[ExtractedBlock]:
        properties = paragraph.find(f"{W}pPr")
        style = self._styles.of(properties)
        if text.strip():
            label = self._numbering.label(properties, style)
            if style.level is not None:
                yield ExtractedBlock(f"{label} {text}" if label else text, level=style.level)
            elif label:
                yield _Item(f"{'  ' * self._numbering.depth(properties, style)}{label} {text.rstrip()}")
            else:
                yield ExtractedBlock(text.rstrip())
        yield from self._behind()

    def _behind(self) -> Iterator[ExtractedBlock]:
        """Yield the text boxes and notes that were anchored since the last call."""
        while self._boxes or self._pending:
            boxes, self._boxes = self._boxes, []
            pending, self._pending = self._pending, []
            for box in boxes:
                self.parts.count("text boxes")
                yield from self._content(box)
            for note in pending:
                yield from self._note(note)

    def _note(self, note: _Note) -> Iterator[ExtractedBlock]:
        element = self._notes[note.kind].pop(note.key, None)
        if element is None:
            return
        self.parts.count(note.kind)
        with self._within(self._target_of(note.kind)):
            text = " ".join(block.text for block in self._content(element)).strip()
        author = element.get(f"{W}author", "")
        name = f"Comment by {author}" if author else _NOTE_NAMES[note.kind]
        number = "" if note.kind == "comments" else f" {note.key}"
        if text:
            yield ExtractedBlock(f"{name}{number}: {text}")

    def _target_of(self, kind: str) -> str:
        return next((target for each, target in self._related.values() if each == kind), self._name)

    # --- tables -------------------------------------------------------------------------------

    def _table(self, table: Element) -> Iterator[ExtractedBlock]:
        above: list[str] = []
        rows = []
        for row in _block_elements(table, {f"{W}tr"}):
            properties = row.find(f"{W}trPr")
            if properties is not None and flag(properties, "del"):
                self.parts.leave_out("deleted passages")
            elif properties is not None and flag(properties, "hidden"):
                self.parts.leave_out("hidden passages")
            else:
                above = list(self._row(row, above))
                rows.append(above)
        if rows and all(len(row) == 1 for row in rows):  # a frame around text
            yield from (ExtractedBlock(row[0]) for row in rows if row[0])
        else:
            text = "\n".join(f"| {' | '.join(row)} |" for row in rows if any(row))
            yield ExtractedBlock(text)
        yield from self._behind()

    def _row(self, row: Element, above: list[str]) -> Iterator[str]:
        """Yield a row's cells. A cell that continues the one above has its text again."""
        column = min(number(row.find(f"{W}trPr"), "gridBefore", 0), _MAX_COLUMNS)
        yield from [""] * column
        for cell in _block_elements(row, {f"{W}tc"}):
            properties = cell.find(f"{W}tcPr")
            span = min(number(properties, "gridSpan", 1), _MAX_COLUMNS)
            merge = properties.find(f"{W}vMerge") if properties is not None else None
            continues = merge is not None and merge.get(f"{W}val", "continue") == "continue"
            text = above[column] if continues and column < len(above) else self._cell(cell)
            yield text
            yield from [""] * (span - 1)
            column += span

    def _cell(self, cell: Element) -> str:
        pending, self._pending = self._pending, []
        boxes, self._boxes = self._boxes, []
        lines = []
        for element in _block_elements(cell):
            if element.tag == f"{W}p":
                lines.append(self._text_of(element))
            elif element.tag == f"{W}tbl":
                rows = (list(self._row(row, [])) for row in _block_elements(element, {f"{W}tr"}))
                lines += [", ".join(filter(None, row)) for row in rows]
        # The notes of a cell stand behind the table
        self._pending, self._boxes = pending + self._pending, boxes + self._boxes
        return " ".join(" ".join(lines).split()).replace("|", "\\|")

    def _text_of(self, paragraph: Element) -> str:
        text = superscripts.join(self._runs(paragraph))
        properties = paragraph.find(f"{W}pPr")
        label = self._numbering.label(properties, self._styles.of(properties)) if text.strip() else ""
        return f"{label} {text}" if label else text

    # --- inside of a paragraph ----------------------------------------------------------------

    def _runs(self, element: Element) -> list[Run]:
        return list(self._inline(element, ""))

    def _inline(self, element: Element, height: Height) -> Iterator[Run]:
        for child in element:
            yield from self._inline_child(child, height)

    def _inline_child(self, child: Element, height: Height) -> Iterator[Run]:
        name = local(child)
        match name:
            case "r" if child.tag == f"{W}r":
                yield from self._run(child)
            case "t" if child.tag == f"{W}t":
                if self._is_shown():
                    yield (child.text or ""), height
            case "fldChar":
                yield from self._field(child)
            case "instrText":
                if self._codes:
                    self._codes[-1] += child.text or ""
            case "fldSimple":
                if _field_name(child.get(f"{W}instr", "")) not in _PAGE_FIELDS:
                    yield from self._inline(child, height)
            case "del" | "moveFrom" if child.tag.startswith(W):
                if any(True for _ in child.iter(f"{W}delText", f"{W}t")):
                    self.parts.leave_out("deleted passages")
            case "footnoteReference" | "endnoteReference" | "commentReference":
                yield from self._reference(_Note(_NOTE_KINDS[name], child.get(f"{W}id", "")))
            case "sym":
                yield symbol(child.get(f"{W}font", ""), child.get(f"{W}char", "")), height
            case "ruby":
                yield _ruby(self, child), height
            case "sdt":
                yield from self._control(child, height)
            case "oMath" | "oMathPara":
                yield equations.text_of(child), ""
            case "AlternateContent":
                yield from self._inline(next(iter(child), child), height)
            case "drawing" | "pict" | "object":
                yield from ((text, "") for text in self._drawing(child))
            case _ if name in _PLAIN and child.tag.startswith(W):
                if self._is_shown():
                    yield _PLAIN[name], height
            case _ if name not in _NOT_SHOWN:
                yield from self._inline(child, height)

    def _run(self, run: Element) -> Iterator[Run]:
        properties = run.find(f"{W}rPr")
        if self._styles.is_hidden(properties):
            if any(True for _ in run.iter(f"{W}t")):
                self.parts.leave_out("hidden passages")
            return
        height = _HEIGHTS.get(value(properties, "vertAlign") or "", "") if properties is not None else ""
        yield from self._inline(run, height)

    def _is_shown(self) -> bool:
        """Return whether this is text, not a field's instruction or a number of a page."""
        is_page_number = any(_field_name(code) in _PAGE_FIELDS for code in self._codes)
        return "code" not in self._fields and not is_page_number

    def _field(self, mark: Element) -> Iterator[Run]:
        match mark.get(f"{W}fldCharType"):
            case "begin":
                self._fields.append("code")
                self._codes.append("")
                yield from _form_value(mark)
            case "separate" if self._fields:
                self._fields[-1] = "result"
            case "end" if self._fields:
                self._fields.pop()
                self._codes.pop()

    def _reference(self, note: _Note) -> Iterator[Run]:
        if note.key in self._notes[note.kind]:
            self._pending.append(note)
            if note.kind != "comments":
                yield f"[{note.key}]", ""

    def _control(self, control: Element, height: Height) -> Iterator[Run]:
        properties = control.find(f"{W}sdtPr")
        is_prompt = properties is not None and flag(properties, "showingPlcHdr")
        content = control.find(f"{W}sdtContent")
        if content is not None and not is_prompt:
            yield from self._inline(content, height)

    def _drawing(self, element: Element) -> Iterator[str]:
        """Yield the words of a drawing: its alternative text, charts and diagrams. Keep its text boxes for later."""
        boxes = list(element.iter(f"{W}txbxContent"))
        self._boxes += [box for box in boxes if not _is_within(box, boxes) and not _is_fallback(box, element)]
        for text in drawing.chart_texts(element, self._package, self._related, self.parts):
            yield f"\n{text}\n"
        yield from drawing.picture_texts(element, self.parts)
        drawing.keep_embedded(element, self._package, self._related, self.parts)


class _Within:
    """Reads another part with its own relationships, such as a header with a picture."""

    def __init__(self, document: _Document, target: str) -> None:
        self._document, self._target = document, target

    def __enter__(self) -> None:
        self._before = self._document._related
        self._document._related = self._document._package.relationships(self._target)

    def __exit__(self, *_: object) -> None:
        self._document._related = self._before


# --- elements -----------------------------------------------------------------------------------

_WRAPPERS = {"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"}


def _block_elements(container: Element, tags: Iterable[str] = ()) -> Iterator[Element]:
    """Yield the paragraphs and tables, or the elements of these tags, also within content controls."""
    wanted = set(tags) or {f"{W}p", f"{W}tbl", f"{W}altChunk"}
    for child in container:
        if child.tag in wanted:
            yield child
        elif local(child) in _WRAPPERS:
            yield from _block_elements(child, wanted)


def _end_is_deleted(paragraph: Element) -> bool:
    mark = paragraph.find(f"{W}pPr/{W}rPr")
    return mark is not None and mark.find(f"{W}del") is not None


def _is_within(box: Element, boxes: list[Element]) -> bool:
    return any(above in boxes for above in box.iterancestors())


def _is_fallback(box: Element, top: Element) -> bool:
    return any(local(above) == "Fallback" for above in box.iterancestors() if above is not top)


def _field_name(instruction: str) -> str:
    return instruction.strip().partition(" ")[0].upper()


def _form_value(mark: Element) -> Iterator[Run]:
    """Yield the state of a check box, or the choice in a list, of a form of Word 97."""
    data = mark.find(f"{W}ffData")
    if data is None:
        return
    box, choice = data.find(f"{W}checkBox"), data.find(f"{W}ddList")
    if box is not None:
        state = box if box.find(f"{W}checked") is not None else None
        is_checked = flag(box, "checked") if state is not None else flag(box, "default")
        yield ("[x]" if is_checked else "[ ]"), ""
    if choice is not None:
        entries = [each.get(f"{W}val", "") for each in choice.iter(f"{W}listEntry")]
        chosen = number(choice, "result", number(choice, "default", 0))
        yield (entries[chosen] if chosen < len(entries) else ""), ""


def _ruby(document: _Document, element: Element) -> str:
    """Return the base text with its reading in brackets."""
    base, reading = (
        superscripts.join(document._runs(part)) if (part := element.find(f"{W}{name}")) is not None else ""
        for name in ("rubyBase", "rt")
    )
    return f"{base} ({reading})" if reading else base


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))
