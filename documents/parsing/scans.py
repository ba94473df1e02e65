"""Recognises text in pictures: pages of a PDF, and image files."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from documents.errors import Unreadable

from . import fast, ocr
from .outline import outline
from .types import TOO_MANY_SCANS, ExtractedBlock, Extraction

VERSION = "1"
READS = {"image/png", "image/jpeg", "image/tiff"}
MAX_RECOGNISED_PAGES = 500
_WHOLE_FILE_TIMEOUT_S = 150.0  # for an image file, which may have many pages (TIFF)


def read(path: Path, languages: Sequence[str]) -> Extraction:
    """Return the text of an image file. Raises Unreadable."""
    pages = ocr.Recogniser(languages).read(path, _WHOLE_FILE_TIMEOUT_S)
    if not any(map(has_words, pages)):
        raise Unreadable(ocr.NOTHING_FOUND)
    return Extraction(
        tuple(outline(ExtractedBlock(text, page=number) for number, text in enumerate(pages, 1))),
        len(pages),
        "tesseract",
        VERSION,
        recognised_pages=sum(map(has_words, pages)),
        unread_pages=sum(not has_words(text) for text in pages),
    )


def recognise_pages(
    path: Path, blank: Sequence[int], languages: Sequence[str], alive: Callable[[], None], *, is_needed: bool
) -> dict[int, str]:
    """Return the text of the pages that are pictures. Raises Unreadable if `is_needed` and there is none."""
    if is_needed and len(blank) > MAX_RECOGNISED_PAGES:
        raise Unreadable(TOO_MANY_SCANS.format(pages=len(blank), limit=MAX_RECOGNISED_PAGES))
    try:
        recogniser = ocr.Recogniser(languages)
    except Unreadable:
        if is_needed:
            raise
        return {}  # the other pages have text
    found = {}
    for number in blank[:MAX_RECOGNISED_PAGES]:
        with suppress(Unreadable), tempfile.NamedTemporaryFile(suffix=".png") as picture:
            picture.write(fast.picture_of(path, number, ocr.DPI))
            picture.flush()
            text = "\n".join(recogniser.read(Path(picture.name)))
            if has_words(text):
                found[number] = text
        alive()
    if is_needed and not found:
        raise Unreadable(ocr.NOTHING_FOUND)
    return found


def has_words(text: str) -> bool:
    return any(map(str.isalnum, text))
