"""Citations: `[2]` in a text becomes a chip that leads to passage 2, if there is one. Not in code, links and formulas."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from inference.citations import CITED


@dataclass(frozen=True, slots=True)
class Citation:
    """The link target of a passage number in the text."""

    number: int
    href: str
    title: str  # of the document, for screen readers


def install(markdown: MarkdownIt) -> None:
    markdown.core.ruler.before("text_join", "citations", _cite_all)


def _cite_all(state: StateCore) -> None:
    citations = state.env["citations"]
    for token in state.tokens:
        if token.children:
            token.children = list(_cite_outside_links(token.children, citations))


def _cite_outside_links(children: Sequence[Token], citations: Mapping[int, Citation]) -> Iterator[Token]:
    """Nothing inside a link becomes another link, and an image becomes a link, so that nothing is fetched."""
    links = 0  # the nesting depth
    for token in children:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "image":
            yield from _image_as_link(token, inside_link=links > 0)
        elif token.type == "text" and not links:
            yield from _cite(token.content, citations)
        else:
            yield token


def _image_as_link(image: Token, *, inside_link: bool) -> Iterator[Token]:
    words = Token("text", "", 0, content=image.content or str(image.attrs["src"]))
    if inside_link:
        yield words
        return
    yield Token("link_open", "a", 1, attrs={"href": image.attrs["src"]})
    yield words
    yield Token("link_close", "a", -1)


def _cite(text: str, citations: Mapping[int, Citation]) -> Iterator[Token]:
    at = 0
    for match in CITED.finditer(text):
        numbers = sorted({int(number) for number in re.findall(r"\d+", match[0])})
        known = [citations[number] for number in numbers if number in citations]
        if not known:
            continue
        yield Token("text", "", 0, content=_glue(text[at : match.start()]))
        yield from (Token("citation", "", 0, meta={"citation": citation}) for citation in known)
        if unknown := [str(number) for number in numbers if number not in citations]:
            yield Token("text", "", 0, content=f"[{', '.join(unknown)}]")
        at = match.end()
    yield Token("text", "", 0, content=text[at:])


def _glue(text: str) -> str:
    """Return the text with a no-break space at its end, so that a chip does not begin a line alone."""
    return f"{text[:-1]}\u00a0" if text.endswith(" ") else text
