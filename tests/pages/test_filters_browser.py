"""Filtering documents and editing their fields in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from documents.fields import definitions as fields
from documents.fields.metadata import parse_change, update_metadata
from tests import factories
from tests.chat.serving import served_in_thread
from workspaces.access_levels import name_levels
from workspaces.models import Role

from .conftest import log_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


@pytest.fixture
def workspace(page):
    made = factories.workspace(name="Handbook")
    name_levels(made, None, ["Everyone", "Staff", "Board"])
    fields.declare(made, None, label="Department", choices=["HR", "Legal", "Sales and marketing"])
    fields.declare(made, None, label="Effective from", name="date", type="date", source="date")
    fields.declare(made, None, label="Version", type="version")
    fields.declare(made, None, label="Draft", type="yes_no")
    for title, department in (("Leave.md", "HR"), ("Contracts.md", "Legal"), ("Terms.md", "Legal")):
        document = factories.document(made, title=title, media_type="text/markdown", content=b"words")
        factories.section(document, "Some words.")
        update_metadata(
            made,
            None,
            [document.pk],
            parse_change(made, None, {"department": department, "version": "v1.10"}, 1),
        )
    log_in(page, factories.member(made, Role.MANAGER))
    return made


def test_the_list_is_filtered_and_described_by_hand(page: Page, workspace):
    page.goto(f"/workspaces/{workspace.id}/")
    rows = page.locator(".document-table tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_text("Only documents with…").click()
    page.locator(".filter-inputs").get_by_label("Legal").check()
    expect(rows).to_have_count(2)
    assert "f.department=Legal" in page.url
    page.get_by_label("Select Terms.md").check()
    page.get_by_role("button", name="Edit fields").click()
    dialog = page.get_by_role("dialog", name="Edit fields")
    dialog.get_by_label("Department").select_option("HR")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved for 1 document.")).to_be_visible()
    page.goto(f"/workspaces/{workspace.id}/?f.department=HR")
    expect(rows).to_have_count(2)


def test_the_composer_offers_the_filter_of_the_workspace_that_is_asked(page: Page, workspace):
    factories.chat_endpoint()
    factories.workspace(name="Bare").memberships.create(user=workspace.memberships.get().user)
    page.goto(f"/?workspace={workspace.id}")
    picker = page.locator("#composer-filter")
    picker.locator("summary").click()
    picker.get_by_label("Legal").check()
    expect(picker.locator("[data-filter-set]")).to_be_visible()
    picker.get_by_role("button", name="Ask all documents").click()
    expect(picker.locator("[data-filter-set]")).to_be_hidden()
    picker.get_by_label("HR").check()
    page.locator("[data-picker='workspace'] summary").click()
    page.locator("[data-picker='workspace']").get_by_text("Bare").click()
    expect(picker.get_by_label("HR")).to_have_count(0)
