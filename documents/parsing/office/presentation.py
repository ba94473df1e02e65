"""Reads PowerPoint presentations (ECMA-376, part 1, section 19): the visible slides, their notes and comments."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lxml.etree import _Element as Element

from documents.errors import Unreadable
from documents.parsing.containers.members import Opened
from documents.parsing.parts import Parts, extraction
from documents.parsing.types import DAMAGED, ExtractedBlock, Extraction

from . import drawing
from .drawing import A
from .package import Package, R, local

READS = {"application/vnd.openxmlformats-officedocument.presentationml.presentation"}

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_TITLES = {"title", "ctrTitle"}
_MARGINS = {"ftr", "hdr", "dt", "sldNum"}  # most slides repeat them
_MAX_TITLE_CHARACTERS = 120
_MAX_DEPTH = 50


def read(path: Path, opened: Opened) -> Extraction:
    """Return a section for each visible slide: its title, its text, its notes and comments. Raises Unreadable."""
    with Package(path) as package:
        name = package.part_of_kind("officeDocument") or "ppt/presentation.xml"
        root = package.xml(name)
        if root is None:
            raise Unreadable(DAMAGED)
        reader = _Presentation(package, name, root)
        found = extraction(
            reader.blocks(), reader.parts, opened, parser="ooxml", properties=package.properties()
        )
        return replace(found, page_count=reader.slide_count)


class _Presentation:
    def __init__(self, package: Package, name: str, root: Element) -> None:
        self._package = package
        related = package.relationships(name)
        listed = (related.get(each.get(f"{R}id", ""), ("", ""))[1] for each in root.iter(f"{P}sldId"))
        self._slides = [target for target in listed if target]
        self._authors = dict(_authors(package, related))
        self._margins: dict[str, None] = {}
        self.slide_count = len(self._slides)
        self.parts = Parts()

    def blocks(self) -> Iterator[ExtractedBlock]:
        for number, target in enumerate(self._slides, 1):
            root = self._package.optional_xml(target)
            if root is None:
                self.parts.leave_out("damaged slides", str(number))
            elif root.get("show", "1") in ("0", "false"):
                self.parts.leave_out("hidden slides", str(number))
            else:
                yield from self._slide(root, target, number)
        if self._margins:
            self.parts.count("slide footers", len(self._margins))
            yield ExtractedBlock("Slide footer: " + "\n".join(self._margins), page=self.slide_count)

    def _slide(self, root: Element, target: str, number: int) -> Iterator[ExtractedBlock]:
        related = self._package.relationships(target)
        tree = root.find(f"{P}cSld/{P}spTree")
        shapes = list(self._shapes(tree, related)) if tree is not None else []
        titles = [" ".join(text.split()) for text, is_title in shapes if is_title]
        texts = [text for text, is_title in shapes if not is_title]
        if not titles and texts and len(first := texts[0].partition("\n")[0]) <= _MAX_TITLE_CHARACTERS:
            titles, texts[0] = [first], texts[0].partition("\n")[2]
        texts += self._notes(related)
        texts += self._comments(related)
        if titles:
            yield ExtractedBlock(" ".join(titles), level=1, page=number)
        yield from (ExtractedBlock(text, page=number) for text in texts if text.strip())

    # --- shapes -------------------------------------------------------------------------------

    def _shapes(self, tree: Element, related: drawing.Related, depth: int = 0) -> Iterator[tuple[str, bool]]:
        """Yield the text of each shape, and whether it is the slide's title."""
        for shape in tree:
            name = local(shape)
            if name == "AlternateContent" and len(shape) and depth < _MAX_DEPTH:
                yield from self._shapes(shape[0], related, depth + 1)
            elif name in ("sp", "pic", "graphicFrame", "grpSp", "cxnSp"):
                if _is_hidden(shape):
                    self.parts.leave_out("hidden shapes")
                elif name == "grpSp" and depth < _MAX_DEPTH:
                    yield from self._shapes(shape, related, depth + 1)
                else:
                    yield from self._shape(shape, related)

    def _shape(self, shape: Element, related: drawing.Related) -> Iterator[tuple[str, bool]]:
        kind = _placeholder(shape)
        body = shape.find(f"{P}txBody")
        if body is not None and (text := drawing.words_of(body)):
            if kind in _MARGINS:
                if any(map(str.isalpha, text)):
                    self._margins[text] = None
            else:
                yield text, kind in _TITLES
        for table in shape.iter(f"{A}tbl"):
            yield _table(table), False
        yield from ((text, False) for text in drawing.chart_texts(shape, self._package, related, self.parts))
        yield from ((text.strip(), False) for text in drawing.picture_texts(shape, self.parts))
        drawing.keep_embedded(shape, self._package, related, self.parts)

    # --- what is not on the slide -------------------------------------------------------------

    def _notes(self, related: drawing.Related) -> Iterator[str]:
        for kind, target in related.values():
            root = self._package.optional_xml(target) if kind == "notesSlide" else None
            shapes = root.iter(f"{P}sp") if root is not None else ()
            texts = [
                drawing.words_of(body)
                for shape in shapes
                if _placeholder(shape) not in _MARGINS | {"sldImg"}
                and (body := shape.find(f"{P}txBody")) is not None
            ]
            if text := "\n".join(filter(None, texts)):
                self.parts.count("speaker notes")
                yield f"Speaker notes: {text}"

    def _comments(self, related: drawing.Related) -> Iterator[str]:
        for kind, target in related.values():
            root = self._package.optional_xml(target) if kind == "comments" else None
            for comment in root.iter() if root is not None else ():
                if local(comment) in ("cm", "reply") and (text := _comment_text(comment)):
                    author = self._authors.get(comment.get("authorId", ""), "")
                    self.parts.count("comments")
                    yield f"Comment{f' by {author}' if author else ''}: {text}"


def _authors(package: Package, related: drawing.Related) -> Iterator[tuple[str, str]]:
    for kind, target in related.values():
        root = package.optional_xml(target) if kind in ("commentAuthors", "authors") else None
        for author in root if root is not None else ():
            yield author.get("id", ""), author.get("name", "")


def _comment_text(comment: Element) -> str:
    """Return a comment's own text, without its replies. Old comments have p:text, new ones a text body."""
    for child in comment:
        if local(child) == "text":
            return (child.text or "").strip()
        if local(child) == "txBody":
            return drawing.words_of(child)
    return ""


def _placeholder(shape: Element) -> str:
    """Return the kind of placeholder that a shape fills, "" if it is none."""
    found = shape.find(f"*/{P}nvPr/{P}ph")
    return "" if found is None else found.get("type", "obj")


def _is_hidden(shape: Element) -> bool:
    found = next((each for each in shape.iterfind(f"*/{P}cNvPr")), None)
    return found is not None and found.get("hidden") in ("1", "true")


def _table(table: Element) -> str:
    lines, above = [], list[str]()
    for row in table.iterfind(f"{A}tr"):
        cells: list[str] = []
        for at, cell in enumerate(row.iterfind(f"{A}tc")):
            body = cell.find(f"{A}txBody")
            text = " ".join(drawing.words_of(body).split()).replace("|", "\\|") if body is not None else ""
            continues = cell.get("vMerge") in ("1", "true") and at < len(above)
            cells.append(above[at] if continues else text)
        above = cells
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
