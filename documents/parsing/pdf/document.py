"""Reads a PDF: the text of each page, then its form fields and comments; attached files come last."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from documents.errors import Unreadable
from documents.parsing import scans
from documents.parsing.containers.members import Opened, read_members
from documents.parsing.outline import outline
from documents.parsing.parts import Parts
from documents.parsing.types import ExtractedBlock, Extraction

from .objects import Field, Objects, read_objects
from .text import VERSION, Pages

READS = {"application/pdf"}

_NOTICE = re.compile(
    r"(?:best experience, open this PDF portfolio|Please wait\.\.\.|If this message is not eventually replaced"
    r"|To view the full contents of this document, you need a later version of the PDF viewer)",
    re.IGNORECASE,
)
_MAX_NOTICE_CHARACTERS = 1500
_LABEL_WIDTH_PT = 260.0  # how far a label may be from its field
_MAX_LABEL_CHARACTERS = 80
_DYNAMIC_FORM = "The file is a form that only Adobe Reader shows (dynamic XFA). Open it there, print it to a PDF and add that."
_EMPTY_PORTFOLIO = (
    "The file is a PDF portfolio, and none of the files in it could be read. Add them one by one."
)


def read(path: Path, opened: Opened) -> Extraction:
    """Return a section for each page, and those of attached files under their names. Raises Unreadable."""
    parts = Parts()
    with Pages(path) as pages:
        texts = [text if text is not None else "" for text in _texts(pages, parts)]
        objects = read_objects(path, parts)
        behind = {number: "\n\n".join(_behind(number, objects, pages)) for number in range(len(pages))}
        properties = pages.properties()
    attached = read_members(objects.attached, opened)
    _drop_notices(texts, objects, has_attached=bool(attached.sections))
    recognised = _recognise(
        path, texts, behind, opened, is_needed=not (attached.sections or objects.form_data)
    )
    blocks = _blocks([recognised.get(number, text) for number, text in enumerate(texts)], behind, objects)
    facts = dict(parts.facts()) | ({"attached files": attached.read} if objects.attached else {})
    return Extraction(
        (*outline(blocks), *attached.sections),
        len(texts),
        "pdfium + tesseract" if recognised else "pdfium",
        VERSION,
        recognised_pages=len(recognised),
        unread_pages=sum(
            not scans.has_words(text) and number not in recognised for number, text in enumerate(texts)
        ),
        properties=properties,
        facts=facts,
        notes=(*parts.notes(), *attached.shown_notes()),
    )


def _texts(pages: Pages, parts: Parts) -> Iterator[str | None]:
    for number, text in enumerate(pages.texts(), 1):
        if text is None:
            parts.leave_out("damaged pages", str(number))
        yield text


def _recognise(
    path: Path, texts: Sequence[str], behind: dict[int, str], opened: Opened, *, is_needed: bool
) -> dict[int, str]:
    """Return the text of the pages that are pictures."""
    blank = [number for number, text in enumerate(texts) if not scans.has_words(text)]
    if not blank:
        return {}
    is_all = len(blank) == len(texts) and not any(behind.values())
    return scans.recognise_pages(path, blank, opened.languages, opened.alive, is_needed=is_needed and is_all)


def _drop_notices(texts: list[str], objects: Objects, *, has_attached: bool) -> None:
    """Drop the page that programs show instead of the content. Raises Unreadable if there is nothing else."""
    whole = "\n".join(texts)
    if len(whole) > _MAX_NOTICE_CHARACTERS or not _NOTICE.search(whole):
        return
    if objects.is_portfolio and not has_attached:
        raise Unreadable(_EMPTY_PORTFOLIO)
    if objects.is_dynamic_form and not objects.form_data:
        raise Unreadable(_DYNAMIC_FORM)
    if objects.is_portfolio or objects.is_dynamic_form:
        texts[:] = [""] * len(texts)


def _blocks(texts: Sequence[str], behind: dict[int, str], objects: Objects) -> Iterator[ExtractedBlock]:
    for number, text in enumerate(texts):
        yield ExtractedBlock(text, page=number + 1)
        if behind[number]:
            yield ExtractedBlock(behind[number], page=number + 1)
    if objects.form_data:
        yield ExtractedBlock("Form fields:\n" + "\n".join(objects.form_data), page=len(texts))


def _behind(number: int, objects: Objects, pages: Pages) -> Iterator[str]:
    """Yield the form fields and the comments of a page."""
    lines = [f"{_label(each, number, pages)}: {each.value}" for each in objects.fields.get(number, ())]
    if lines:
        yield "Form fields:\n" + "\n".join(lines)
    yield from objects.comments.get(number, ())


def _label(filled: Field, page: int, pages: Pages) -> str:
    """Return the words that stand next to a field: its name in the file is often only a number."""
    if filled.has_tooltip:
        return filled.name
    left, bottom, right, top = filled.place
    middle = (bottom + top) / 2
    before = (max(0.0, left - _LABEL_WIDTH_PT), middle - 4, left, middle + 4)
    behind = (right, middle - 4, right + _LABEL_WIDTH_PT, middle + 4)
    above = (left - 2, top, right + _LABEL_WIDTH_PT / 2, top + 16)
    places = (behind, before, above) if filled.is_check_box else (before, above)
    for place in places:
        lines = pages.text_within(page, *place).strip().splitlines()
        if (
            lines
            and (label := lines[-1].strip().rstrip(":.").strip())
            and len(label) <= _MAX_LABEL_CHARACTERS
        ):
            return label
    return filled.name or "Field"
