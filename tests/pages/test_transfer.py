"""Browser tests of what people take along and bring in: copies, exports, prints, imports, titles, deleting all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from chat.models import Import, Session
from chat.transfer import importer
from tests import factories
from tests.chat.serving import served_in_thread
from tests.fakes.openai_server import Behaviour, OpenAIServer

from .conftest import log_in

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "It costs **48 euros** [1].\n\n| Month | Fee |\n|---|---|\n| May | $a^2$ |"
READ_HTML = (
    "navigator.clipboard.read().then(([item]) => item.getType('text/html')).then((blob) => blob.text())"
)


@pytest.fixture
def site_url(transactional_db: None) -> Iterator[str]:
    with served_in_thread() as url:
        yield url


@pytest.fixture
def grace(page: Page) -> User:
    grace = factories.user(username="grace")
    log_in(page, grace)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return grace


def test_an_answer_is_copied_in_two_forms_and_exported(page: Page, grace: User, tmp_path: Path) -> None:
    session = factories.session(grace, title="Q3/Q4: „Größe“")
    factories.answer(session, text=TABLE, grounding="found", passages=[{"document_title": "Fees", "page": 3}])
    page.goto(f"/chat/{session.pk}/")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator(".toast")).to_have_text("Copied")
    text, html = page.evaluate("navigator.clipboard.readText()"), page.evaluate(READ_HTML)
    assert text == "It costs 48 euros [1].\n\nMonth\tFee\nMay\t$a^2$\n\nSources:\n[1] Fees, page 3"
    assert "<strong>48 euros</strong>" in html
    assert "<td>May</td>" in html
    menu = page.get_by_role("button", name="Copy or export in another form")
    menu.click()
    page.get_by_role("menuitem", name="Copy as Markdown").click()
    expect(page.locator(".toast")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()").startswith(TABLE)
    menu.click()
    page.keyboard.press("ArrowDown")
    with page.expect_download() as exported:
        page.keyboard.press("Enter")
    assert exported.value.suggested_filename == "Q3-Q4- „Größe“.md"
    exported.value.save_as(tmp_path / "answer.md")
    assert "It costs **48 euros** [^1]." in (tmp_path / "answer.md").read_text()
    page.locator(".session-item").hover()
    page.get_by_role("button", name="Rename, share, move, archive, export or delete").click()
    with page.expect_download() as whole:
        page.get_by_role("menuitem", name="Export as JSON").click()
    whole.value.save_as(tmp_path / "session.json")
    assert json.loads((tmp_path / "session.json").read_text())["sessions"][0]["title"] == session.title


def test_a_long_conversation_prints_whole_and_light(page: Page, grace: User) -> None:
    session = factories.session(grace, title="Long")
    for number in range(40):
        factories.answer(session, f"question {number}", text=f"answer {number}\n\n```\ncode\n```")
    page.context.add_cookies([{"name": "theme", "value": "dark", "url": page.context.request.get("/").url}])
    page.context.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; }")
    page.goto(f"/chat/{session.pk}/print/")
    page.wait_for_function("window.printed === 1")
    assert page.locator(".question").all_inner_texts() == [f"question {number}" for number in range(40)]
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf().count(b"/Type /Page\n") > 3
    # The browser's own command on the chat page prints all that is on it.
    page.goto(f"/chat/{session.pk}/")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator(".composer-area")).to_be_hidden()
    expect(page.locator(".topbar")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.turn')).color") == "rgb(31, 30, 27)"
    assert page.evaluate("document.documentElement.scrollHeight") > 4000


def test_a_file_is_imported_on_the_page_and_all_is_deleted(page: Page, grace: User, tmp_path: Path) -> None:
    mapping = {
        "q": {"parent": None, "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Why?"]}}},
        "a": {"parent": "q", "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["So."]}}},
    }  # fmt: skip
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([{"title": "Brought along", "mapping": mapping}, 5]))
    page.goto("/")
    page.get_by_role("link", name="Import, export, delete all").click()
    page.get_by_label("A ZIP or JSON file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    importer.run(Import.objects.get().pk)
    expect(page.get_by_text("1 conversation imported.")).to_be_visible()
    page.get_by_text("Left out").click()
    expect(page.get_by_text("1 entry that is no conversation of a known kind")).to_be_visible()
    page.get_by_role("link", name="Delete all conversations").click()
    expect(page.get_by_text("1 conversation with 1 question.")).to_be_visible()
    page.get_by_label("Type “delete” to confirm").fill("delete")
    page.get_by_role("button", name="Delete all conversations").click()
    expect(page.get_by_text("1 conversation deleted.")).to_be_visible()
    assert not Session.objects.exists()


def test_a_title_appears_without_a_reload(
    page: Page, grace: User, server: OpenAIServer, settings: Any
) -> None:
    settings.TITLES = True
    factories.chat_endpoint(base_url=server.base_url, model="small")
    server.models["small"] = Behaviour(text="Pump pressure")
    page.goto("/")
    page.get_by_label("Your question").fill("How is the pressure of a pump set?")
    page.keyboard.press("Enter")
    expect(page.locator("[data-session-title]")).to_have_text("Pump pressure")
    expect(page.locator(".session-item a")).to_have_text("Pump pressure")
    expect(page).to_have_title("Pump pressure · Ragsite")
