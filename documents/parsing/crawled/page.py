"""Reads a web page's title, links and robots directives. It runs in the sandbox, and bounds what it returns."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from urllib.parse import urljoin

_MAX_CHARACTERS = 5_000_000
_MAX_LINKS = 10_000
_MAX_URL_CHARACTERS = 2_083  # what browsers and servers take; a longer one would be copied for each link
_MAX_WORD_CHARACTERS = 80
_MAX_WORDS = 400  # distinct ones: enough to tell two texts apart
_WORD = re.compile(r"\w+")
_UNSEEN = {"script", "style", "noscript", "template", "title"}
_MAX_TITLE_CHARACTERS = 1000  # a title that never ends would be copied again and again
# A number of seconds, and after a separator an address, mostly behind "url=":
# https://html.spec.whatwg.org/multipage/semantics.html#shared-declarative-refresh-steps
_REFRESH = re.compile(
    r"""\s*(?:\d+|(?=\.))[\d.]*(?:\s*[;,]|\s)\s*(?:url\s*=\s*)?+(?:"([^"]+)|'([^']+)|([^'"\s].*))""",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Page:
    title: str = ""
    links: list[str] = field(default_factory=list)  # absolute, as written
    canonical: str = ""  # its rel="canonical" address
    is_noindex: bool = False
    is_nofollow: bool = False
    # The first distinct words that a reader sees, in lower case; None if it is not a web page
    words: list[str] | None = None


def read_page(html: str, url: str) -> Page:
    reader = _Reader(url)
    reader.feed(html[:_MAX_CHARACTERS])
    reader.page.words = list(reader.words)
    return reader.page


def refresh_target(content: str) -> str:
    """Return the address in a refresh tag or header, "" if there is none: then the page reloads itself."""
    found = _REFRESH.match(content)
    return next((address for address in found.groups() if address), "") if found else ""


def robots_words(content: str) -> set[str]:
    """Return the directives of a robots tag or header, such as noindex and nofollow."""
    words = {word.strip().rpartition(":")[2].strip() for word in content.lower().split(",")}
    return words | ({"noindex", "nofollow"} if "none" in words else set())


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page(words=[])
        self.words: dict[str, None] = {}
        self._unseen = ""  # the element that the parser is in, whose text a reader does not see
        self._base = url
        self._has_base = self._is_in_title = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self._unseen = tag if tag in _UNSEEN else self._unseen
        match tag:
            case "title":
                self._is_in_title = not self.page.title
            case "base" if "href" in values and not self._has_base:  # by HTML, only the first one counts
                self._has_base = True
                self._base = self._absolute(values["href"]) or self._base
            case "a" | "area" if "href" in values and "nofollow" not in values.get("rel", "").lower().split():
                self._add(values["href"])
            case "link" if values.get("rel", "").lower() == "canonical":
                self.page.canonical = self._absolute(values.get("href", ""))
            case "meta":
                self._meta(values)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._is_in_title = False
        if tag == self._unseen:
            self._unseen = ""

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Skip the section, as browsers do: HTMLParser raises AssertionError if it does not know it."""
        return self.parse_bogus_comment(i, report=False)

    def handle_data(self, data: str) -> None:
        if not self._unseen and len(self.words) < _MAX_WORDS:
            found = islice(_WORD.finditer(data), _MAX_WORDS)
            self.words |= dict.fromkeys(each[0].lower()[:_MAX_WORD_CHARACTERS] for each in found)
        if self._is_in_title and len(self.page.title) < _MAX_TITLE_CHARACTERS:
            added = data[:_MAX_TITLE_CHARACTERS]
            self.page.title = " ".join((self.page.title + added).split())

    def _meta(self, values: dict[str, str]) -> None:
        content = values.get("content", "")
        if values.get("name", "").lower() in ("robots", "ragsite"):
            words = robots_words(content)
            self.page.is_noindex |= "noindex" in words
            self.page.is_nofollow |= "nofollow" in words
        elif values.get("http-equiv", "").lower() == "refresh":
            self._add(refresh_target(content))

    def _add(self, href: str) -> None:
        if href and len(self.page.links) < _MAX_LINKS and (absolute := self._absolute(href)):
            self.page.links.append(absolute)

    def _absolute(self, href: str) -> str:
        """Return the URL, or "" for one that is not valid or too long."""
        if len(href) > _MAX_URL_CHARACTERS:
            return ""
        try:
            absolute = urljoin(self._base, href.strip())
        except ValueError:
            return ""
        return absolute if len(absolute) <= _MAX_URL_CHARACTERS else ""
