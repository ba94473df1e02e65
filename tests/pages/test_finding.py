"""Browser tests: the search over conversations, the command palette, folders, tags and the archive."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests import factories

from .conftest import log_in, wait_until
from .test_chat import site_url  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(page: Page) -> User:
    """Return a user who is logged in, with a workspace, a document, and a session of 40 turns."""
    ada = factories.user(username="ada")
    workspace = factories.workspace(name="Harbour")
    workspace.memberships.create(user=ada)
    factories.document(workspace, title="Harbour rules.pdf")
    session = factories.session(ada, title="Moons")
    for number in range(40):
        text = "The largest one is **Luminarii**." if number == 11 else "Nothing of that kind. " * 20
        factories.answer(session, f"Question {number}?", text=text)
    factories.session(ada, title="Pumps")
    log_in(page, ada)
    return ada


def open_menu(page: Page, title: str, item: str) -> None:
    row = page.locator("[data-session-item]", has_text=title).first
    row.hover()
    row.locator("[data-session-menu]").click()
    page.get_by_role("menuitem", name=item).click()


@pytest.mark.usefixtures("ada")
def test_a_hit_opens_at_its_place_with_its_words_marked_and_keeps_the_place(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Search your sessions").press_sequentially("lumniarii", delay=20)
    hit = page.locator(".is-found a")
    expect(hit.locator("mark")).to_have_text("Luminarii", timeout=20_000)
    hit.click()
    turn = page.locator(".turn", has_text="Question 11?")
    expect(turn).to_be_in_viewport()
    marked = "[...(CSS.highlights.get('found') ?? [])].map(String).join()"
    wait_until(page, lambda: page.evaluate(marked) == "Luminarii")
    before = turn.bounding_box()
    # A real click would scroll to the button first.
    page.get_by_role("button", name="Show earlier questions").evaluate("button => button.click()")
    expect(page.locator(".turn", has_text="Question 3?")).to_be_attached()
    after = turn.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2


@pytest.mark.usefixtures("ada")
def test_the_palette_finds_everything_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    loaded = "performance.getEntriesByType('resource').some(each => each.name.includes('command-palette.js'))"
    assert not page.evaluate(loaded), "its script waits until it is opened"
    composer = page.get_by_label("Your question")
    composer.focus()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search conversations")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(composer).to_be_focused()
    page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
        "{key: 'л', code: 'KeyK', ctrlKey: true, bubbles: true, cancelable: true}))"
    )
    expect(field).to_be_focused()
    field.fill("harb")
    options = page.get_by_role("option")
    expect(options.filter(has_text="Harbour rules.pdf")).to_be_visible(timeout=20_000)
    first = page.locator("[role=option][aria-selected=true]")
    expect(first).to_have_text(re.compile("Harbour"))
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options.filter(visible=True).last).to_have_attribute("aria-selected", "true")
    field.fill("luminarii")
    marked = page.get_by_role("option", selected=True).locator(".palette-text mark")
    expect(marked).to_have_text("Luminarii", timeout=20_000)
    page.keyboard.press("Enter")
    expect(page.locator(".turn", has_text="Question 11?")).to_be_in_viewport()
    page.keyboard.press("Control+k")
    field.fill("thème: dàrk")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_palette_opens_by_its_button_on_a_phone_and_in_the_admin(page: Page, ada: User) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/workspaces/")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("combobox", name="Search conversations").fill("zzz zzz")
    expect(page.get_by_text("Nothing found. Try other or fewer words.")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("combobox", name="Search conversations")).to_have_count(0)
    ada.is_superuser = ada.is_staff = True
    ada.save()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search conversations").fill("new chat")
    page.keyboard.press("Enter")
    expect(page).to_have_title("New chat · Ragsite")


@pytest.mark.usefixtures("ada")
def test_a_session_goes_into_a_folder_and_into_the_archive_from_its_menu(page: Page) -> None:
    page.goto("/")
    open_menu(page, "Pumps", "Folder and tags")
    page.get_by_label("Or a new folder").fill("Plant 7")
    page.get_by_role("textbox", name="Tags").fill("urgent")
    page.get_by_role("button", name="Save").click()
    folder = page.locator(".session-folder", has_text="Plant 7")
    expect(folder).to_be_visible()
    folder.locator("summary").click()
    expect(folder.get_by_role("link", name="Pumps")).to_be_visible()
    page.reload()
    expect(folder.get_by_role("link", name="Pumps")).to_be_visible()
    page.get_by_label("Only sessions with the tag").select_option("urgent")
    expect(page.locator("[data-session-list]")).not_to_contain_text("Moons")
    page.get_by_label("Only sessions with the tag").select_option("")
    open_menu(page, "Pumps", "Archive")
    expect(folder).not_to_contain_text("Pumps")
    page.get_by_role("button", name="Archived (1)").click()
    expect(page.locator("[data-session-list]")).to_contain_text("Pumps")
    page.get_by_role("button", name="All sessions").click()
    folder.hover()
    folder.locator("[data-folder-menu]").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("")
    page.get_by_text("Delete the folder").click()
    expect(page.get_by_text("0 in the list and 1 in the archive")).to_be_visible()
    page.get_by_role("button", name="Delete it, keep the sessions").click()
    expect(folder).to_have_count(0)
    page.get_by_role("button", name="Archived (1)").click()
    open_menu(page, "Pumps", "Put back into the list")
    expect(page.locator("[data-session-list]")).to_contain_text("The archive is empty.")
