"""A page or a feed takes no more time and memory than its sandbox has, and its links are bounded."""

import resource
import time
from contextlib import suppress

import pytest

from documents.errors import NotFetched
from documents.ingestion import crawled
from documents.ingestion.crawled import read_feed, read_page

URL = "https://example.org/a/"


def test_links_are_relative_to_the_first_base_only() -> None:
    page = read_page(b'<base target=_top><base href="/b/"><base href="/c/"><a href="d">', URL)
    assert page.links == ["https://example.org/b/d"]


def test_a_base_of_a_megabyte_is_ignored() -> None:
    html = f'<base href="https://example.org/{"x" * 2**20}/">' + '<a href="y">' * 5000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    page = read_page(html.encode(), URL)
    assert page.links[:2] == ["https://example.org/a/y", "https://example.org/a/y"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_ten_thousand_bases_and_a_million_links_take_no_time() -> None:
    html = "".join(f'<base href="b{n}/">' for n in range(10_000)) + "<a href=x>" * 200_000
    started = time.monotonic()
    assert len(read_page(html.encode(), URL).links) == 10_000
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "opening", ["<!--", "<![CDATA[", "<a ", "<!", "<?", "</a", "<a b='", "&#", "<title>"]
)
def test_a_page_of_unfinished_marks_ends_in_time(monkeypatch: pytest.MonkeyPatch, opening: str) -> None:
    monkeypatch.setattr(crawled, "TIMEOUT_S", 3.0)
    started = time.monotonic()
    with suppress(NotFetched):
        read_page(opening.encode() * 100_000, URL)
    assert time.monotonic() - started < 20


def test_a_feed_is_read_in_a_sandbox_too() -> None:
    rss = "<rss version='2.0'><channel><title>News</title><item><title>One</title><link>b</link></item></channel></rss>"
    feed = read_feed(rss.encode(), URL)
    assert (feed.title, feed.posts[0].title) == ("News", "One")
    with pytest.raises(NotFetched, match="neither an RSS nor an Atom feed"):
        read_feed(b"<html>", URL)
