"""Tests that need a real browser: upload progress, live status, selection, the theme."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from documents.models import Document, Upload
from tests import factories
from tests.documents import s3
from workspaces.models import Role

from .conftest import log_in, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace(page):
    made = factories.workspace()
    log_in(page, factories.member(made, Role.EDITOR))
    return made


def test_each_dropped_file_has_its_own_outcome(page: Page, workspace, tmp_path: Path):
    for name, content in (("pumps.md", "# Pumps"), ("empty.txt", ""), ("<b>odd</b>.txt", "text")):
        (tmp_path / name.replace("/", "\u2215")).write_text(content)
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.set_input_files("input[type=file]", sorted(tmp_path.iterdir()))
    expect(page.locator("[data-uploads-title]")).to_have_text("2 added, 1 failed")
    rows = page.locator("[data-upload-list] li")
    expect(rows.filter(has_text="pumps.md")).to_contain_text("Added. Ragsite is reading it now.")
    expect(rows.filter(has_text="empty.txt")).to_contain_text("The file is empty. Choose another one.")
    expect(rows.filter(has_text="odd")).to_have_attribute("data-status", "done")
    assert rows.locator("b").count() == 0
    rows.filter(has_text="pumps.md").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("pumps.md")


def test_the_language_of_a_file_is_detected_unless_one_is_chosen(page: Page):
    workspace = factories.workspace(languages=["en", "de", "ar"])
    log_in(page, factories.member(workspace, Role.EDITOR))
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.set_input_files("input[type=file]", FilePayload(name="a.txt", mimeType="", buffer=b"Die Pumpe"))
    expect(page.locator("[data-uploads-title]")).to_have_text("1 added")
    page.get_by_label("Language").select_option("ar")
    page.set_input_files("input[type=file]", FilePayload(name="b.txt", mimeType="", buffer=b"The pump"))
    expect(page.locator("[data-uploads-title]")).to_have_text("2 added")
    chosen = workspace.documents.values_list("title", "language", "is_language_chosen").order_by("title")
    assert list(chosen) == [("a.txt", "en", False), ("b.txt", "ar", True)]


def test_no_retry_is_offered_for_a_file_that_would_be_refused_again(page: Page, workspace, requests_fail):
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.set_input_files("input[type=file]", FilePayload(name="a.exe", mimeType="", buffer=b"MZ\x90\x00"))
    row = page.locator("[data-upload-list] li")
    expect(row).to_have_attribute("data-status", "refused")
    expect(row.get_by_role("button", name="Retry a.exe")).to_be_hidden()


def test_a_file_on_its_way_can_be_cancelled_and_sent_after_all(page: Page, workspace):
    page.goto(f"/workspaces/{workspace.id}/add/")
    held = []
    page.route("**/file", lambda route: held.append(route))
    page.set_input_files("input[type=file]", FilePayload(name="a.txt", mimeType="", buffer=b"words"))
    row = page.locator("[data-upload-list] li")
    wait_until(page, lambda: bool(held))
    expect(row).to_have_attribute("data-status", "sending")
    row.get_by_role("button", name="Cancel a.txt").click()
    expect(row).to_contain_text("Cancelled. Nothing was added.")
    page.unroute("**/file")
    expect(page.locator("[data-uploads-title]")).to_have_text("0 added")
    wait_until(page, lambda: not Upload.objects.exists())
    row.get_by_role("button", name="Retry a.txt").click()
    expect(row).to_contain_text("Added. Ragsite is reading it now.")
    assert workspace.documents.get().title == "a.txt"


def test_a_broken_connection_goes_on_where_it_stopped(page: Page, workspace, requests_fail):
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.route("**/complete", lambda route: route.abort())
    for name in ("a.txt", "b.txt"):
        page.set_input_files("input[type=file]", FilePayload(name=name, mimeType="", buffer=name.encode()))
    title = page.locator("[data-uploads-title]")
    expect(title).to_have_text("0 added, 2 failed")
    expect(page.locator("[data-upload-list] li").first).to_contain_text("Retry continues where it stopped.")
    page.unroute("**/complete")
    sent_again = []
    page.on(
        "request", lambda request: sent_again.append(request.url) if request.url.endswith("/file") else None
    )
    page.get_by_role("button", name="Retry all").click()
    expect(title).to_have_text("2 added")
    assert not sent_again
    assert workspace.documents.count() == 2


@pytest.fixture
def bucket(settings):
    with s3.serving() as url, s3.bucket_at(url) as bucket:
        csp = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"] | {"connect-src": ["'self'", url]}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": csp}
        yield bucket


def test_a_file_goes_from_the_browser_into_the_bucket(page: Page, workspace, bucket):
    rules = {"AllowedOrigins": ["*"], "AllowedMethods": ["POST"], "AllowedHeaders": ["*"]}
    bucket.Cors().put(CORSConfiguration={"CORSRules": [rules]})
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.set_input_files("input[type=file]", FilePayload(name="a b+ü.txt", mimeType="", buffer=b"words"))
    expect(page.locator("[data-upload-list] li")).to_contain_text("Added. Ragsite is reading it now.")
    begun, storage, complete = sent
    assert (begun.endswith("/uploads"), complete.endswith("/complete")) == (True, True)
    assert storage == f"{bucket.meta.client.meta.endpoint_url}/{bucket.name}"
    [kept] = bucket.objects.filter(Prefix="workspaces/")
    document = workspace.documents.get()
    assert (document.title, document.file.name) == ("a b+ü.txt", kept.key)
    assert kept.get()["Body"].read() == b"words"


def test_who_was_logged_out_is_told(page: Page, workspace, requests_fail):
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.context.clear_cookies()
    page.set_input_files("input[type=file]", FilePayload(name="a.txt", mimeType="", buffer=b"words"))
    expect(page.locator("[data-upload-list] li")).to_contain_text("You are logged out. Log in in another tab")


def test_a_title_that_is_too_long_is_kept_and_the_limit_is_said(page: Page, workspace):
    """A browser cuts what is pasted at a maxlength, without a word."""
    page.goto(f"/workspaces/{workspace.id}/add/text/")
    page.locator("textarea[name=text]").fill("Five days.")
    title = page.get_by_label("Title")
    title.fill("x" * 301)
    page.get_by_role("button", name="Add text").click()
    expect(title).to_have_value("x" * 301)
    problem = title.evaluate("field => field.validationMessage")
    assert problem == "Shorten this to 300 characters; it has 301."
    assert not workspace.documents.exists()
    title.fill("x" * 300)
    page.get_by_role("button", name="Add text").click()
    expect(page.locator("main")).to_contain_text("x" * 300)


def test_a_text_is_still_there_after_a_login_in_between(page: Page, workspace):
    writer = factories.user(username="ada", password="correct horse")
    workspace.memberships.create(user=writer, role=Role.EDITOR)
    log_in(page, writer)
    page.goto(f"/workspaces/{workspace.id}/add/text/")
    page.get_by_label("Title").fill("Leave")
    page.locator("textarea[name=text]").fill("Five days.")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Add text").click()
    expect(page.locator(".notice")).to_contain_text("You were logged out, so nothing was changed.")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("textarea[name=text]")).to_have_value("Five days.")
    page.get_by_role("button", name="Add text").click()
    expect(page.locator("main")).to_contain_text("Leave")
    page.goto(f"/workspaces/{workspace.id}/add/text/")
    expect(page.locator("textarea[name=text]")).to_have_value("")


def test_a_file_over_the_limit_is_refused_before_it_is_sent(page: Page, workspace, settings):
    settings.UPLOAD_MAX_BYTES = 1024 * 1024
    page.goto(f"/workspaces/{workspace.id}/add/")
    page.set_input_files(
        "input[type=file]",
        FilePayload(name="large.txt", mimeType="text/plain", buffer=b"x" * (1024 * 1024 + 1)),
    )
    expect(page.locator("[data-upload-list] li")).to_contain_text("The file is larger than 1 MB. Split it")
    assert not workspace.documents.exists()


def test_the_table_follows_the_work_and_keeps_what_is_ticked(page: Page, workspace):
    document = factories.document(
        workspace, status="processing", stage="embed", progress_total=4, progress_done=1
    )
    factories.document(workspace, title="other.txt")
    page.goto(f"/workspaces/{workspace.id}/")
    page.get_by_label("Select other.txt").check()
    expect(page.get_by_role("button", name="Delete 1")).to_be_enabled()
    expect(page.locator("#documents")).to_contain_text("Embedding 25 %")
    Document.objects.filter(pk=document.pk).update(progress_done=3)
    expect(page.locator("#documents")).to_contain_text("Embedding 75 %")
    Document.objects.filter(pk=document.pk).update(status="ready", chunk_count=4)
    expect(page.locator("#documents")).to_contain_text("4 passages")
    expect(page.get_by_label("Select other.txt")).to_be_checked()
    expect(page.locator("#document-filters")).to_contain_text("Ready 2")


def test_an_open_document_follows_the_work_to_its_text(page: Page, workspace):
    document = factories.document(workspace, status="processing", stage="embed", progress_total=4)
    page.goto(f"/workspaces/{workspace.id}/documents/{document.id}/")
    expect(page.locator("#progress")).to_contain_text("0 of 4 passages")
    Document.objects.filter(pk=document.pk).update(progress_done=3)
    expect(page.locator("#progress")).to_contain_text("3 of 4 passages")
    factories.section(document, "The pump needs oil.")
    Document.objects.filter(pk=document.pk).update(status="ready")
    expect(page.locator("article.text")).to_contain_text("The pump needs oil.")


def test_the_list_is_searched_while_typing(page: Page, workspace):
    factories.document(workspace, title="pump.txt")
    factories.document(workspace, title="valve", kind="text")
    page.goto(f"/workspaces/{workspace.id}/")
    page.get_by_label("Find by title").fill("pum")
    expect(page.locator("#documents")).not_to_contain_text("valve")
    expect(page).to_have_url(re.compile("q=pum"))
    page.get_by_label("Find by title").fill("")
    page.get_by_label("Kind").select_option("text")
    expect(page.locator("#documents")).not_to_contain_text("pump.txt")
    expect(page.locator("#documents")).to_contain_text("valve")


def test_several_are_deleted_after_a_question(page: Page, workspace):
    for _ in range(3):
        factories.document(workspace)
    page.goto(f"/workspaces/{workspace.id}/")
    expect(page.locator("[data-selection-needed]")).to_have_count(2)
    for button in page.locator("[data-selection-needed]").all():
        expect(button).to_be_disabled()
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Delete 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    assert workspace.documents.count() == 3
    page.get_by_role("button", name="Delete 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("3 documents, their passages and their files were deleted.")).to_be_visible()


def test_the_chosen_theme_stays(page: Page, workspace):
    page.goto("/workspaces/")
    page.get_by_role("button", name="your account and the theme").click()
    page.get_by_role("button", name="Dark").click()
    page.goto(f"/workspaces/{workspace.id}/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


@pytest.mark.parametrize("width", [360, 1920])
def test_no_page_scrolls_sideways(page: Page, workspace, width):
    workspace.name = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    workspace.description = workspace.name * 3
    workspace.save()
    document = factories.document(workspace, title="x" * 200, status="failed", error="y" * 400)
    factories.section(document, "z" * 3000, title_path=["z" * 200])
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("", f"{workspace.id}/", f"{workspace.id}/add/", f"{workspace.id}/search/",
                    f"{workspace.id}/documents/{document.id}/"):  # fmt: skip
        page.goto(f"/workspaces/{address}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
