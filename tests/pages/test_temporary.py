"""Browser tests: a temporary chat on its page."""

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from chat.models import Session

from .conftest import wait_until
from .test_chat import ada, ask, ended, models, site_url  # noqa: F401 (fixtures)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_temporary_chat_survives_a_reload_and_ends_with_its_button(page: Page, ada: User) -> None:  # noqa: F811
    page.get_by_role("link", name="Temporary chat").click()
    expect(page.get_by_text("Not saved")).to_be_visible()
    ask(page, "What is a kwyjibo?")
    expect(ended(page)).to_have_count(1)
    page.wait_for_url("**/chat/*/")
    page.get_by_label("Your question").fill("Another kwyjibo")
    page.reload()
    expect(page.get_by_text("Not saved")).to_be_visible()
    expect(ended(page)).to_contain_text("Alpha says this.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Temporary chat")
    expect(page.locator("[data-session-item]")).to_have_count(0)
    assert "kwyjibo" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    ask(page, "And a valve?")
    expect(ended(page)).to_have_count(2)
    address = page.url
    page.get_by_role("button", name="End chat").click()
    page.get_by_role("button", name="End and delete").click()
    expect(page.get_by_text("The temporary chat has ended.")).to_be_visible()
    assert not Session.objects.exists()
    assert page.request.get(address).status == 404


def test_a_page_of_a_chat_that_has_ended_elsewhere_says_so(
    page: Page,
    ada: User,  # noqa: F811
    requests_fail: None,
) -> None:
    page.goto("/?temporary")
    ask(page, "What is a pump?")
    expect(ended(page)).to_have_count(1)
    page.wait_for_url("**/chat/*/")
    session = Session.objects.get()
    until = session.temporary_until
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(page, lambda: Session.objects.get().temporary_until > until)
    session.delete()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("The temporary chat has ended.")).to_be_visible()
