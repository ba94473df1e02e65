"""Interprets a server's response: whether to read its body, and whether its status allows a retry."""

import codecs

from documents.errors import Gone, LoginRequired, NotFetched, TryLater
from documents.models import Address
from documents.parsing.encodings import decoded

from .fetch import WebResponse

_HTML_TYPES = {"text/html", "application/xhtml+xml", ""}
_READABLE = _HTML_TYPES | {"application/pdf", "application/octet-stream"}
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


def is_readable(media_type: str, address: Address) -> bool:
    """Return whether to read a body of this type. The start address may be a sitemap."""
    may_be_list = address.depth == 0 and media_type in ("application/xml", "text/xml", "application/gzip")
    return media_type in _READABLE or may_be_list


def with_its_encoding(reply: WebResponse) -> bytes:
    """Return the body as UTF-8 with a byte order mark, if only the server's header states its encoding.

    The header counts more than the page, as browsers have it, unless it cannot be true.
    """
    if not reply.charset or reply.body.startswith(_BYTE_ORDER_MARKS):
        return reply.body
    found = decoded(reply.body, reply.charset)
    return reply.body if found.how == "detected" else codecs.BOM_UTF8 + found.text.encode("utf-8", "replace")
