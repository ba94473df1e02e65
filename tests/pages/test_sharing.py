"""Browser tests: a conversation is shared from the chat page, read, and continued."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from chat.models import Answer, SharedLink
from tests import factories

from .conftest import log_in, wait_until
from .test_chat import ada, ask, ended, models, site_url  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_conversation_is_shared_read_and_continued(page: Page, ada: User) -> None:  # noqa: F811
    expect(page.get_by_role("button", name="Share the conversation")).to_be_hidden()
    ask(page, "What is a pump?")
    expect(ended(page)).to_have_count(1)
    page.get_by_role("button", name="Share the conversation").click()
    dialog = page.get_by_role("dialog", name="Share the conversation")
    dialog.get_by_label("Name", exact=True).fill("About pumps")
    dialog.get_by_role("button", name="Make the link").click()
    address = dialog.get_by_label("Address of “About pumps”", exact=True).input_value()
    dialog.get_by_role("button", name="Copy the address").click()
    expect(page.locator("#toasts")).to_have_text("Copied")
    page.keyboard.press("Escape")
    workspace = factories.workspace()
    log_in(page, factories.member(workspace))
    answer = Answer.objects.get()
    Answer.objects.update(text="With oil [1].")
    answer.passages.create(
        number=1, document=factories.document(workspace), section=0, start=0, end=4, text="Pumps need oil."
    )
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_text("About pumps")
    expect(page.get_by_text("Pumps need oil.")).to_be_hidden()
    page.get_by_role("link", name="Passage 1").click()
    expect(page.get_by_text("Pumps need oil.")).to_be_visible()
    page.get_by_role("button", name="Continue as mine").click()
    page.wait_for_url("**/chat/*/")
    ask(page, "And a valve?")
    expect(ended(page)).to_have_count(2)


def test_a_link_is_changed_updated_and_revoked_in_the_list(page: Page, ada: User) -> None:  # noqa: F811
    ask(page, "What is a pump?")
    expect(ended(page)).to_have_count(1)
    page.locator("#sessions").get_by_role("button", name=re.compile("^Rename, share")).click()
    page.get_by_role("menuitem", name="Share").click()
    page.get_by_role("button", name="Make the link").click()
    page.get_by_role("link", name="All your shared links").click()
    link = page.locator("[data-shared-link]")
    link.get_by_text("Change").click()
    link.get_by_label("Name", exact=True).fill("Pumps")
    link.get_by_role("button", name="Save").click()
    expect(link.get_by_role("link", name="Pumps")).to_be_visible()
    taken_at = SharedLink.objects.get().taken_at
    link.get_by_role("button", name="Update").click()
    wait_until(page, lambda: SharedLink.objects.get().taken_at > taken_at)
    link.get_by_role("button", name="Revoke").first.click()
    link.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(link).to_have_count(0)
    assert not SharedLink.objects.exists()


def test_a_refused_change_says_why(page: Page, ada: User) -> None:  # noqa: F811
    ask(page, "What is a pump?")
    expect(ended(page)).to_have_count(1)
    page.get_by_role("button", name="Share the conversation").click()
    dialog = page.get_by_role("dialog", name="Share the conversation")
    dialog.get_by_text("Members of its workspaces").click()
    dialog.get_by_role("button", name="Make the link").click()
    expect(dialog.get_by_role("alert")).to_contain_text("it has no members")
    dialog.get_by_text("People who are logged in here").click()
    dialog.get_by_role("button", name="Make the link").click()
    dialog.get_by_text("Change").click()
    dialog.locator("[data-shared-link]").get_by_label("Last day").fill("2020-01-01")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[data-shared-link] [role=alert]")).to_contain_text("The end is in the past")
