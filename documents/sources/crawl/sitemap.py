"""Parses sitemaps (sitemaps.org): lists of a site's pages, or of other sitemaps. Pure."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from documents.errors import NotFetched
from documents.parsing.encodings import decode

from .content_encoding import gunzip

MAX_ENTRIES = 50_000  # in one file, by the protocol
_MAX_BYTES = 50 * 1024 * 1024  # decompressed, by the protocol
_MAX_ELEMENTS = 1_000_000  # a real sitemap of that size has fewer; more would only fill our memory
_MAX_DEPTH = 20
_GZIP = b"\x1f\x8b"
_DECLARATION = re.compile(r"<\?xml\b[^>]{0,200}\?>\s*", re.IGNORECASE)
_BARE_AMPERSAND = re.compile(r"&(?!(?:\w{1,32}|#\d{1,7}|#x[\da-fA-F]{1,6});)")


@dataclass(frozen=True, slots=True)
class Sitemap:
    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def is_sitemap(data: bytes) -> bool:
    head = data[:2000]
    return head.startswith(_GZIP) or b"<urlset" in head or b"<sitemapindex" in head


def read_sitemap(data: bytes) -> Sitemap:
    """Parse a sitemap. Raises NotFetched if it cannot be read."""
    if data.startswith(_GZIP):
        data = gunzip(data, _MAX_BYTES)
    data = _mend(data)
    found: dict[str, list[str]] = {"url": [], "sitemap": []}
    try:
        for entry in _entries(data):
            listed = found.get(_local(entry), [])
            if len(listed) < MAX_ENTRIES and (location := _location(entry)):
                listed.append(location)
    except DefusedXmlException as error:
        raise NotFetched(
            "The sitemap defines XML entities, which an XML bomb does, so it is not read."
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise NotFetched("The sitemap is not well-formed XML.") from error
    return Sitemap(tuple(found["url"]), tuple(found["sitemap"]))


def _mend(data: bytes) -> bytes:
    """Return the sitemap as UTF-8, without what stands before its first tag, and with its bare & escaped."""
    text = decode(data, declares=True)
    start = text.find("<")
    return _BARE_AMPERSAND.sub("&amp;", _DECLARATION.sub("", text[max(start, 0) :], count=1)).encode(
        "utf-8", "replace"
    )


def _entries(data: bytes) -> Iterator[Element]:
    """Yield the elements directly below the root one by one: the whole tree may take gigabytes."""
    above: list[Element] = []
    elements = 0
    for event, element in iterparse(io.BytesIO(data), ("start", "end"), forbid_dtd=True):
        if event == "start":
            above.append(element)
            elements += 1
            if elements > _MAX_ELEMENTS or len(above) > _MAX_DEPTH:
                raise NotFetched("The sitemap has more elements, or deeper ones, than a list of pages needs.")
            continue
        above.pop()
        if len(above) == 1:
            yield element
            above[0].clear()


def _location(entry: Element) -> str:
    """Return the entry's address. Ignore namespaces, because many sites get theirs wrong."""
    found = next((child for child in entry if _local(child) == "loc"), None)
    return "" if found is None else (found.text or "").strip()


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
