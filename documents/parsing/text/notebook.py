"""Reads Jupyter notebooks: their text, code and printed results.

The format: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lxml.html import fragment_fromstring

from documents.errors import Unreadable
from documents.parsing import fences, markdown
from documents.parsing.encodings import decoded
from documents.parsing.outline import outline
from documents.parsing.types import DAMAGED, ExtractedBlock, Extraction, ReadingNote

VERSION = "1"
READS = {"application/x-ipynb+json"}
# The first that a result has is read; the others show the same.
_RESULTS = ("text/markdown", "text/plain", "text/latex", "application/json", "text/html")

_PICTURES_OF_FORMAT_3 = ("png", "jpeg", "svg", "pdf")


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    """Raises Unreadable."""
    found = decoded(path.read_bytes(), languages=languages)
    try:
        notebook = json.loads(found.text)
        cells = list(_cells(notebook))
        blocks = [block for cell in cells for block in _blocks(cell, _language(notebook))]
        left_out = Counter(name for cell in cells for name in _left_out(cell))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Unreadable(DAMAGED) from error
    notes = (
        ReadingNote("left_out", f"Left out of the results: {name}.", count)
        for name, count in left_out.items()
    )
    return Extraction(
        tuple(outline(blocks)),
        None,
        "notebook",
        VERSION,
        facts={"cells": len(cells)},
        notes=(*found.notes, *notes),
    )


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from notebook.get("cells", [])
    for sheet in notebook.get("worksheets", []):  # format 3
        yield from sheet.get("cells", [])


def _language(notebook: dict[str, Any]) -> str:
    about = notebook.get("metadata", {})
    return str(about.get("language_info", about.get("kernelspec", {})).get("name", ""))


def _blocks(cell: dict[str, Any], language: str) -> Iterator[ExtractedBlock]:
    source = _joined(cell.get("source", cell.get("input", "")))
    match cell.get("cell_type"):
        case "markdown":
            yield from markdown.plain_blocks(source)
        case "heading":
            yield ExtractedBlock(source, int(cell.get("level", 1)))
        case "code":
            yield from _fenced(source, language)
            for output in cell.get("outputs", []):
                yield from _fenced(_result(output))
        case _:
            yield ExtractedBlock(source)


def _fenced(text: str, language: str = "") -> Iterator[ExtractedBlock]:
    if text.strip():
        fence = fences.around(text)
        yield ExtractedBlock(f"{fence}{language}\n{text.rstrip()}\n{fence}")


def _result(output: dict[str, Any]) -> str:
    """Return what a reader of the notebook sees below the code: printed text, a result or an error."""
    if "traceback" in output:
        return _joined(line + "\n" for line in output["traceback"])
    if "text" in output:
        return _joined(output["text"])
    data = output.get("data", {})
    kind = next((kind for kind in _RESULTS if kind in data), None)
    value = data.get(kind, "")
    if kind == "text/html":
        return str(fragment_fromstring(_joined(value), create_parent=True).text_content())
    return (
        _joined(value) if isinstance(value, str | list) else json.dumps(value, ensure_ascii=False, indent=1)
    )


def _left_out(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", []):
        yield from (kind for kind in output.get("data", {}) if kind not in _RESULTS)
        yield from (kind for kind in _PICTURES_OF_FORMAT_3 if kind in output)
    for attachment in cell.get("attachments", {}).values():
        yield from attachment


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
