"""Parses RSS and Atom feeds, in the sandbox: feedparser gets bytes in memory and fetches nothing."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import feedparser

from core.text import storable
from documents.errors import NotFetched

MAX_POSTS = 500  # per reading of a feed
MAX_BYTES = 5 * 1024 * 1024  # feedparser takes seconds for each MiB
_READABLE = {"application/pdf", "text/html", "application/xhtml+xml"}  # media types of enclosures
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Post:
    guid_sha256: str  # of its id in the feed, else of its link, else of its title and text
    link: str  # as it is in the feed; "": none
    title: str
    text: str  # HTML, the longest text of the post in the feed; "": none


@dataclass(frozen=True, slots=True)
class Feed:
    title: str
    posts: tuple[Post, ...]  # in the feed's order, mostly the newest first


def read_feed(data: bytes, url: str, content_type: str = "") -> Feed:
    """Parse a feed. url: its address, to resolve relative links. Raises NotFetched."""
    if _ENTITY.search(data):
        raise NotFetched("The feed defines XML entities, which an XML bomb does, so it is not read.")
    headers = {"content-location": url, "content-type": content_type or "application/xml"}
    try:
        found = feedparser.parse(io.BytesIO(data), response_headers=headers, sanitize_html=True)
    except (
        Exception
    ) as error:  # it promises none, but raises those of its parsers, for example for lone surrogates
        raise NotFetched("The feed is damaged and cannot be read. Tell its publisher.") from error
    if not found.version:
        raise NotFetched("This is neither an RSS nor an Atom feed. Give the address of the feed itself.")
    return Feed(_plain(found.feed.get("title", "")), tuple(_posts(found.entries[:MAX_POSTS])))


def _posts(entries: list[Any]) -> Iterator[Post]:
    for entry in entries:
        link, title, text = map(storable, (_link(entry), _plain(entry.get("title", "")), _text(entry)))
        name = entry.get("id") or link or f"{title}\0{text}"
        if name.strip("\0"):
            yield Post(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), link, title, text)


def _link(entry: Any) -> str:
    """Return the post's address, else that of an enclosure with text. A recording has none."""
    readable = (each.get("href", "") for each in entry.get("enclosures", []) if each.get("type") in _READABLE)
    return entry.get("link") or next(readable, "")


def _text(entry: Any) -> str:
    texts: list[str] = [each.get("value", "") for each in entry.get("content", [])]
    texts += [entry.get("summary", ""), entry.get("subtitle", "")]
    return max(texts, key=len)


def _plain(title: str) -> str:
    return " ".join(re.sub(r"<[^<>]*>", "", title).split())
