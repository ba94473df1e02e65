"""Reads files with kreuzberg.

Measured: 40 times faster than unstructured, and it keeps the rows of tables.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kreuzberg
from kreuzberg import ExtractionConfig, KreuzbergError

from documents.errors import Unreadable

from . import html, markdown
from .encodings import decode
from .markup import rich_text
from .markup.rewriting import rewritten
from .outline import outline
from .types import DAMAGED, ENCRYPTED, ENCRYPTED_MAIL, TOO_BIG, ExtractedBlock, Extraction, ReadingNote

VERSION = kreuzberg.__version__

_EPUB = "application/epub+zip"
_MSG = "application/vnd.ms-outlook"
# For these, kreuzberg's Markdown loses line breaks or keeps the editor's own placeholders.
_WITHOUT_HEADINGS = {
    _MSG,
    "application/msword",
    "application/vnd.ms-powerpoint",
    "application/rtf",
}
_RTF = "application/rtf"
_NEWER = {"application/msword": "docx", "application/vnd.ms-powerpoint": "pptx", _RTF: "docx"}
_OLD = (
    "Of this old format, text boxes, comments, pictures and embedded files may be missing, and hidden text is not told "
    "apart. Save it as .{newer} to have each part read or named."
)
_MAX_HEADER_CHARACTERS = 1000  # of a message without a readable body
_SEALED = re.compile(
    r"^Content-Type:\s*(multipart/encrypted|application/(x-)?pkcs7-mime)|IPM\.Note\.SMIME\0", re.I | re.M
)
SAID: dict[str, Any] = {}  # the metadata of the file that was read last; a process reads one file
_DECODED = {"text/html"}
_HTML_OPTIONS = {"preprocessing": {"enabled": True, "preset": "aggressive", "remove_navigation": True}}


def read(path: Path, media_type: str) -> Extraction:
    """Raises Unreadable."""
    if media_type in _WITHOUT_HEADINGS:
        text = _run(path, media_type).content
        if media_type == _MSG and len(text) < _MAX_HEADER_CHARACTERS and _is_sealed(path.read_bytes()):
            raise Unreadable(ENCRYPTED_MAIL)
        return replace(_extraction([ExtractedBlock(text)]), notes=tuple(_gaps(path, media_type)))
    text = _run(path, media_type, output_format="markdown", html_options=_HTML_OPTIONS).content
    return _extraction(markdown.plain_blocks(text))


def _gaps(path: Path, media_type: str) -> Iterator[ReadingNote]:
    """Yield what is not read of old formats. kreuzberg does not count it."""
    if media_type == _RTF and (count := rich_text.rewritten(path.read_bytes())[1]):
        passages = "1 deleted passage was" if count == 1 else f"{count} deleted passages were"
        yield ReadingNote("left_out", f"{passages} left out.", count)
    if media_type in _NEWER:
        yield ReadingNote("warning", _OLD.format(newer=_NEWER[media_type]))


def _extraction(blocks: Iterable[ExtractedBlock]) -> Extraction:
    return Extraction(tuple(outline(blocks)), None, "kreuzberg", VERSION)


def page_blocks(page: str) -> Iterator[ExtractedBlock]:
    """Yield the text of HTML, such as a mail's, without removing what looks like a menu. Raises Unreadable."""
    data = rewritten(html.own_text(page)).encode("utf-8", "replace")
    yield from markdown.plain_blocks(_extract(data, "text/html", output_format="markdown").content)


def picture_of(path: Path, page: int, dpi: int) -> bytes:
    """Return one page of a PDF, counted from 0, as PNG. Raises Unreadable."""
    try:
        return kreuzberg.render_pdf_page(path, page, dpi=dpi)
    except KreuzbergError as error:
        raise Unreadable(_sentence(str(error))) from error


def _is_sealed(data: bytes) -> bool:
    """Return whether an Outlook message is encrypted.

    Its streams hold text as UTF-16 or bytes ([MS-OXMSG]).
    """
    return any(_SEALED.search(data.decode(encoding, "ignore")) for encoding in ("utf-16-le", "latin-1"))


def _run(path: Path, media_type: str, **config: Any) -> Any:
    found = _extract(_prepare(path.read_bytes(), media_type), media_type, **config)
    SAID.clear()
    SAID.update(found.metadata)
    return found


def _extract(data: bytes, media_type: str, **config: Any) -> Any:
    # `disable_ocr`: our OCR is in ocr.py; kreuzberg's own waits for language data that is not installed.
    settings: Any = ExtractionConfig(use_cache=False, **config)
    settings.disable_ocr = True
    try:
        return kreuzberg.extract_bytes_sync(data, media_type, settings)
    except KreuzbergError as error:
        raise Unreadable(_sentence(str(error))) from error


def _sentence(said: str) -> str:
    if re.search(r"password|encrypt", said, re.IGNORECASE):
        return ENCRYPTED
    return TOO_BIG if "Security limit exceeded" in said or "too large" in said else DAMAGED


def _prepare(data: bytes, media_type: str) -> bytes:
    """Return the bytes in a form that kreuzberg reads: it guesses old encodings wrong."""
    if media_type == _RTF:
        return rich_text.rewritten(data)[0]
    if media_type == _EPUB:
        return _with_rewritten_chapters(data)
    if media_type not in _DECODED:
        return data
    text = decode(data, declares=True)
    return (rewritten(html.own_text(text)) if media_type == "text/html" else text).encode("utf-8", "replace")


def _with_rewritten_chapters(data: bytes) -> bytes:
    """Return an e-book whose chapters have plain powers and formulas. Raises Unreadable."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book, zipfile.ZipFile(out, "w") as copy:
            for member in book.infolist():
                content = book.read(member)
                if member.filename.lower().endswith((".xhtml", ".html", ".htm")):
                    text = decode(content, declares=True)
                    new = rewritten(text, method="xml")
                    content = content if new is text else new.encode()
                copy.writestr(member.filename, content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Unreadable(DAMAGED) from error
    return out.getvalue()
