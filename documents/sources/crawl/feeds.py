"""RSS and Atom: what a feed lists. Pure: feedparser is given bytes in memory, and fetches nothing."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import feedparser

from core.text import storable
from documents.errors import NotFetched

MAX_POSTS = 500  # of one feed at one time
MAX_BYTES = 5 * 1024 * 1024  # feedparser takes seconds for each
_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Post:
    guid_sha256: str  # of what the feed calls it, or of its address
    link: str  # as the feed has it; "" when it has none
    title: str
    text: str  # HTML, the longest that the feed carries; "" when there is none


@dataclass(frozen=True, slots=True)
class Feed:
    title: str
    posts: tuple[Post, ...]  # as the feed orders them, mostly the newest first


def read_feed(data: bytes, url: str, content_type: str = "") -> Feed:
    """Return what a feed lists. url: where it came from, for relative links. Raises NotFetched."""
    if _ENTITY.search(data):
        raise NotFetched("The feed defines entities of its own, which is how XML bombs begin.")
    headers = {"content-location": url, "content-type": content_type or "application/xml"}
    try:
        found = feedparser.parse(io.BytesIO(data), response_headers=headers, sanitize_html=True)
    except Exception as error:  # it promises none, and raises what its parsers meet: half surrogates, for one
        raise NotFetched(
            "The feed is damaged, so that it cannot be read. Tell whoever publishes it."
        ) from error
    if not found.version:
        raise NotFetched("This is neither an RSS nor an Atom feed. Give the address of the feed itself.")
    return Feed(_plain(found.feed.get("title", "")), tuple(_posts(found.entries[:MAX_POSTS])))


def _posts(entries: list[Any]) -> Iterator[Post]:
    for entry in entries:
        link, title, text = map(
            storable, (entry.get("link", ""), _plain(entry.get("title", "")), _text(entry))
        )
        name = entry.get("id") or link or f"{title}\0{text}"
        if name.strip("\0"):
            yield Post(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), link, title, text)


def _text(entry: Any) -> str:
    texts: list[str] = [each.get("value", "") for each in entry.get("content", [])]
    texts.append(entry.get("summary", ""))
    return max(texts, key=len)


def _plain(title: str) -> str:
    return " ".join(re.sub(r"<[^<>]*>", "", title).split())
