"""Renders a model's Markdown as sanitised HTML (XSS protection).

The text is untrusted: the model that wrote it has read strangers' documents (indirect prompt injection). So
HTML in it is escaped, links can only use http, https or mailto, nothing makes the browser fetch anything (an
image becomes a link), and the result passes a strict allowlist.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from inference.citations import CITED

MARKDOWN_MAX_CHARACTERS = 50_000  # longer text is shown as plain text: no model writes that much at once
HIGHLIGHT_MAX_CHARACTERS = 40_000  # per code block
LANGUAGE_MAX_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Citation:
    """The link target of a passage number in the text."""

    number: int
    href: str
    title: str  # of the document, for screen readers


def render(text: str, citations: Sequence[Citation] = ()) -> SafeString:
    """Return safe HTML for Markdown, with a link chip for each `[number]` that is among the citations."""
    if len(text) > MARKDOWN_MAX_CHARACTERS:
        return mark_safe(f'<p class="plain" dir="auto">{escape(text)}</p>')
    known = {citation.number: citation for citation in citations}
    return mark_safe(_CLEANER.clean(_MARKDOWN.render(text, {"citations": known})))


def cited_numbers(text: str, among: Sequence[int]) -> list[int]:
    """Return, sorted, the numbers that `render` would turn into chips."""
    known = {number: Citation(number, "", "") for number in among}
    tokens = _MARKDOWN.parse(text[:MARKDOWN_MAX_CHARACTERS], {"citations": known})
    inline = (child for token in tokens for child in token.children or ())
    return sorted({child.meta["citation"].number for child in inline if child.type == "citation"})


# --- rewriting the tokens ------------------------------------------------------------------------

_ALIGNED = re.compile(r"text-align:(left|center|right)")
_WITH_DIRECTION = frozenset(
    {
        "paragraph_open",
        "heading_open",
        "blockquote_open",
        "bullet_list_open",
        "ordered_list_open",
        "table_open",
    }
)


def _adapt(state: StateCore) -> None:
    """Rewrite the tokens before rendering: add citations, replace images, adjust headings and attributes."""
    for token in state.tokens:
        if token.type in _WITH_DIRECTION:
            token.attrSet("dir", "auto")
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # the page itself uses h1 and h2
        if aligned := _ALIGNED.match(str(token.attrs.pop("style", ""))):  # the CSP allows no style
            token.attrSet("class", f"align-{aligned[1]}")
        if token.children:
            token.children = list(_adapt_inline(token.children, state.env["citations"]))


def _adapt_inline(children: Sequence[Token], citations: Mapping[int, Citation]) -> Iterator[Token]:
    links = 0  # the nesting depth: nothing inside a link becomes another link
    for token in children:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "link_open":
            token.attrSet("target", "_blank")
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
    yield Token("link_open", "a", 1, attrs={"href": image.attrs["src"], "target": "_blank"})
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


# --- rendering the tokens ------------------------------------------------------------------------


class _Renderer(RendererHTML):
    def citation(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        cited: Citation = tokens[index].meta["citation"]
        label = escape(f"Passage {cited.number}: {cited.title}")
        return (
            f'<a class="citation" href="{escape(cited.href)}" data-citation="{cited.number}" '
            f'aria-label="{label}">{cited.number}</a>'
        )

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _code_block(tokens[index].content, tokens[index].info)

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _code_block(tokens[index].content, "")

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        table = self.renderToken(tokens, index, options, env)
        return f'<div class="table-scroll" tabindex="0">{table}'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return "</table></div>"


def _code_block(code: str, info: str) -> str:
    language = info.strip().split(maxsplit=1)[0][:LANGUAGE_MAX_CHARACTERS] if info.strip() else ""
    lexer = _lexer(language) if len(code) <= HIGHLIGHT_MAX_CHARACTERS else None
    body = highlight(code, lexer, _FORMATTER) if lexer else escape(code)
    label = lexer.name if lexer else language or "Text"
    return (
        f'<figure class="code"><figcaption><span>{escape(label)}</span>'
        '<button type="button" data-wrap aria-pressed="false">Wrap</button>'
        '<button type="button" data-copy>Copy</button></figcaption>'
        f'<pre tabindex="0" dir="ltr"><code>{body}</code></pre></figure>'
    )


def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        return None


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer)
    markdown.enable(["table", "strikethrough"])
    # "[1]: Handbook" at the end of an answer is a list of sources, not a link reference definition that would
    # turn every [1] into a link.
    markdown.disable("reference")
    markdown.validateLink = _is_link  # type: ignore[method-assign]
    markdown.core.ruler.before("text_join", "adapt", _adapt)
    return markdown


def _is_link(url: str) -> bool:
    return url.lower().startswith(("http://", "https://", "mailto:"))


_FORMATTER = HtmlFormatter(nowrap=True)
_MARKDOWN = _markdown()
_CLEANER = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s", "a"),
        *("code", "pre", "span", "figure", "figcaption", "button", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    },
    attributes={
        "a": {"href", "data-citation", "aria-label", "title"},
        "button": {"data-wrap", "data-copy", "aria-pressed"},
        "ol": {"start"},
    },
    tag_attribute_values={
        **{
            tag: {"dir": {"auto"}} for tag in ("p", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table")
        },
        "a": {"target": {"_blank"}},
        "button": {"type": {"button"}},
        "div": {"tabindex": {"0"}},
        "pre": {"tabindex": {"0"}, "dir": {"ltr"}},
    },
    allowed_classes={
        "a": {"citation"},
        "figure": {"code"},
        "div": {"table-scroll"},
        "span": set(STANDARD_TYPES.values()),
        "th": {"align-left", "align-center", "align-right"},
        "td": {"align-left", "align-center", "align-right"},
    },
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)
