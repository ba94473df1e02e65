"""Sitemaps: lists of a site's pages, or of more sitemaps, as sitemaps.org has them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .fetch import NotFetched, gunzip

MAX_ENTRIES = 50_000  # in one file, by the protocol
_MAX_BYTES = 50 * 1024 * 1024  # unpacked, by the protocol
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Sitemap:
    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def is_sitemap(data: bytes) -> bool:
    head = data[:2000]
    return head.startswith(_GZIP) or b"<urlset" in head or b"<sitemapindex" in head


def read_sitemap(data: bytes) -> Sitemap:
    """Return what it lists. Raises NotFetched with a sentence when it cannot be read."""
    if data.startswith(_GZIP):
        data = gunzip(data, _MAX_BYTES)
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NotFetched("The sitemap defines entities of its own, which is how XML bombs begin.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise NotFetched("The sitemap is not well-formed XML.") from error
    return Sitemap(tuple(_locations(root, "url")), tuple(_locations(root, "sitemap")))


def _locations(root: Element, name: str) -> Iterator[str]:
    """Yield the addresses of these entries. Namespaces are left aside: many sites get theirs wrong."""
    entries = (each for each in root if _local(each) == name)
    for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
        location = next((child for child in entry if _local(child) == "loc"), None)
        if location is not None and (location.text or "").strip():
            yield (location.text or "").strip()


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
