"""A newcomer's way, from one command to a cited answer from their own files, with the real models."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.documents.parsing import files
from tests.installation import Installation, free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]
LONG = 60_000  # ms: models on two busy cores


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The whole of `manage.py up`, with the bundled embedding model and the bundled language model."""
    site = Installation(root, tmp_path_factory.mktemp("newcomer") / "data", "")
    site.variables |= {
        "RAGSITE_SERVING_PORT": str(free_port()),
        "RAGSITE_LLM_PORT": str(free_port()),
        "RAGSITE_LLM": "on",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # the bundled model, not a download
    }
    with site.up() as up:
        up.wait_for("Ctrl-C stops everything.", within_s=300)
        yield site


@pytest.fixture(scope="module")
def tab(site: Installation) -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = chromium.new_page(base_url=site.url)
        page.set_default_timeout(LONG)
        expect.set_options(timeout=LONG)
        yield page
        chromium.close()
        expect.set_options(timeout=5_000)


def ask(tab: Page, question: str) -> None:
    tab.get_by_label("Your question").fill(question)
    tab.keyboard.press("Enter")


def test_they_log_in_ask_the_handbook_and_open_a_citation(tab: Page, site: Installation) -> None:
    tab.goto("/")
    tab.get_by_label("Username").fill("admin")
    tab.get_by_label("Password").fill((site.data_dir / "admin_password").read_text().strip())
    with tab.expect_navigation(wait_until="load"):
        tab.get_by_role("button", name="Log in").click()
    ask(tab, "How do I make an API key?")
    answer = tab.locator("[data-answer][data-ended=finished]")
    expect(answer).to_contain_text("API keys")
    answer.locator(".citation").first.click()
    source = tab.locator("mark").first
    expect(source).to_be_visible()
    expect(tab.get_by_role("link", name=re.compile("Open the document"))).to_be_visible()


# The questions of the first ten minutes. Each changes the subject: what the answer says, and the page it cites first.
SUBJECTS = {
    "Which kinds of files does Ragsite read?": ("PDF", "documents.md"),
    "How often is a feed visited?": ("hour", "websites.md"),
    "What does the relevance threshold do?": ("relevan", "search.md"),
    "Which variable sets the port?": ("RAGSITE_PORT", "configuration.md"),
    "How do I compare chunking strategies?": ("Try chunking", "workspaces.md"),
    "How do I back up my data?": ("manage.py backup", "operations.md"),
}


def test_each_question_of_a_session_finds_its_own_subject(tab: Page) -> None:
    answers = tab.locator("[data-answer][data-ended=finished]")
    for number, (question, (words, page)) in enumerate(SUBJECTS.items(), 2):
        ask(tab, question)
        expect(answers).to_have_count(number)
        expect(answers.last).to_contain_text(re.compile(words, re.IGNORECASE))
        expect(answers.last.locator("a.citation").first).to_have_attribute(
            "aria-label", re.compile(re.escape(page))
        )


def test_the_local_language_model_streams_before_it_is_done(tab: Page) -> None:
    tab.goto("/")
    tab.get_by_title("Workspace to answer from").click()
    tab.get_by_label("No workspace").check()
    tab.get_by_title("Model that answers").click()
    tab.get_by_label(re.compile("SmolLM2")).check()
    ask(tab, "Write three sentences about the sea.")
    live = tab.locator("[data-answer]:not([data-ended]) [data-text]")
    expect(live).not_to_be_empty()
    before = live.text_content() or ""
    expect(tab.locator("[data-answer][data-ended=finished]")).to_be_visible()
    assert len(tab.locator("[data-text]").first.text_content() or "") > len(before.strip()) > 0


def test_they_make_a_workspace_add_a_pdf_and_a_word_file_and_ask_them(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "pump.pdf").write_bytes(
        files.pdf("Error E7 of the HX-40 pump means that the pressure is above 6 bar.")
    )
    (tmp_path / "report.docx").write_bytes(files.docx())
    tab.goto("/workspaces/new/")
    tab.get_by_label("Name", exact=True).fill("My own")
    tab.get_by_label("First language").select_option("en")
    tab.get_by_role("button", name=re.compile("Create|Make")).click()
    tab.wait_for_url(re.compile(r"/workspaces/[0-9a-f-]{36}/"))
    place = re.search(r"/workspaces/[0-9a-f-]{36}/", tab.url)
    assert place
    tab.goto(f"{place[0]}add/")
    tab.set_input_files("input[type=file]", sorted(tmp_path.iterdir()))
    expect(tab.locator("[data-uploads-title]")).to_contain_text("2 added")
    tab.goto(place[0])
    for name in ("pump.pdf", "report.docx"):
        expect(tab.locator("tr", has_text=name)).to_contain_text("Ready")
    tab.goto(f"/?workspace={place[0].split('/')[2]}")
    tab.get_by_title("Model that answers").click()
    tab.get_by_label("Quotes").check()
    ask(tab, "What does error E7 mean?")
    answer = tab.locator("[data-answer][data-ended=finished]")
    expect(answer).to_contain_text("the pressure is above 6 bar")
    expect(answer.locator(".citation").first).to_be_visible()
