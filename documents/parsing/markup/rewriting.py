"""Rewrites the markup of a web page or e-book that plain text would lose: powers, formulas, readings, deletions."""

import re
from collections.abc import Iterator
from typing import Literal

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring

from . import superscripts

_HEIGHTS = {"sup": superscripts.raised, "sub": superscripts.lowered}
_FORMATTING = {"b", "strong", "i", "em", "span"}
_BREAKS = {
    "p",
    "div",
    "li",
    "td",
    "th",
    "br",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "dt",
    "dd",
    "blockquote",
    "pre",
}
_NEEDED = re.compile(
    r"<(?:sup|sub|math|rt|del|ins|aside|figcaption|noscript)\b|\shidden\b|noteref|cookie|consent",
    re.IGNORECASE,
)
_SHOWN_IN_TABS = "tabpanel"
_LINK_SHARE = 0.5  # a box of which less is text outside of links is a menu
_BOX = re.compile(
    r"\b(?:note|notice|tip|hint|info|important|warn|warning|caution|danger|alert|admonition|callout|attention)",
    re.I,
)
_BANNER = re.compile(
    r"cookie[-_ ]?(?:banner|bar|notice|consent|popup|pop-up|overlay|dialog|modal|message|law|alert|hint|layer)"
    r"|(?:consent|gdpr|dsgvo)[-_ ]?(?:banner|bar|popup|overlay|dialog|modal|manager)|cc-window|cookieconsent|onetrust"
    r"|cybot|usercentrics|didomi|iubenda|klaro|cmplz|borlabs|termly|truste|osano|quantcast|qc-cmp",
    re.IGNORECASE,
)


def rewritten(html: str, *, method: Literal["html", "xml"] = "html") -> tuple[str, int]:
    """Return a page that was rewritten, the same if it has nothing to rewrite, and how many deleted passages it lost.

    method: its syntax.
    """
    if not _NEEDED.search(html):
        return html, 0
    try:
        page = document_fromstring(
            html.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8", no_network=True)
        )
    except (etree.ParserError, ValueError):
        return html, 0
    deleted = rewrite(page)
    return tostring(page, encoding="unicode", method=method), deleted


def rewrite(page: HtmlElement) -> int:
    """Rewrite the page in place. Return how many deleted passages were dropped."""
    for element in list(page.iter("math")):
        _replace(element, f" {' '.join(_formula(element).split())} ")
    for element in list(page.iter("rt")):
        _replace(element, f" ({element.text_content().strip()})" if element.text_content().strip() else "")
    for element in list(page.iter("rp")):
        _replace(element, "")
    _raise(page)
    deleted = list(page.iter("del"))
    for element in [*deleted, *page.xpath(f"//*[@hidden][not(@role='{_SHOWN_IN_TABS}')]")]:
        if element.getparent() is not None:
            _replace(element, "")
    for element in list(page.iter("ins")):
        element.drop_tag()
    _drop_notices(page)
    _keep_asides(page)
    return len(deleted)


def _drop_notices(page: HtmlElement) -> None:
    """Drop cookie banners, and what a browser shows without JavaScript, unless it is the page's own text."""
    for element in list(page.iter("noscript")):
        if "javascript" in element.text_content().lower():
            element.drop_tree()
        else:
            element.tag = "div"
    for element in list(page.iter("div", "section", "aside", "dialog", "form", "footer")):
        names = " ".join(filter(None, map(element.get, ("id", "class", "aria-label"))))
        if element.getparent() is not None and _BANNER.search(names):
            element.drop_tree()
        elif "cookie" in names.lower():  # trafilatura would take a section about cookies for a banner
            for name in ("id", "class"):
                element.attrib.pop(name, None)


def _keep_asides(page: HtmlElement) -> None:
    """Turn boxes and captions within the main text into ordinary text: trafilatura drops them."""
    for aside in page.xpath("//main//aside | //article//aside | //*[@role='main']//aside"):
        if _own_length(aside) > _LINK_SHARE * len(aside.text_content().strip()):
            _make_plain(aside)
    for box in page.xpath("//aside | //*[@role='note']"):
        if box.get("role") == "note" or _BOX.search(box.get("class", "")):
            _make_plain(box)
    for caption in page.iter("figcaption"):
        caption.tag = "p"
        if (figure := caption.getparent()) is not None and figure.tag == "figure":
            figure.tag = "div"


def _make_plain(aside: HtmlElement) -> None:
    aside.tag = "div"
    for element in aside.iter():
        for name in ("id", "class", "role"):
            element.attrib.pop(name, None)


def _own_length(element: HtmlElement) -> int:
    """Return the number of characters outside of links."""
    return sum(len(text.strip()) for text in element.xpath(".//text()[not(ancestor::a)]"))


def _raise(page: HtmlElement) -> None:
    """Write subscripts and superscripts in the line, so that no number becomes another one."""
    for link in page.xpath(
        "//a[contains(@*[local-name()='type' or local-name()='epub:type'], 'noteref') or @role='doc-noteref']"
    ):
        if link.xpath("not(ancestor::sup)"):
            _replace(link, f"[{link.text_content().strip(' []()')}]")
    for element in list(page.iter(*_HEIGHTS)):
        text = element.text_content()
        is_note = element.find(".//a[@href]") is not None and re.fullmatch(r"\W*\d{1,3}\W*", text)
        written = (
            f"[{text.strip(' []()')}]" if is_note else _HEIGHTS[str(element.tag)](_before(element), text)
        )
        tail = element.tail or ""
        if written[-1:].isdigit() and tail[:1].isdigit():
            written += " "
        parent = element.getparent()
        _replace(element, written)
        if parent.tag in _FORMATTING:  # **10***^6* would be no Markdown
            parent.drop_tag()


def _before(element: HtmlElement) -> str:
    """Return the text that stands before an element in its block."""
    parts: list[str] = []
    for text, is_break in _backwards(element):
        parts.append(text)
        if is_break or sum(map(len, parts)) > 40:
            break
    return "".join(reversed(parts))


def _backwards(element: HtmlElement) -> Iterator[tuple[str, bool]]:
    """Yield the texts before an element, the nearest first, and whether a block begins there."""
    while (parent := element.getparent()) is not None:
        before = element.getprevious()
        while before is not None:
            yield before.tail or "", False
            yield (before.text_content() if isinstance(before.tag, str) else ""), before.tag in _BREAKS
            before = before.getprevious()
        yield parent.text or "", parent.tag in _BREAKS
        element = parent


def _replace(element: HtmlElement, text: str) -> None:
    """Put a text into the place of an element. What follows the element stays."""
    parent, before = element.getparent(), element.getprevious()
    text += element.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent.remove(element)


def _formula(element: HtmlElement, depth: int = 0) -> str:
    """Return a formula of MathML Core in one line: (a+b)/2, x^2, √(y)."""
    if depth > 50 or not isinstance(element.tag, str) or element.tag.startswith("annotation"):
        return ""
    parts = [_formula(child, depth + 1) for child in element]
    match element.tag, parts:
        case "msup" | "mover", [base, power]:
            return f"{base}^{_grouped(power)}"
        case "msub" | "munder", [base, index]:
            return f"{base}_{_grouped(index)}"
        case "msubsup" | "munderover", [base, index, power]:
            return f"{base}_{_grouped(index)}^{_grouped(power)}"
        case "mfrac", [above, below]:
            return f"{_grouped(above)}/{_grouped(below)}"
        case "msqrt", _:
            return f"√({''.join(parts)})"
        case "mroot", [base, degree]:
            return f"root {degree} of ({base})"
        case "mtr", _:
            return ", ".join(parts) + "; "
        case _:
            return (element.text or "").strip() + "".join(parts)


def _grouped(text: str) -> str:
    return text if text.isalnum() else f"({text})"
