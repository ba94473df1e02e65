"""Markdown rendering, citations, and sanitising of hostile text (XSS)."""

import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest

from chat.pages.render import PLAIN_FROM_CHARACTERS, Citation, cited_numbers, render
from inference.providers import quotes
from inference.types import ChatRequest, Quotable

PASSAGES = [Citation(number, f"/answers/a/passages/{number}/", f"Title {number}") for number in (1, 2, 3)]


class _Elements(HTMLParser):
    """Collects every element of a piece of HTML with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _chips(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-citation="(\d+)"', html)]


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        pytest.param("**a** *b* ~~c~~", "<strong>a</strong> <em>b</em> <s>c</s>", id="emphasis"),
        pytest.param("# Top", '<h3 dir="auto">Top</h3>', id="headings-below-the-page's-own"),
        pytest.param("##### Deep", '<h6 dir="auto">Deep</h6>', id="headings-end-at-six"),
        pytest.param("3. a", '<ol start="3" dir="auto">', id="list-keeps-its-start"),
        pytest.param("|a|\n|-:|\n|1|", '<td class="align-right">1</td>', id="alignment-without-style"),
        pytest.param(
            "|a|\n|-|\n|1|", '<div class="table-scroll" tabindex="0"><table', id="table-scrolls-itself"
        ),
        pytest.param("a\n\nb", '<p dir="auto">b</p>', id="direction-by-paragraph"),
        pytest.param(
            "- a\n\n- b", '<ul dir="auto"><li><p>a</p>', id="direction-of-a-list-is-that-of-its-text"
        ),
        pytest.param("> a\n>\n> b", '<blockquote dir="auto"><p>a</p>', id="direction-of-a-quote-too"),
        pytest.param("箱は**「青色」**です。", "箱は<strong>「青色」</strong>です。", id="bold-in-brackets"),
        pytest.param(
            "**注意（寒い日）。**窓", "<strong>注意（寒い日）。</strong>窓", id="bold-to-a-full-stop"
        ),
        pytest.param("상자는**(파란색)**이다", "상자는<strong>(파란색)</strong>이다", id="bold-in-Korean"),
        pytest.param("他说~~“旧”~~的", "他说<s>“旧”</s>的", id="struck-in-Chinese"),
        pytest.param("14~18 and 22~27", '<p dir="auto">14~18 and 22~27</p>', id="a-tilde-is-no-strike"),
        pytest.param("- [x] a", 'aria-label="Done">☑</span> a', id="task-done"),
        pytest.param("- [ ] a", 'aria-label="Not done">☐</span> a', id="task-not-done"),
        pytest.param("- [1] a", "[1] a", id="a-number-is-no-task"),
        pytest.param("```\na\n\n  b", "<code>a\n\n  b</code></pre>", id="unclosed-fence"),
        pytest.param("```mermaid\ng\n```", '<figure class="code" data-diagram="">', id="diagram"),
        pytest.param("```python\nx\n```", "<figcaption><span>python</span>", id="language-label"),
        pytest.param("```nosuch\n<b>\n```", "<span>nosuch</span>", id="unknown-language-keeps-its-name"),
        pytest.param("```nosuch\n<b>\n```", "<code>&lt;b&gt;\n</code>", id="unknown-language-is-plain"),
        pytest.param("    indented", "<code>indented\n</code>", id="indented-code"),
    ],
)
def test_markdown_becomes_html(markdown: str, html: str) -> None:
    assert html in render(markdown)


@pytest.mark.parametrize(
    ("text", "chips"),
    [
        pytest.param("So it is [1].", [1], id="one"),
        pytest.param("So it is [3, 1].", [1, 3], id="list-sorted"),
        pytest.param("So it is [3][1] [2].", [1, 2, 3], id="neighbours-sorted-as-one-group"),
        pytest.param("a [2] and b [1]", [2, 1], id="apart-they-stay-in-place"),
        pytest.param("a [1][1]", [1], id="named-twice-shown-once"),
        pytest.param("a [7]", [], id="no-such-passage"),
        pytest.param("a [0] [1234]", [], id="never-a-number"),
        pytest.param("a [1, 7]", [1], id="only-what-exists"),
        pytest.param("`list[1]`", [], id="not-in-code"),
        pytest.param("```\nlist[1]\n```", [], id="not-in-a-fence"),
        pytest.param("```\nlist[1]", [], id="not-in-an-unclosed-fence"),
        pytest.param("    list[1]", [], id="not-in-indented-code"),
        pytest.param("[1](https://example.org)", [], id="a-link-stays-a-link"),
        pytest.param("[see [1]](https://example.org)", [], id="not-inside-a-link"),
        pytest.param(r"\[1\]", [], id="escaped"),
        pytest.param("a [1]\n\n[1]: https://evil.example", [1, 1], id="a-list-of-sources-is-no-definition"),
        pytest.param("**so [1]**\n\n- and [2]\n\n|a|\n|-|\n|[3]|", [1, 2, 3], id="wherever-there-is-text"),
    ],
)
def test_citations_become_chips_for_passages_that_exist(text: str, chips: list[int]) -> None:
    assert _chips(render(text, PASSAGES)) == chips
    assert cited_numbers(text, [1, 2, 3]) == sorted(set(chips))


def _formulas(html: str) -> list[str]:
    return [unescape(found) for found in re.findall(r'class="maths[^>]*>([^<]*)<', html)]


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        pytest.param("so $x_1$, \\(a\\,b\\) and $$c$$", ["$x_1$", "\\(a\\,b\\)", "$$c$$"], id="all-kinds"),
        pytest.param("$$\na\\,b\n$$", ["$$\na\\,b\n$$"], id="block"),
        pytest.param("so:\n\\[\na*b*c\n\\]\nthen", ["\\[\na*b*c\n\\]"], id="block-in-a-paragraph"),
        pytest.param("- a\n\n  $$\n  x\n  $$", ["$$\nx\n$$"], id="block-in-an-item"),
        pytest.param("$$\\frac{a}{b", ["$$\\frac{a}{b"], id="half-a-block-is-its-source"),
        pytest.param("the $n$th of $\\alpha$s, triangle $ABC$", ["$n$", "$\\alpha$", "$ABC$"], id="in-prose"),
        pytest.param("|a|\n|-|\n|$x^2$|", ["$x^2$"], id="in-a-table"),
        pytest.param("was $480, now $455; (~$2.20) and (~$9)", [], id="prices"),
        pytest.param("$/km or $/day; **60$** or **25$**; from $5 to 10$", [], id="prices-behind-and-before"),
        pytest.param(
            "US$5 and US$6, R$ 5 e R$ 6, $5-$10, $AAPL, $TSLA, 5\\$ and 6\\$", [], id="other-prices"
        ),
        pytest.param("$HOME 12 $HOME, $PATH:$HOME and $a, $b = $c", [], id="variables"),
        pytest.param("`$x$`, ``\\(y\\)``\n\n```\n$$z$$\n```\n\n    $a$", [], id="never-in-code"),
        pytest.param("\\[1\\], \\[2] and \\[3, 4\\] \\(see above\\)", [], id="escaped-brackets"),
    ],
)
def test_formulas_are_kept_as_their_source_and_prices_are_none(text: str, formulas: list[str]) -> None:
    assert _formulas(render(text, PASSAGES)) == formulas


def test_a_number_without_a_passage_stays_as_it_was_written() -> None:
    assert "a [7] b" in render("a [7] b", PASSAGES)
    assert _Elements(render("a [1, 7] b", PASSAGES)).text.strip() == "a\u00a01[7] b"


def test_a_chip_leads_to_its_passage_and_says_its_title() -> None:
    title = '"><script>alert(1)</script>'
    html = render("[1]", [Citation(1, "/answers/a/passages/1/", title)])
    ((_, paragraph), (tag, chip)) = _Elements(html).found
    assert (tag, chip["href"], chip["class"]) == ("a", "/answers/a/passages/1/", "citation")
    assert chip["aria-label"] == f"Passage 1: {title}"
    assert "target" not in chip
    assert paragraph == {"dir": "auto"}


HOSTILE = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param("<img src=x onerror=alert(1)>", id="onerror"),
    pytest.param("<svg/onload=alert(1)>", id="svg"),
    pytest.param("<iframe src='https://evil.example'></iframe>", id="iframe"),
    pytest.param("<style>@import 'https://evil.example'</style>", id="style"),
    pytest.param('<a href="#" onclick="alert(1)">a</a>', id="onclick"),
    pytest.param("<form action=https://evil.example><button>", id="form"),
    pytest.param("[a](javascript:alert(1))", id="javascript"),
    pytest.param("[a](JaVaScRiPt:alert(1))", id="javascript-in-odd-case"),
    pytest.param("[a](&#106;avascript:alert(1))", id="javascript-as-entities"),
    pytest.param("[a](java\tscript:alert(1))", id="javascript-with-a-tab"),
    pytest.param("<javascript:alert(1)>", id="javascript-autolink"),
    pytest.param("[a](data:text/html;base64,PHNjcmlwdD4=)", id="data"),
    pytest.param("[a](vbscript:x) [a](file:///etc/passwd) [a](blob:x)", id="other-schemes"),
    pytest.param("[a](/logout/) [b](//evil.example) [c](#x) [d](?q=1)", id="no-relative-links"),
    pytest.param("![a](https://evil.example/pixel?secret)", id="image"),
    pytest.param("[![a](https://evil.example/p)](https://evil.example)", id="image-in-a-link"),
    pytest.param("![a](data:image/svg+xml,<svg/onload=alert(1)>)", id="data-image"),
    pytest.param('[a](https://x.example "onmouseover=alert(1)")', id="title"),
    pytest.param('[a](https://x.example/"onmouseover="alert(1))', id="quote-in-an-address"),
    pytest.param('```"><script>alert(1)</script>\nx\n```', id="language"),
    pytest.param("```html\n<script>alert(1)</script>\n```", id="code"),
    pytest.param("`<script>alert(1)</script>`", id="inline-code"),
    pytest.param("|<b onclick=x>|\n|-|\n|<script>|", id="table"),
    pytest.param("> - > <scr<script>ipt>alert(1)</scr</script>ipt>", id="nested"),
    pytest.param("<!-- --!><script>alert(1)</script> -->", id="comment"),
    pytest.param("<math><mtext><style><img src=x onerror=alert(1)>", id="math"),
    pytest.param("\x00<script\x00>alert(1)</script>\ufeff", id="null-bytes"),
    pytest.param("[1]: javascript:alert(1)\n\n[a][1]", id="reference"),
    pytest.param('$"><script>alert(1)</script>$ $$<img src=x onerror=alert(1)>$$', id="formula"),
    pytest.param('```mermaid\n"><script>alert(1)</script>\n```', id="diagram"),
]
ALLOWED = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s", "a"),
    *("code", "pre", "span", "figure", "figcaption", "button", "div", "table", "thead", "tbody", "tr"),
    *("th", "td"),
}
ALLOWED_ATTRIBUTES = {
    *("href", "rel", "target", "title", "class", "dir", "tabindex", "type", "start", "aria-label"),
    *("aria-pressed", "data-citation", "data-wrap", "data-copy", "data-diagram", "role"),
}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    for tag, attributes in _Elements(render(f"{text} [1]", PASSAGES)).found:
        assert tag in ALLOWED
        assert set(attributes) <= ALLOWED_ATTRIBUTES
        href = attributes.get("href")
        assert href is None or href.startswith(("https://", "/answers/a/"))


def test_a_long_answer_keeps_its_marks() -> None:
    html = render("Some **bold** words and $x^2$.\n\n" * 4000, PASSAGES)
    assert html.count("<strong>") == 4000
    assert "<p class=" in render("**a** " * (PLAIN_FROM_CHARACTERS // 6 + 1))


def test_an_outside_link_opens_apart_and_tells_nothing() -> None:
    ((_, _), (_, link)) = _Elements(render("[a](https://example.org)")).found
    assert link["target"] == "_blank"
    assert set((link["rel"] or "").split()) == {"noopener", "noreferrer", "nofollow"}


def test_an_image_becomes_a_link_that_says_what_it_shows() -> None:
    html = render("![A chart](https://example.org/c.png) ![](https://example.org/d.png)")
    assert _Elements(html).text.strip() == "A chart https://example.org/d.png"
    assert html.count("<a ") == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(("[" * 499 + "a" * 90 + "\n\n") * 500, id="brackets"),
        pytest.param("![[" * 15_000, id="images"),
        pytest.param("a**b" + "c* " * 15_000, id="emphasis"),
        pytest.param(">" * 40_000, id="quotes"),
        pytest.param("- " * 20_000, id="lists"),
        pytest.param("[1]" * 15_000, id="citations"),
        pytest.param("```python\n" + "'" * 39_000, id="code"),
        pytest.param("$a " * 30_000, id="dollars"),
        pytest.param("\\(" * 30_000, id="formulas"),
        pytest.param("\\[\n" * 30_000, id="blocks-of-formulas"),
        pytest.param("<b>" * 300_000, id="longer-than-any-answer"),
    ],
)
def test_huge_text_is_rendered_within_seconds(text: str) -> None:
    started = time.perf_counter()
    html = render(text, PASSAGES)
    assert time.perf_counter() - started < 8
    assert "<b>" not in html


@pytest.mark.parametrize("mark", ["[2]", "[ 2 ]", "[1, 2]", "[1][2]", "[٢]", "*a* [2]"])
def test_a_quote_cites_only_its_own_passage(mark):
    passages = (
        Quotable(1, "A", f"The deposit {mark} is 300 euros."),
        Quotable(2, "B", "Nothing of the kind."),
    )
    text = quotes.answer(ChatRequest((), "How much is the deposit?", passages))
    assert cited_numbers(text, [1, 2]) == [1]
    shown = render(text, [Citation(1, "/1", "A"), Citation(2, "/2", "B")])
    assert mark.removeprefix("*a* ") in shown
