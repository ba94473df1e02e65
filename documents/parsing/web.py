"""Reads a web page: its main text with headings, tables and code, without menus and banners."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import trafilatura
from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from documents.errors import Unreadable

from . import markdown
from .encodings import declared_label, decoded
from .markup import rewriting
from .outline import outline
from .parts import left_out
from .types import NO_TEXT_ON_PAGE, Extraction

VERSION = trafilatura.__version__

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # our own errors report its failures

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_PROSE = ("p", "pre", "li", "dd", "td", "blockquote")
_MAIN_SHARE = 0.85  # an element with this share of the prose contains the page's main text
_MAX_NOTICE_CHARACTERS = 500
_PERMALINK_SIGNS = {"¶", "#", "§", "🔗", ""}


def read(path: Path, languages: Sequence[str] = ()) -> Extraction:
    """Raises Unreadable."""
    data = path.read_bytes()
    found = decoded(data, declared_label(data), languages)
    page = _parse(found.text)
    deleted = rewriting.rewrite(page)
    text = _main_text(_main(page)) or _main_text(page)
    if not text or _is_notice(text):
        raise Unreadable(NO_TEXT_ON_PAGE)
    notes = (left_out("deleted passages", deleted),) if deleted else ()
    return Extraction(
        tuple(outline(markdown.plain_blocks(text))),
        None,
        "trafilatura",
        VERSION,
        facts=found.facts,
        notes=(*found.notes, *notes),
    )


def _parse(html: str) -> HtmlElement:
    try:
        # Bytes, because lxml refuses a str that declares its own encoding.
        page = document_fromstring(html.encode("utf-8", "replace"), parser=_parser())
    except (etree.ParserError, ValueError) as error:
        raise Unreadable(NO_TEXT_ON_PAGE) from error
    _drop_permalinks(page)
    return page


def _is_notice(text: str) -> bool:
    """Return whether this is all about JavaScript: what a page says that a program must build."""
    return len(text) < _MAX_NOTICE_CHARACTERS and "javascript" in text.lower()


def _parser() -> HTMLParser:
    return HTMLParser(encoding="utf-8", no_network=True, remove_comments=True)


def _drop_permalinks(page: HtmlElement) -> None:
    """Remove the signs that link a heading to itself: trafilatura takes a heading that is a link for a menu."""
    for heading in list(page.iter(*_HEADINGS, "dt")):
        for link in list(heading.iter("a")):
            if link.text_content().strip() in _PERMALINK_SIGNS:
                link.drop_tree()
            elif heading.tag != "dt":
                link.drop_tag()


def _main(page: HtmlElement) -> HtmlElement:
    """Return a page with only the element that contains nearly all prose, headings included.

    trafilatura finds the main part by names that sites commonly give it. If none matches (measured on
    Sphinx's older themes), it keeps the paragraphs and loses the headings.
    """
    part = page.find("body")
    if part is None:
        return page
    least = _MAIN_SHARE * _prose_length(part)
    while not any(child.tag in _HEADINGS for child in part):
        inner = next((child for child in part if _prose_length(child) >= max(least, 1)), None)
        if inner is None or inner.tag in _PROSE:
            break
        part = inner
    alone = document_fromstring("<html><body><article></article></body></html>")
    article = alone.find("body/article")
    article.append(part)
    return alone


def _prose_length(element: HtmlElement) -> int:
    return sum(len(text) for text in _prose(element))


def _prose(element: HtmlElement) -> Iterator[str]:
    """Yield the text of paragraphs, items and cells outside of links: menus consist of links only."""
    if element.tag in _PROSE:
        yield from element.xpath(".//text()[not(ancestor::a)]")
    elif isinstance(element.tag, str) and element.tag not in ("nav", "script", "style", "footer"):
        for child in element:
            yield from _prose(child)


def _main_text(page: HtmlElement) -> str:
    return (
        trafilatura.extract(
            page, output_format="markdown", include_tables=True, include_comments=False,
            include_formatting=True, include_links=False, favor_recall=True,
        )
        or ""
    )  # fmt: skip
