"""Browser tests: what an answer's text looks like on the chat page, from its first word to a reload."""

from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from accounts.models import User
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer

from .conftest import wait_until
from .test_chat import ada, ask, ended, models, site_url  # noqa: F401 (fixtures)
from .texts import PARTS

pytestmark = pytest.mark.django_db(transaction=True)

DIAGRAM = "```mermaid\nflowchart LR\n  A[Pump] --> B{Open?}\n```"
BROKEN = "```mermaid\ngraph TD\n  A --> \n  -> [\n```"
HOSTILE = (
    '```mermaid\n%%{init: {"securityLevel": "loose"}}%%\nflowchart LR\n  A["<img src=x onerror=alert(1)>"] --> B\n'
    '  click A "javascript:alert(1)"\n```\n\n'
    r"$\href{javascript:alert(1)}{a}$ and $\includegraphics{https://evil.example/p.png}$ and"
    "\n\n" + r"$$\rule{800em}{800em}$$" + "\n\n" + r"$$\def\a{\a\a}\a$$" + "\n\nthe rest"
)
# Note what moves after an answer has ended, and which of its elements are replaced.
WATCH = """() => {
  window.ends = [];
  window.shifts = [];
  new PerformanceObserver((list) => shifts.push(...list.getEntries().map(({ startTime, value }) => [startTime, value])))
    .observe({ type: "layout-shift" });
  const shown = new Map();
  new MutationObserver(() => {
    for (const answer of document.querySelectorAll("[data-turns] [data-answer]")) {
      const elements = [...answer.querySelectorAll("[data-text] > *")];
      if (!answer.dataset.ended) shown.set(answer, elements);
      else if (shown.has(answer)) {
        ends.push({ at: performance.now(), kept: shown.get(answer).every((each) => each.isConnected) });
        shown.delete(answer);
      }
    }
  }).observe(document.body, { attributes: true, childList: true, subtree: true });
}"""


def rotated(by: int) -> str:
    parts = list(PARTS.values())
    del parts[-1]  # what it opens would hold all that follows
    return "\n\n".join(parts[by:] + parts[:by])


def test_ten_long_answers_end_without_any_movement(page: Page, ada: User, models: OpenAIServer) -> None:  # noqa: F811
    page.evaluate(WATCH)
    for number in range(10):
        models.models["alpha"] = Behaviour(text=rotated(number), between_tokens_s=0.002)
        ask(page, f"Question {number}")
        expect(ended(page)).to_have_count(number + 1, timeout=60_000)
        page.wait_for_timeout(500)
    ends: list[Any] = page.evaluate("ends")
    shifts: list[Any] = page.evaluate("shifts")
    assert [end["kept"] for end in ends] == [True] * 10
    moved = [shift for shift in shifts for end in ends if end["at"] - 50 < shift[0] < end["at"] + 400]
    assert moved == []


def test_a_selection_survives_the_end_of_the_answer_and_formulas_are_copied_once(
    page: Page,
    ada: User,  # noqa: F811
    models: OpenAIServer,  # noqa: F811
) -> None:
    text = "Euler: $e^{i\\pi} + 1 = 0$ holds.\n\n" + "More words. " * 60
    models.models["alpha"] = Behaviour(text=text, between_tokens_s=0.02)
    ask(page, "What is $x_1$?")
    answer = page.locator("[data-text]")
    expect(page.locator("[data-question] .katex")).to_have_count(1)
    expect(answer.locator(".katex")).to_have_count(1)
    expect(answer.locator("> *")).to_have_count(2)
    answer.locator("> p").first.evaluate("(element) => getSelection().selectAllChildren(element)")
    expect(ended(page)).to_have_count(1)
    copied = """() => {
      const clipboard = new DataTransfer();
      document.dispatchEvent(new ClipboardEvent("copy", { clipboardData: clipboard }));
      return [clipboard.getData("text/plain"), clipboard.getData("text/html")];
    }"""
    plain, html = page.evaluate(copied)
    assert plain.strip() == "Euler: $e^{i\\pi} + 1 = 0$ holds."
    assert "katex" not in html
    assert page.locator("math").count() == 2
    assert page.locator(".katex-html:not([aria-hidden=true])").count() == 0


def test_diagrams_are_pictures_and_hostile_texts_draw_nothing_else(
    page: Page,
    ada: User,  # noqa: F811
    models: OpenAIServer,  # noqa: F811
) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    models.models["alpha"] = Behaviour(text=f"{DIAGRAM}\n\n{BROKEN}\n\n{HOSTILE}")
    ask(page)
    expect(ended(page)).to_have_count(1)
    expect(page.locator("figure[data-drawn=drawn] img")).to_have_count(2, timeout=60_000)
    expect(page.get_by_text("This diagram has an error in line 3, so its source is shown.")).to_be_visible()
    expect(page.get_by_text("This formula has an error, so its source is shown.")).not_to_have_count(0)
    expect(page.locator("[data-text]").get_by_text("the rest")).to_be_visible()
    assert (
        page.locator("[data-text] :is(script, iframe, a[href^=javascript], img:not([src^=data]))").count()
        == 0
    )
    assert (
        page.evaluate(
            "Math.max(...[...document.querySelectorAll('[data-text] *')].map((e) => e.offsetHeight || 0))"
        )
        < 3000
    )
    assert not [each.url for each in requests if "evil.example" in each.url]
    figure = page.locator("figure[data-drawn=drawn]").first
    figure.get_by_role("button", name="Show source").click()
    expect(figure.locator("pre")).to_be_visible()
    with page.expect_download() as download:
        figure.get_by_role("button", name="Save as PNG").click()
    assert download.value.suggested_filename == "diagram.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        figure.get_by_role("button", name="Save as SVG").click()
    assert "<svg" in download.value.path().read_text()


def test_documents_and_passages_draw_the_same(page: Page, ada: User) -> None:  # noqa: F811
    workspace = factories.workspace(name="Handbook")
    workspace.memberships.create(user=ada)
    document = factories.document(workspace, title="pump.md", media_type="text/markdown")
    text = f"The area is $a_1^2$ for $5.\n\n```python\nx = 1\n```\n\n{DIAGRAM}\n\nThe end."
    factories.section(document, text)
    start = text.index("The end")
    passage = {"document": document, "text": "The end.", "start": start, "end": start + 8}
    answer = factories.answer(factories.session(ada), workspace=workspace, text="So [1].", passages=[passage])
    for path in (f"/workspaces/{workspace.pk}/documents/{document.pk}/", f"/answers/{answer.pk}/passages/1/"):
        page.goto(path)
        _check_drawn(page)
    page.goto(f"/chat/{answer.turn.session_id}/")
    page.locator("a.citation").click()
    expect(page.locator("mark")).to_have_text("The end.")
    _check_drawn(page)


def _check_drawn(page: Page) -> None:
    text = page.locator(".text")
    expect(text.locator(".katex")).to_have_count(1)
    expect(text.locator("pre .is-literal")).to_have_text("1")
    expect(text.locator(".diagram img")).to_have_count(1, timeout=60_000)


def test_a_chat_without_formulas_diagrams_and_code_loads_nothing_for_them(
    page: Page,
    ada: User,  # noqa: F811
    models: OpenAIServer,  # noqa: F811
) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    models.models["alpha"] = Behaviour(text="Just **words** for $5 and $6.\n\n- a list")
    ask(page)
    expect(ended(page)).to_have_count(1)
    wait_until(page, lambda: any("markdown-it" in url for url in loaded))
    page.reload()
    expect(ended(page)).to_have_count(1)
    page.wait_for_load_state("networkidle")
    assert not [url for url in loaded if any(name in url for name in ("katex", "mermaid", "code-languages"))]
