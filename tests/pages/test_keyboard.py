"""Browser test: the chat by keyboard alone, checked on the accessibility tree that screen readers get."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from chat.models import Answer, SharedLink
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer

from .conftest import wait_until
from .test_chat import ada, ended, models, site_url  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)

_FOCUSED = """() => {
    const { activeElement: at } = document;
    return at.getAttribute("aria-label") || (at.labels && at.labels[0] && at.labels[0].textContent) || at.textContent;
}"""


def go_to(page: Page, name: str, key: str = "Tab") -> None:
    """Move the focus with Tab until it is on what has this name, as a person without a mouse does."""
    for _ in range(120):
        page.keyboard.press(key)
        if name in " ".join(page.evaluate(_FOCUSED).split()):
            return
    raise AssertionError(f"{name} cannot be reached with {key}.")


def test_ask_read_cite_stop_edit_and_share(page: Page, ada: User, models: OpenAIServer) -> None:  # noqa: F811
    workspace = factories.workspace()
    workspace.memberships.create(user=ada)
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    page.keyboard.type("What is a pump?")
    page.keyboard.press("Enter")
    expect(ended(page)).to_have_count(1)
    expect(page.locator("[data-announcer]")).to_have_text(re.compile("Answer from Alpha: .*Alpha says this."))
    Answer.objects.update(text="It moves water [1].")
    document = factories.document(workspace, title="Pumps.pdf")
    Answer.objects.get().passages.create(
        number=1,
        document=document,
        document_title="Pumps.pdf",
        section=0,
        start=0,
        end=4,
        text="Water is moved.",
    )
    page.wait_for_url("**/chat/*/")
    page.reload()
    expect(page.get_by_role("article")).to_match_aria_snapshot("""
        - article:
          - heading "You asked" [level=2]
          - text: What is a pump?
          - button "Edit the question"
          - heading "Answer from Alpha" [level=3]
          - paragraph:
            - text: It moves water
            - 'link "Passage 1: Pumps.pdf"'
            - text: .
          - list "Cited passages":
            - listitem
          - button "Copy"
    """)

    page.get_by_role("textbox", name="Your question").focus()
    go_to(page, "Passage 1", "Shift+Tab")  # the chip in the text, or the one below it
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="Sources")
    expect(panel).to_contain_text("Water is moved.")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    models.models["alpha"] = Behaviour(tokens=500, between_tokens_s=0.05)
    page.keyboard.press("/")
    page.keyboard.type("Another question")
    page.keyboard.press("Enter")
    expect(page.locator("[data-live] [data-text]").first).not_to_be_empty()
    expect(page.get_by_role("status").get_by_text("Writing")).to_be_visible()
    page.keyboard.press("Escape")
    expect(ended(page).nth(1)).to_contain_text("Stopped by you.")

    models.models["alpha"] = Behaviour(text="Better.")
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("textbox", name="Edit your question")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("A better question")
    page.keyboard.press("Enter")
    expect(ended(page).nth(1)).to_contain_text("Better.")
    expect(page.get_by_role("group", name="Versions of this question")).to_be_visible()

    page.keyboard.press("Escape")
    go_to(page, "Share the conversation", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Share the conversation")).to_be_visible()
    go_to(page, "Make the link")
    page.keyboard.press("Enter")
    wait_until(page, SharedLink.objects.exists)
