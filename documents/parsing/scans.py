"""Reads files that may be pictures of text: PDFs page by page, and image files."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from documents.errors import Unreadable

from . import fast, ocr
from .outline import outline
from .types import TOO_MANY_SCANS, ExtractedBlock, Extraction

PICTURES = {"image/png", "image/jpeg", "image/tiff"}
READS = {fast.PDF, *PICTURES}
MAX_RECOGNISED_PAGES = 500
_WHOLE_FILE_TIMEOUT_S = 150.0  # for an image file, which may have many pages (TIFF)


def read(path: Path, media_type: str, languages: Sequence[str], alive: Callable[[], None]) -> Extraction:
    """Return the text. alive: called after each page that needed OCR. Raises Unreadable."""
    if media_type in PICTURES:
        return _picture(path, languages)
    pages = fast.pdf_pages(path)
    blank = [number for number, text in enumerate(pages) if not _has_words(text)]
    recognised = (
        _recognise_pages(path, blank, languages, alive, is_needed=len(blank) == len(pages)) if blank else {}
    )
    return _extraction([recognised.get(number, text) for number, text in enumerate(pages)], len(recognised))


def _recognise_pages(
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
            if _has_words(text):
                found[number] = text
        alive()
    if is_needed and not found:
        raise Unreadable(ocr.NOTHING_FOUND)
    return found


def _picture(path: Path, languages: Sequence[str]) -> Extraction:
    pages = ocr.Recogniser(languages).read(path, _WHOLE_FILE_TIMEOUT_S)
    if not any(map(_has_words, pages)):
        raise Unreadable(ocr.NOTHING_FOUND)
    return _extraction(pages, sum(map(_has_words, pages)))


def _has_words(text: str) -> bool:
    return any(map(str.isalnum, text))


def _extraction(pages: Sequence[str], recognised: int) -> Extraction:
    return Extraction(
        tuple(outline(ExtractedBlock(text, page=number) for number, text in enumerate(pages, 1))),
        len(pages),
        "kreuzberg + tesseract" if recognised else "kreuzberg",
        fast.VERSION,
        recognised_pages=recognised,
        unread_pages=sum(not _has_words(text) for text in pages),
    )
