"""Interprets a server's response: whether to read its body, as what, and whether its status allows a retry."""

import codecs
import io
from collections.abc import Iterator
from contextlib import suppress

from documents.errors import Gone, LoginRequired, NotAccepted, NotFetched, TryLater
from documents.models import Address
from documents.parsing.encodings import decoded
from documents.parsing.media_types import (
    BY_NAME,
    COMPRESSED,
    CSV,
    HTML,
    JPEG,
    JSON,
    MARKDOWN,
    PNG,
    TAR,
    TEXT,
    TIFF,
    TSV,
    TYPES,
    XML,
    ZIP,
    MediaType,
    kind_of_name,
)
from documents.parsing.media_types import recognise as recognise_file

from .fetch import WebResponse

# What an upload reads, without what is hardly ever a document of a website.
_READ = set(TYPES) - {PNG, JPEG, TIFF, ZIP, TAR, COMPRESSED, JSON, XML}
_ONLY = "Only web pages, PDF, Office and text files are read from the web."
_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_ANY_FILE = {
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/force-download",
    "application/x-download",
}
_LISTS = {"application/xml", "text/xml", "application/gzip"}  # the start address may be a sitemap
_READABLE = {kind.name for kind in _READ} | _HTML_TYPES | _ANY_FILE
_HAS_A_CHARSET = {HTML, TEXT, MARKDOWN, CSV, TSV}
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def error_for(reply: WebResponse) -> NotFetched:
    """Return the error for a status other than 200."""
    status = reply.status
    match status:
        case 404 | 410:
            return Gone(f"There is no such page (status {status}).")
        case 401 | 403:
            return LoginRequired(f"The server requires a login (status {status}).")
        case 429 | 503:
            return TryLater(f"The server asks us to come back later (status {status}).", reply.retry_after_s)
        case _ if status >= 500:
            return NotFetched(f"The server reports an error (status {status}).", retryable=True)
        case _:
            return NotFetched(f"The server answered with status {status}.")


def is_readable(reply: WebResponse, address: Address) -> bool:
    """Return whether to read the body, by the server's media type or the file's name."""
    is_list = address.depth == 0 and reply.media_type in _LISTS
    return reply.media_type in _READABLE or is_list or _is_office(reply.file_name)


def _is_office(name: str) -> bool:
    """Return whether it is a file with a format of its own: servers call those by many names, such as application/zip."""
    kind = kind_of_name(name)
    return kind in _READ and not kind.is_text


def not_read(media_type: str) -> NotFetched:
    return NotFetched(f"It is {media_type}. {_ONLY}")


def recognise(reply: WebResponse) -> MediaType:
    """Return what the body is, by its content. Raises NotFetched for what is not read from the web."""
    error: NotAccepted | None = None
    for name in _names(reply):
        try:
            found = recognise_file(io.BytesIO(reply.body), name)
        except NotAccepted as refusal:
            error = refusal
            continue
        if found in _READ:
            return found
        raise not_read(found.label)
    raise NotFetched(f"{error} {_ONLY}")


def recognise_or_none(reply: WebResponse) -> MediaType | None:
    with suppress(NotFetched):
        return recognise(reply)
    return None


def _names(reply: WebResponse) -> Iterator[str]:
    """Yield names for the file, as the server and its address say what it is. The last one leaves it to the content."""
    declared = BY_NAME.get(reply.media_type)
    if reply.media_type not in _HTML_TYPES and kind_of_name(reply.file_name) in _READ:
        yield reply.file_name
    yield f"page.{declared.extensions[0]}" if declared else "page.html"
    yield ""


def with_its_encoding(reply: WebResponse, kind: MediaType) -> bytes:
    """Return the body, a text as UTF-8 with a byte order mark if only the server's header states its encoding.

    The header counts more than the page, as browsers have it, unless it cannot be true.
    """
    if not reply.charset or reply.body.startswith(_BYTE_ORDER_MARKS) or kind not in _HAS_A_CHARSET:
        return reply.body
    found = decoded(reply.body, reply.charset)
    return reply.body if found.how == "detected" else codecs.BOM_UTF8 + found.text.encode("utf-8", "replace")
