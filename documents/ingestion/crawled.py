"""Reads the links of crawled pages and the posts of feeds, each in a sandbox: a page is hostile input.

A worker that read them itself would spend any time and memory that a page asks for.
"""

import tempfile
from collections.abc import Sequence
from typing import Any, Literal

from documents.errors import NotFetched, ParserGone, Unreadable
from documents.parsing.crawled.feed import Feed, Post
from documents.parsing.crawled.page import Page
from documents.parsing.types import ParseJob

from .extract import MEMORY_BYTES, run

TIMEOUT_S = 20.0
_MAX_URL = 8_000  # longer ones are of no server


def read_page(data: bytes, url: str, languages: Sequence[str] = ()) -> Page:
    """Return a page's title, links and directives. Raises NotFetched.

    languages: those with which its text will be read, so that both are decoded alike.
    """
    return Page(**_read("page", data, url, languages=tuple(languages)))


def read_feed(data: bytes, url: str, content_type: str = "") -> Feed:
    """Return a feed's posts. url: its address, to resolve relative links. Raises NotFetched."""
    said = _read("feed", data, url, content_type)
    return Feed(said["title"], tuple(Post(**each) for each in said["posts"]))


def _read(
    task: Literal["page", "feed"],
    data: bytes,
    url: str,
    content_type: str = "",
    languages: tuple[str, ...] = (),
) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        about = {"task": task, "url": url[:_MAX_URL], "content_type": content_type[:200]}
        job = ParseJob(file.name, "", "web", MEMORY_BYTES["web"], languages, **about)  # type: ignore[arg-type]
        try:
            return run(job, TIMEOUT_S)
        except (Unreadable, ParserGone) as error:
            raise NotFetched(str(error), retryable=error.retryable) from error
