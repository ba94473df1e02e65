"""The operators' pages in a real browser, under the strict Content-Security-Policy."""

import re

import pytest
from django.urls import reverse

from tests import factories
from tests.fakes import openai_server
from tests.pages.conftest import log_in

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_model_is_added_checked_and_found_in_the_list(page):
    log_in(page, factories.operator())
    with openai_server.running_in_thread() as server:
        page.goto(reverse("admin:index"))
        page.get_by_role("link", name="Endpoints", exact=True).click()
        page.get_by_role("link", name="Add endpoint").click()
        page.locator("section", has_text="Chat model").get_by_role("link", name=re.compile("OpenAI")).click()
        page.get_by_label("Name:", exact=True).fill("Large")
        page.get_by_label("Model id").fill("large-1")
        page.get_by_label("Base URL").fill(server.base_url)
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("Large answered in").wait_for()
        page.get_by_role("link", name="Large").first.click()
        page.get_by_role("button", name="Check now").click()
        page.get_by_text("Large answered in").wait_for()


def test_the_page_of_the_api_lists_its_operations_and_tries_one(page):
    log_in(page, factories.user())
    page.goto(reverse("api-docs"))
    page.locator(".opblock-summary", has_text="/api/v1/sessions").first.wait_for()
    assert page.locator(".opblock").count() >= 22
    page.locator(".opblock", has_text="Create a session").click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea").fill('{"title": "Plans"}')
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="201").wait_for()
