"""Renders a model's Markdown as sanitised HTML (XSS protection).

The text is untrusted: the model that wrote it has read strangers' documents (indirect prompt injection). So
HTML in it is escaped, links can only use http, https or mailto, nothing makes the browser fetch anything (an
image becomes a link), and the result passes a strict allowlist.

static/js/markdown/ builds the same elements while an answer is written. Formulas, diagrams and code are their source
here; the browser draws and colours them (static/js/drawn/).
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .grammar import Citation, grammar

__all__ = ["Citation", "cited_numbers", "render", "render_cited"]

PLAIN_FROM_CHARACTERS = 1_000_000  # a longer text is shown as plain text: no model writes that much at once
# A paragraph with more is shown without marks: what the parser looks for behind each of these costs too much.
INLINE_MAX_CHARACTERS = 100_000
INLINE_MAX_OPENINGS = 500
OPENINGS_BUDGET = 5_000_000  # squares of the openings, over all paragraphs: some seconds
LANGUAGE_MAX_CHARACTERS = 24
DIAGRAM = "mermaid"


def render(text: str, citations: Sequence[Citation] = ()) -> SafeString:
    """Return safe HTML for Markdown, with a link chip for each `[number]` that is among the citations."""
    return render_cited(text, citations)[0]


def render_cited(text: str, citations: Sequence[Citation]) -> tuple[SafeString, set[int]]:
    """Return the HTML, and the numbers that became chips."""
    if len(text) > PLAIN_FROM_CHARACTERS:
        return mark_safe(f'<p class="plain" dir="auto">{escape(text)}</p>'), set()
    known = {citation.number: citation for citation in citations}
    cited: set[int] = set()
    html = _MARKDOWN.render(text, {"citations": known, "cited": cited})
    return mark_safe(_CLEANER.clean(html)), cited


def cited_numbers(text: str, among: Sequence[int]) -> list[int]:
    """Return, sorted, the numbers that `render` would turn into chips."""
    return sorted(render_cited(text, [Citation(number, "", "") for number in among])[1])


# --- rewriting the tokens ------------------------------------------------------------------------

_ALIGNED = re.compile(r"text-align:(left|center|right)")
_CONTAINERS = frozenset({"blockquote_open", "bullet_list_open", "ordered_list_open", "table_open"})
_TEXTS = frozenset({"paragraph_open", "heading_open"})


def _leave_plain(state: StateCore) -> None:
    spent = 0
    for token in state.tokens:
        if token.type == "inline":
            openings = token.content.count("[") + token.content.count("\\(")
            spent += openings**2
            is_too_much = openings > INLINE_MAX_OPENINGS or (spent > OPENINGS_BUDGET and openings > 20)
            if is_too_much or len(token.content) > INLINE_MAX_CHARACTERS:
                token.type = "text"
                token.children = None


def _adapt(state: StateCore) -> None:
    """Adjust headings and attributes.

    The direction of a list or quotation follows its text. The browser ignores elements with a direction of their own
    when it looks for that, so paragraphs in it have none.
    """
    for token in state.tokens:
        if token.type in _CONTAINERS or (token.type in _TEXTS and token.level == 0):
            token.attrSet("dir", "auto")
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # the page itself uses h1 and h2
        if aligned := _ALIGNED.match(str(token.attrs.pop("style", ""))):  # the CSP allows no style
            token.attrSet("class", f"align-{aligned[1]}")
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("target", "_blank")


# --- rendering the tokens ------------------------------------------------------------------------


class _Renderer(RendererHTML):
    def renderToken(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Return the tag, with a line break after the end of each block and nowhere else."""
        token = tokens[index]
        is_end = token.block and token.nesting <= 0 and not token.hidden
        return super().renderToken(tokens, index, options, env).rstrip("\n") + "\n" * is_end

    def hardbreak(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return "<br>"

    def citation(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        cited: Citation = tokens[index].meta["citation"]
        env["cited"].add(cited.number)
        label = escape(f"Passage {cited.number}: {cited.title}")
        return (
            f'<a class="citation" href="{escape(cited.href)}" data-citation="{cited.number}" '
            f'aria-label="{label}">{cited.number}</a>'
        )

    def maths(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        is_display = tokens[index].markup in ("$$", r"\[")
        shown = "maths is-display" if is_display else "maths"
        return f'<span class="{shown}" dir="ltr">{escape(tokens[index].content)}</span>'

    def maths_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return f'<div class="maths-block" dir="ltr">{escape(tokens[index].content)}</div>\n'

    def task(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        box = tokens[index]
        return f'<span class="task" role="img" aria-label="{box.meta["label"]}">{box.content}</span>'

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _code_block(tokens[index].content, tokens[index].info)

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return _code_block(tokens[index].content, "")

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        table = self.renderToken(tokens, index, options, env).strip()
        return f'<div class="table-scroll" tabindex="0">{table}'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return "</table></div>\n"


def _code_block(code: str, info: str) -> str:
    language = info.strip().split(maxsplit=1)[0][:LANGUAGE_MAX_CHARACTERS] if info.strip() else ""
    diagram = " data-diagram" if language.lower() == DIAGRAM else ""
    return (
        f'<figure class="code"{diagram}><figcaption><span>{escape(language or "text")}</span>'
        '<button type="button" data-wrap aria-pressed="false">Wrap</button>'
        '<button type="button" data-copy>Copy</button></figcaption>'
        f'<pre tabindex="0" dir="ltr"><code>{escape(code)}</code></pre></figure>\n'
    )


_MARKDOWN = grammar(_Renderer)
_MARKDOWN.core.ruler.before("inline", "leave_plain", _leave_plain)
_MARKDOWN.core.ruler.before("text_join", "adapt", _adapt)
_CLEANER = nh3.Cleaner(
    tags={
        *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s", "a"),
        *("code", "pre", "span", "figure", "figcaption", "button", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    },
    attributes={
        "a": {"href", "data-citation", "aria-label", "title"},
        "button": {"data-wrap", "data-copy", "aria-pressed"},
        "figure": {"data-diagram"},
        "ol": {"start"},
    },
    tag_attribute_values={
        **{
            tag: {"dir": {"auto"}} for tag in ("p", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table")
        },
        "a": {"target": {"_blank"}},
        "button": {"type": {"button"}},
        "div": {"tabindex": {"0"}, "dir": {"ltr"}},
        "pre": {"tabindex": {"0"}, "dir": {"ltr"}},
        "span": {"dir": {"ltr"}, "role": {"img"}, "aria-label": {"Done", "Not done"}},
    },
    allowed_classes={
        "a": {"citation"},
        "figure": {"code"},
        "div": {"table-scroll", "maths-block"},
        "li": {"is-task"},
        "span": {"maths", "is-display", "task"},
        "th": {"align-left", "align-center", "align-right"},
        "td": {"align-left", "align-center", "align-right"},
    },
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)
