"""Browser tests: the text of an answer looks the same while it is written, when it is finished, and after a reload."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from chat.pages.render import Citation, render
from tests.chat.serving import served_in_thread

from .texts import EVERYTHING, PARTS

pytestmark = pytest.mark.django_db(transaction=True)

CITATIONS = [Citation(number, f"/p/{number}/", f"Title & {number}") for number in (1, 2, 3)]
HELPERS = """
window.helpers = (async () => {
  const { LiveText, loadRenderer } = await import("/static/js/text/live-text.js");
  const { restoreSources } = await import("/static/js/text/sources.js");
  await Promise.all([loadRenderer(), import("/static/js/text/code-colours.js"), import("/static/js/text/formulas.js")]);
  const create = async (citations = []) => {
    const live = new LiveText(document.createElement("div"));
    await null;
    live.citations = new Map(citations.map(([number, href, title]) => [number, { href, title }]));
    return live;
  };
  return { create, restoreSources };
})();
"""
# Return the texts whose elements are other ones than those of the server's HTML.
COMPARE = """async ({ texts, citations }) => {
  const { create, restoreSources } = await helpers;
  const different = [];
  for (const [text, html] of texts) {
    const template = document.createElement("template");
    template.innerHTML = `<div>${html}</div>`;
    const expected = template.content.firstChild;
    const live = await create(citations);
    live.append(text);
    live.finish();
    const shown = live.element.cloneNode(true);
    restoreSources(shown);
    if (!shown.isEqualNode(expected)) different.push([text, shown.innerHTML, expected.innerHTML]);
  }
  return different;
}"""
# Return what is shown after each character, and whether complete blocks stayed the same nodes throughout.
STREAM = """async (text) => {
  const { create, restoreSources } = await helpers;
  const live = await create();
  const shown = [];
  let before = [], isKept = true;
  for (const character of text) {
    live.append(character);
    live.render();
    const now = [...live.element.children].map((each) => [each, each.outerHTML]);
    isKept &&= before.slice(0, -1).every(([each, html], at) => now[at]?.[0] === each && now[at][1] === html);
    before = now;
    const copy = live.element.cloneNode(true);
    restoreSources(copy);
    shown.push(copy.innerHTML);
  }
  return { shown, isKept };
}"""


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


@pytest.fixture
def page(page: Page) -> Page:
    """Open a page that the policy covers, with the modules that show texts."""
    page.goto("/login/")
    page.evaluate(HELPERS)
    return page


def differences(page: Page, texts: list[str]) -> Any:
    known = [[each.number, each.href, each.title] for each in CITATIONS]
    pairs = [[text, str(render(text, CITATIONS))] for text in texts]
    return page.evaluate(COMPARE, {"texts": pairs, "citations": known})


def test_the_browser_builds_the_elements_that_the_server_renders_of_every_prefix(page: Page) -> None:
    texts = [part[:end] for part in PARTS.values() for end in range(len(part) + 1)]
    assert differences(page, [EVERYTHING, *texts]) == []


def test_complete_blocks_stay_the_same_nodes_while_the_text_grows(page: Page) -> None:
    assert page.evaluate(STREAM, EVERYTHING)["isKept"]


NEVER_SHOWN = {  # text -> what no prefix of it shows
    "Total\n- item one\n- item two": "<h",
    "Some\n1. first\n2. second": "<p>1",
    "14~18 and 22~27, ~5 and ~6": "<s>",
    "so **bold** and *lean*, ***both*** words": "*",
    "~~struck~~ `code` ``a`b``": "~",
    "see [the guide](https://example.org/a_b) and ![x](https://e.org/c)": "[",
    "so\n\n| Pump | Days |\n|:--|--:|\n| P7 | 3 |": "|",
    "Name | Days\n--- | ---\na | b": "|",
    "- [x] done\n- [ ] open": "[",
    "```python\nx = 1\n```\nend": "```",
    "箱は**「青色」**です": "*",
    "&amp; &copy; \\* <https://example.org>": "&lt;",
}


def test_no_half_mark_shows(page: Page) -> None:
    for text, never in NEVER_SHOWN.items():
        assert [shown for shown in page.evaluate(STREAM, text)["shown"] if never in shown] == []


def test_half_a_formula_is_its_source(page: Page) -> None:
    for formula in (r"$$\frac{a}{b}$$", r"\[x_1^2\]", r"\(a\,b_1\)", "$x_1$", "$$\na_1*b*c\n$$"):
        shown = page.evaluate(STREAM, formula)["shown"]
        assert not [html for html in shown if "<em>" in html or ("\\" in html and "maths" not in html)]
        assert 'class="maths' in shown[-1]


# Return the milliseconds of a thousand pieces at the start and at the end of a text, and of the longest one.
COST = """async ([text, step]) => {
  const { create } = await helpers;
  const live = await create();
  const times = [];
  const show = (start, end) => {
    const begun = performance.now();
    live.append(text.slice(start, end));
    live.render();
    times.push(performance.now() - begun);
  };
  const [first, last] = [4000, text.length - 4000];
  for (let at = 0; at < first; at += step) show(at, at + step);
  for (let at = first; at < last; at += 200) show(at, Math.min(last, at + 200));
  for (let at = last; at < text.length; at += step) show(at, at + step);
  const sum = (parts) => parts.reduce((all, each) => all + each, 0);
  const count = first / step;
  return { start: sum(times.slice(0, count)), end: sum(times.slice(-count)), longest: Math.max(...times) };
}"""


def test_a_piece_costs_the_same_at_the_end_of_a_long_answer(page: Page) -> None:
    paragraph = "Some **bold** words, $x_{1}^2 + y$ and `code` in a list:\n\n- one\n- two [1]\n\n"
    text = paragraph * 300 + "A last paragraph of words.\n\n" * (60_000 // 28)
    cost = page.evaluate(COST, [text[: 60_000 - 4000] + text[:4000], 4])
    assert cost["end"] < 2 * cost["start"] + 100, cost
    assert cost["longest"] < 200, cost
