"""An answer for the clipboard: as HTML for word processors, and as plain text for plain fields, with its sources.

Both come from the Markdown that the model wrote, so that each formula is there once, as its TeX source. In plain text a
table has a tab between its cells, which spreadsheets understand, and no asterisks, pipes or fences remain.
"""

import re
from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from chat.models import Answer, AnswerPassage

from .markdown_text import MOST_CHARACTERS
from .reading import passages_of

# TeX between dollars as pandoc has it: no space inside at the ends, and no digit after it, so that prices are none.
# https://pandoc.org/MANUAL.html#math
_FORMULA = re.compile(
    r"\$\$[\s\S]+?\$\$|\$(?![\s$])(?:\\.|[^$\\\n])+?(?<!\s)\$(?!\d)|\\\([\s\S]+?\\\)|\\\[[\s\S]+?\\\]"
)


def _formula(state: StateInline, silent: bool) -> bool:
    """Keep a formula as it is: Markdown would take its backslashes and underscores away."""
    found = _FORMULA.match(state.src, state.pos) if state.src[state.pos] in "$\\" else None
    if found is None:
        return False
    if not silent:
        state.push("text", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")
    parser.inline.ruler.before("escape", "formula", _formula)
    parser.validateLink = lambda url: url.lower().startswith(("http://", "https://", "mailto:"))  # type: ignore[method-assign]
    return parser


_PARSER = _parser()
_ALLOWED = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s", "a"),
    *("code", "pre", "table", "thead", "tbody", "tr", "th", "td", "b"),
}  # fmt: skip


def as_html(answer: Answer) -> str:
    """Return the text and the sources of an answer of `read_answer` as HTML that holds no script and fetches nothing."""
    sources = "".join(f"<p>[{each.number}] {escape(_describe(each))}</p>" for each in _cited(answer))
    heading = "<p><b>Sources</b></p>" if sources else ""
    return nh3.clean(
        _html(answer.text) + heading + sources,
        tags=_ALLOWED,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
    )


def as_plain_text(answer: Answer) -> str:
    """Return the text and the sources of an answer of `read_answer` without any markup."""
    sources = [f"[{each.number}] {_describe(each)}" for each in _cited(answer)]
    return "\n".join([_plain(answer.text), *(["", "Sources:"] if sources else []), *sources])


def as_markdown(answer: Answer) -> str:
    """Return the Markdown as the model wrote it, with the sources below it."""
    sources = [f"[{each.number}] {_describe(each)}" for each in _cited(answer)]
    return "\n".join(
        [answer.text, *(["", "Sources:", ""] if sources else []), *(f"- {each}" for each in sources)]
    )


def _cited(answer: Answer) -> Sequence[AnswerPassage]:
    numbers = {int(each) for each in re.findall(r"\d+", " ".join(_BRACKETS.findall(answer.text)))}
    return [each for each in passages_of(answer) if each.number in numbers]


_BRACKETS = re.compile(r"\[[\d, ]+\]")


def _describe(passage: AnswerPassage) -> str:
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(filter(None, [passage.document_title, " › ".join(passage.title_path[-2:]), page]))


# --- HTML ----------------------------------------------------------------------------------------


def _html(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        return f"<pre>{escape(text)}</pre>"
    tokens = _PARSER.parse(text)
    for token in tokens:
        token.children = [_without_picture(each) for each in token.children or []] or token.children
    return str(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _without_picture(token: Token) -> Token:
    """Return the words of a picture instead of it: a word processor would fetch it."""
    return Token("text", "", 0, content=token.content) if token.type == "image" else token


# --- plain text ----------------------------------------------------------------------------------


def _plain(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        return text
    writer = _PlainText()
    for token in _PARSER.parse(text):
        writer.write(token)
    return writer.text


class _PlainText:
    """Writes tokens as lines. A list item begins with its mark, what is in it is indented, a row of a table has tabs."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lists: list[int | None] = []  # the number of the next item of each open list; None: it has none
        self._mark = ""
        self._quotes = 0
        self._cells: list[str] | None = None
        self._is_tight = False

    @property
    def text(self) -> str:
        return "\n".join(self._lines).strip("\n")

    def write(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._end_block(is_inner=bool(self._lists))
            case "list_item_open":
                self._mark = self._next_mark()
            case "blockquote_open" | "blockquote_close":
                self._quotes += 1 if token.nesting > 0 else -1
            case "paragraph_open":
                self._is_tight = token.hidden
            case "tr_open":
                self._cells = []
            case "tr_close":
                self._add("\t".join(self._cells or []))
                self._cells = None
            case "inline" if self._cells is not None:
                self._cells.append(" ".join(_words(token).split()))
            case "inline":
                self._add(_words(token))
            case "fence" | "code_block":
                self._add(token.content.rstrip("\n"))
                self._end_block()
            case "paragraph_close" | "heading_close" | "table_close":
                self._end_block(is_inner=self._is_tight and token.type == "paragraph_close")
            case "hr":
                self._add("---")
                self._end_block()

    def _next_mark(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _add(self, text: str) -> None:
        indent = "> " * self._quotes + "  " * max(0, len(self._lists) - 1)
        for line in text.split("\n"):
            deeper = "" if self._mark else "  " * bool(self._lists)
            self._lines.append(f"{indent}{deeper}{self._mark}{line}".rstrip(" "))
            self._mark = ""

    def _end_block(self, *, is_inner: bool = False) -> None:
        if not is_inner and self._lines and self._lines[-1]:
            self._lines.append("")


def _words(token: Token) -> str:
    """Return the words of a paragraph; a link has its address behind them."""
    words, address = "", ""
    for child in token.children or ():
        match child.type:
            case "softbreak" | "hardbreak":
                words += "\n"
            case "link_open":
                address, start = str(child.attrs["href"]), len(words)
            case "link_close" if words[start:] != address:
                words += f" ({address})"
            case _:
                words += child.content
    return words
