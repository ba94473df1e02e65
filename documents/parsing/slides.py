"""Reads OpenDocument presentations, which kreuzberg does not read."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from documents.errors import Unreadable

from .outline import outline
from .types import DAMAGED, ENCRYPTED, ENTITIES, TOO_BIG, ExtractedBlock, Extraction

VERSION = "1"
READS = {"application/vnd.oasis.opendocument.presentation"}
_MAX_CONTENT_BYTES = 50 * 1024**2
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def read(path: Path) -> Extraction:
    """Return a section for each slide, its title first and its notes last. Raises Unreadable."""
    pages = list(_content(path).iter(f"{_DRAW}page"))
    blocks = [block for number, page in enumerate(pages, 1) for block in _slide(page, number)]
    return Extraction(tuple(outline(blocks)), len(pages), "odp", VERSION)


def _content(path: Path) -> Element:
    try:
        with zipfile.ZipFile(path) as archive:
            if b"encryption-data" in archive.read("META-INF/manifest.xml"):
                raise Unreadable(ENCRYPTED)
            with archive.open("content.xml") as file:
                xml = file.read(_MAX_CONTENT_BYTES + 1)
        if len(xml) > _MAX_CONTENT_BYTES:
            raise Unreadable(TOO_BIG)
        if b"<!ENTITY" in xml or b"<!DOCTYPE" in xml:
            raise Unreadable(ENTITIES)
        return ElementTree.fromstring(xml)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, NotImplementedError, EOFError) as error:
        raise Unreadable(DAMAGED) from error


def _slide(page: Element, number: int) -> Iterator[ExtractedBlock]:
    shapes = sorted(page, key=lambda shape: _rank(shape))  # a stable sort keeps the drawing order
    for shape in shapes:
        text = "\n".join(_lines(shape))
        if text.strip():
            yield ExtractedBlock(text, level=1 if _rank(shape) == 0 else None, page=number)


def _rank(shape: Element) -> int:
    if shape.tag == f"{_PRESENTATION}notes":
        return 2
    return 0 if shape.get(f"{_PRESENTATION}class") == "title" else 1


def _lines(element: Element) -> Iterator[str]:
    """Yield the paragraphs, and the tables row by row."""
    for child in element:
        if child.tag in (f"{_TEXT}p", f"{_TEXT}h"):
            yield " ".join("".join(child.itertext()).split())
        elif child.tag == f"{_TABLE}table-row":
            cells = (" ".join(_lines(cell)) for cell in child.iter(f"{_TABLE}table-cell"))
            yield f"| {' | '.join(cells)} |"
        else:
            yield from _lines(child)
