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
# Return a text as the page shows it when nothing follows, and the server's HTML of it as the browser reads it.
COMPARE = """async ({ texts, citations }) => {
  const { LiveText, loadRenderer } = await import("/static/js/text/live-text.js");
  await Promise.all([loadRenderer(), import("/static/js/text/code-colours.js"), import("/static/js/text/formulas.js")]);
  const { restoreSources } = await import("/static/js/text/sources.js");
  const known = new Map(citations.map(([number, href, title]) => [number, { href, title }]));
  const different = [];
  for (const [text, html] of texts) {
    const template = document.createElement("template");
    template.innerHTML = `<div>${html}</div>`;
    const live = new LiveText(document.createElement("div"));
    await null;
    live.citations = known;
    live.append(text);
    live.finish();
    const expected = template.content.firstChild;
    const shown = live.element.cloneNode(true);
    restoreSources(shown);
    if (!shown.isEqualNode(expected)) different.push([text, shown.innerHTML, expected.innerHTML]);
  }
  return different;
}"""


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


def differences(page: Page, texts: list[str]) -> Any:
    known = [[each.number, each.href, each.title] for each in CITATIONS]
    pairs = [[text, str(render(text, CITATIONS))] for text in texts]
    return page.evaluate(COMPARE, {"texts": pairs, "citations": known})


def test_the_browser_builds_the_elements_that_the_server_renders_of_every_prefix(page: Page) -> None:
    page.goto("/login/")
    texts = [part[:end] for part in PARTS.values() for end in range(len(part) + 1)]
    assert differences(page, [EVERYTHING, *texts]) == []
