"""The pages of documents: the table, adding, reading, retrying and deleting."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import AuditEvent
from documents.adding import service as intake
from documents.adding import validation as content
from documents.fields import definitions as fields
from documents.models import BatchEntry, Document, LedgerEntry
from documents.templatetags.documents import summarise_stage
from tests import factories
from workspaces.models import Role

from .conftest import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace(languages=["en", "de"])


@pytest.fixture
def edit(as_user, workspace):
    return as_user(factories.member(workspace, Role.EDITOR, username="ed"))


@pytest.fixture
def view(as_user, workspace):
    return as_user(factories.member(workspace, Role.VIEWER))


def upload(name: str, content: bytes = b"Some text about pumps.") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


# --- the table --------------------------------------------------------------------------------


def test_each_status_says_where_it_stands(edit, workspace):
    factories.document(workspace, chunk_count=1234)
    factories.document(workspace, status="processing", stage="embed", progress_done=3, progress_total=12)
    factories.document(workspace, status="pending", stage="queued")
    factories.document(
        workspace,
        status="pending",
        error="The model sleeps.",
        next_attempt_at=timezone.now() + timedelta(minutes=3),
    )
    factories.document(workspace, status="failed", error="The file is protected by a password.")
    page = text_of(edit.get(f"/workspaces/{workspace.id}/"))
    for words in ("1,234 passages", "Embedding 25 %", "Waiting", "Trying again", "The model sleeps.",
                  "Next attempt", "in 3 min", "The file is protected by a password.", "Retry"):  # fmt: skip
        assert words in page


def test_failed_ones_are_on_top_and_then_the_newest(edit, workspace):
    names = ("oldest.txt", "failed.txt", "newest.txt")
    for name in names:
        factories.document(workspace, title=name, status="failed" if name == "failed.txt" else "ready")
    page = text_of(edit.get(f"/workspaces/{workspace.id}/"))
    assert sorted(names, key=lambda name: page.index(f">{name}<")) == [
        "failed.txt",
        "newest.txt",
        "oldest.txt",
    ]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("", {"a", "b", "c"}),
        ("ready", {"a"}),
        ("working", {"b"}),
        ("attention", {"c"}),
        ("nonsense", {"a", "b", "c"}),
    ],
)
def test_the_filter_shows_one_status(edit, workspace, status, shown):
    for name, of in (("a", "ready"), ("b", "processing"), ("c", "failed")):
        factories.document(workspace, title=f"{name}.txt", status=of)
    page = text_of(edit.get(f"/workspaces/{workspace.id}/?status={status}"))
    assert {name for name in "abc" if f">{name}.txt<" in page} == shown


def test_two_hundred_documents_come_in_pages_with_the_same_few_queries(
    view, workspace, django_assert_num_queries
):
    user = factories.user()
    factories.document(workspace, created_by=user)
    address = f"/workspaces/{workspace.id}/"
    with django_assert_num_queries(16):
        view.get(address)
    for _ in range(200):
        factories.document(workspace, created_by=user)
    with django_assert_num_queries(16):
        page = text_of(view.get(f"{address}?page=4"))
    assert "151–200 of 201" in page
    assert "?page=5" in page
    assert "201–201 of 201" in text_of(view.get(f"{address}?page=99"))


def test_the_list_asks_for_changes_only_while_something_works(view, workspace):
    document = factories.document(workspace, status="processing")
    page = f"/workspaces/{workspace.id}/"
    part = text_of(view.get(page, headers={"HX-Request": "true"}))
    assert f'data-live="{page}?"' in part
    assert "<html" not in part
    Document.objects.filter(pk=document.pk).update(status="ready")
    assert "data-live" not in text_of(view.get(page, headers={"HX-Request": "true"}))


def versions(page: str) -> str:
    return ".".join(re.findall('data-version="([0-9a-f]{8})"', page))


def test_an_open_list_gets_only_what_changed(view, workspace, django_assert_num_queries):
    documents = [factories.document(workspace, status="processing", stage="embed") for _ in range(60)]
    page = f"/workspaces/{workspace.id}/"
    seen = versions(text_of(view.get(page)))
    assert view.get(page, {"seen": seen}).status_code == 204
    Document.objects.filter(pk=documents[59].pk).update(progress_total=4, progress_done=3)
    Document.objects.filter(pk=documents[0].pk).update(progress_total=4, progress_done=3)  # on the next page
    with django_assert_num_queries(8):
        reply = text_of(view.get(page, {"seen": seen}))
    assert re.findall('id="([^"]*)"', reply) == [f"status-{documents[59].pk}"]
    assert "Embedding 75 %" in reply
    Document.objects.filter(pk=documents[58].pk).update(status="ready")
    reply = text_of(view.get(page, {"seen": seen}))
    assert 'id="document-filters"' in reply
    assert 'Ready <span class="number">1</span>' in reply
    assert 'id="documents"' not in reply
    Document.objects.filter(pk=documents[57].pk).update(status="failed")  # now it is at the top
    assert 'id="documents"' in text_of(view.get(page, {"seen": seen}))


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("Übersicht", "U\u0308bersicht"), ("Übersicht", "ubersicht"), ("ΑΠΟΘΗΚΗ", "αποθήκη"), ("Λόγος", "ΛΟΓΟΣ"),
        ("Hauptstrasse", "straße"), ("Hauptstraße", "STRASSE"), ("２０２４", "2024"), ("Résumé", "resume"),
        ("Łódź", "lodz"), ("کتاب\u200cها", "کتابها"), ("ÇALIŞMA", "çalişma"), ("Ёлка", "елка"), ("🎉", "🎉"),
    ],
)  # fmt: skip
def test_a_title_is_found_as_people_type_it(view, workspace, title, typed):
    factories.document(workspace, title=title)
    found = text_of(view.get(f"/workspaces/{workspace.id}/", {"q": typed}))
    assert f'dir="auto">{title}</a>' in found


def test_documents_are_found_by_title_kind_and_status_together(view, workspace):
    factories.document(workspace, title="Pump 50%.txt")
    factories.document(workspace, title="pump care", kind="text", status="failed")
    factories.document(workspace, title="Valves", kind="text")
    stuck = timezone.now() - timedelta(minutes=5)
    factories.document(workspace, title="stuck pump", status="processing", lease_until=stuck)

    def found(**query):
        page = text_of(view.get(f"/workspaces/{workspace.id}/", query))
        counts = dict(re.findall(r'id="filter-(\w+)".*?class="number">(\d+)', page))
        return set(re.findall('dir="auto">([^<]+)</a>', page.split("<tbody>")[-1])), counts

    assert found(q="PUMP")[0] == {"Pump 50%.txt", "pump care", "stuck pump"}
    assert found(q="%")[0] == {"Pump 50%.txt"}
    assert found(q="pump", kind="text") == (
        {"pump care"}, {"all": "1", "working": "0", "attention": "1", "ready": "0"},
    )  # fmt: skip
    assert found(status="attention")[0] == {"pump care", "stuck pump"}
    assert "No worker has responded" in text_of(view.get(f"/workspaces/{workspace.id}/"))
    page = text_of(view.get(f"/workspaces/{workspace.id}/?q=pump&kind=text"))
    assert 'href="?q=pump&kind=text&status=ready"' in page
    assert '<option value="text" selected>Text (2)</option>' in page
    assert "No title contains “none”" in text_of(view.get(f"/workspaces/{workspace.id}/?q=none"))


def test_what_was_found_through_a_website_is_listed_with_it(view, workspace):
    site = factories.document(workspace, title="example.org", kind="site")
    for number in range(3):
        status = "failed" if number == 0 else "ready"
        factories.document(
            workspace, title=f"page {number}", kind="page", parent=site, url=f"u{number}", status=status
        )
    address = f"/workspaces/{workspace.id}/"
    page = text_of(view.get(address))
    assert "page 1" not in page
    assert f'href="?in={site.pk}">3 sub-documents</a>' in page
    assert "1 could not be read" in text_of(view.get(f"{address}?status=attention"))
    assert "page 1" in text_of(view.get(f"{address}?in={site.pk}"))
    assert "example.org" in text_of(view.get(f"{address}?in=nonsense"))


def test_an_empty_workspace_says_what_it_is_for(edit, view, workspace):
    address = f"/workspaces/{workspace.id}/"
    assert (
        f'href="/workspaces/{workspace.id}/add/">' in text_of(edit.get(address)).split("No documents yet")[1]
    )
    assert "Ask a manager to add documents" in text_of(view.get(address))


def test_viewers_see_nothing_to_press(view, workspace):
    factories.document(workspace, status="failed", error="why")
    page = text_of(view.get(f"/workspaces/{workspace.id}/"))
    for control in ("Retry", "Delete", 'name="document"', ">Add<"):
        assert control not in page


# --- adding -----------------------------------------------------------------------------------


def test_files_are_added_by_a_plain_form(edit, workspace):
    data = {"file": [upload("one.txt"), upload("zwei.txt", "Über Pumpen".encode())], "language": "de"}
    response = edit.post(f"/workspaces/{workspace.id}/add/", data, follow=True)
    assert "2 files added." in text_of(response)
    assert set(workspace.documents.values_list("title", "language")) == {
        ("one.txt", "de"),
        ("zwei.txt", "de"),
    }


def test_each_refused_file_has_its_reason_and_the_others_are_taken(edit, workspace):
    data = {
        "file": [upload("good.txt"), upload("empty.txt", b""), upload("fake.pdf", b"MZ\x90\x00" * 40)],
        "language": "en",
    }
    page = text_of(edit.post(f"/workspaces/{workspace.id}/add/", data, follow=True))
    assert "1 file added." in page
    assert "empty.txt: The file is empty. Choose another one." in page
    assert "fake.pdf: " in page
    assert workspace.documents.get().title == "good.txt"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"language": "en"}, "Choose at least one file."),
        ({"file": [upload("a.txt")], "language": "fr"}, "Choose one of this workspace's languages."),
    ],
    ids=["no file", "a language the workspace does not hold"],
)
def test_what_is_missing_is_said(edit, workspace, data, sentence):
    assert sentence in text_of(edit.post(f"/workspaces/{workspace.id}/add/", data))
    assert not workspace.documents.exists()


def test_more_files_than_a_form_may_carry_are_refused_whole(edit, workspace):
    files = [upload(f"{number}.txt") for number in range(101)]
    response = edit.post(f"/workspaces/{workspace.id}/add/", {"file": files, "language": "en"})
    assert response.status_code == 400
    assert "a form takes at most 100 files" in text_of(response)


@pytest.mark.parametrize("way", ["", "text/", "questions/"])
def test_only_the_workspaces_languages_can_be_chosen(edit, workspace, way):
    page = text_of(edit.get(f"/workspaces/{workspace.id}/add/{way}"))
    assert '<option value="de">German</option>' in page
    assert "French" not in page


def test_viewers_cannot_add(view, workspace):
    for way, data in (
        ("", {"file": [upload("a.txt")]}),
        ("text/", {"title": "t", "text": "t"}),
        ("questions/", {"question": "q", "answer": "a"}),
        ("questions/table/", {"table-file": upload("a.csv", b"q,a")}),
    ):
        response = view.post(f"/workspaces/{workspace.id}/add/{way}", data | {"language": "en"})
        assert response.status_code == 404
    assert not workspace.documents.exists()


def test_a_text_is_added(edit, workspace):
    data = {"title": "Öl", "text": "# Pumpe\n\nBraucht Öl.", "is_markdown": "on", "language": "de"}
    page = text_of(edit.post(f"/workspaces/{workspace.id}/add/text/", data, follow=True))
    assert "Öl was added. It is searchable once its status is Ready." in page
    document = workspace.documents.get()
    assert (document.kind, document.media_type, document.language) == ("text", "text/markdown", "de")


def test_a_question_is_added_and_the_next_one_asked_for(edit, workspace):
    data = {"question": "Why <b>so</b>?", "answer": "Because.", "language": "en"}
    page = edit.post(f"/workspaces/{workspace.id}/add/questions/", data, follow=True).content.decode()
    document = workspace.documents.get()
    assert (
        f'“<a href="/workspaces/{workspace.id}/documents/{document.id}/">Why &lt;b&gt;so&lt;/b&gt;?</a>” was added.'
        in page
    )
    assert 'name="answer"' in page


@pytest.mark.parametrize(
    ("way", "data", "sentence"),
    [
        ("text/", {"title": "", "text": "words"}, "This field is required."),
        ("text/", {"title": "Title", "text": "---"}, "The text is empty. Write one."),
        ("questions/", {"question": "?", "answer": "words"}, "The question is empty. Write one."),
    ],
)
def test_what_was_typed_stays_when_it_is_refused(edit, workspace, way, data, sentence):
    page = text_of(edit.post(f"/workspaces/{workspace.id}/add/{way}", data | {"language": "en"}))
    assert sentence in page
    assert all(value in page for value in data.values())
    assert not workspace.documents.exists()


def test_a_table_of_questions_is_added(edit, workspace):
    def add(content):
        data = {"table-file": upload("faq.csv", content), "table-language": "de"}
        return text_of(edit.post(f"/workspaces/{workspace.id}/add/questions/table/", data, follow=True))

    page = add(b"question,answer\nWhy?,Because.\nHow?,\nWhen?,Now.\n")
    assert "2 questions added." in page
    assert "1 row of the table was not added." in page
    assert "Row 3, How?: The answer is empty. Write one." in " ".join(re.sub("<[^>]*>", "", page).split())
    assert "3 questions added." in add(b"question,answer\nWhy?,Because.\nHow?,So.\nWhen?,Now.\n")
    assert workspace.documents.filter(language="de").count() == 3
    assert "Save the table as CSV" in add(b"just words")
    assert workspace.documents.count() == 3


def test_what_was_written_is_edited(edit, view, workspace):
    text = intake.add_text(workspace, None, "Oil", "The pump needs oil.", is_markdown=True)
    pair = intake.add_qa(workspace, None, "Why?", "Because.")
    page = text_of(edit.get(address(text, "edit/")))
    assert 'value="Oil"' in page
    assert "The pump needs oil." in page
    assert "checked" in page
    page = edit.post(address(text, "edit/"), {"title": "Oil", "text": "It does not."}, follow=True)
    assert "Search finds the previous version until the new one is ready." in text_of(page)
    assert 'value="Why?"' in text_of(edit.get(address(pair, "edit/")))
    edit.post(address(pair, "edit/"), {"question": "Why not?", "answer": "So."})
    text.refresh_from_db()
    pair.refresh_from_db()
    assert (content.text_of(text), text.media_type, pair.title) == ("It does not.", "text/plain", "Why not?")
    double = {"question": "Why not?", "answer": "So."}
    other = intake.add_qa(workspace, None, "Who?", "Me.")
    assert "already" in text_of(edit.post(address(other, "edit/"), double))
    assert view.get(address(text, "edit/")).status_code == 404
    file = factories.document(workspace, content=b"text")
    assert edit.get(address(file, "edit/")).status_code == 404
    assert "Edit" in text_of(edit.get(address(text)))
    assert ">Edit<" not in text_of(edit.get(address(file)))


# --- reading ----------------------------------------------------------------------------------


@pytest.fixture
def handbook(workspace):
    document = factories.document(workspace, title="handbook.md", media_type="text/markdown", page_count=2)
    factories.section(document, "# Leave\n\nThirty days a year.", title_path=["Leave"], page=1)
    factories.section(
        document, "## Sick\n\nTell <b>your</b> lead & rest.", title_path=["Leave", "Sick"], page=2
    )
    return document


def address(document: Document, query: str = "") -> str:
    return f"/workspaces/{document.workspace_id}/documents/{document.id}/{query}"


def test_the_text_is_shown_by_section_with_headings_and_pages(view, handbook):
    page = view.get(address(handbook)).content.decode()
    headings = re.findall(r'role="heading" aria-level="(\d)" dir="auto">(.*?)\s*</p>', page, re.DOTALL)
    assert headings == [("2", "Leave"), ("3", "Sick")]
    assert page.index("Page 1") < page.index("Thirty days") < page.index("Page 2") < page.index("Tell ")
    assert "Tell &lt;b&gt;your&lt;/b&gt; lead &amp; rest." in page
    assert "<b>your" not in page


@pytest.mark.parametrize(
    ("section", "words", "marked"),
    [
        (0, "Thirty days", ["Thirty days"]),
        (0, "days a year.", ["days a year."]),
        (1, "<b>your</b> lead & r", ["&lt;b&gt;your&lt;/b&gt; lead &amp; r"]),
        (1, "Sick\n\nTell", ["Sick", "Tell"]),
        (1, "## Sick\n\nTell", ["Sick", "Tell"]),
    ],
    ids=["middle", "to the end", "hostile", "across a heading", "from the very start"],
)
def test_exactly_the_cited_stretch_is_marked(view, handbook, section, words, marked):
    start = handbook.sections.get(position=section).text.index(words)
    query = f"?section={section}&start={start}&end={start + len(words)}"
    page = view.get(address(handbook, query)).content.decode()
    marks = [part.split("</mark>")[0].partition(">")[2] for part in page.split("<mark")[1:]]
    assert [mark.strip() for mark in marks] == marked
    assert page.count('<mark id="passage" tabindex="-1" autofocus>') == 1


@pytest.mark.parametrize(
    "query", ["?section=0&start=5&end=9999", "?section=9&start=0&end=4"], ids=["too long", "gone"]
)
def test_a_stretch_that_is_no_longer_there_marks_nothing_and_says_so(view, handbook, query):
    page = text_of(view.get(address(handbook, query)))
    assert "<mark" not in page
    assert "Nothing is highlighted, so that you do not see the wrong sentence." in page


@pytest.mark.parametrize(
    "query", ["?section=x&start=1&end=2", "?section=0&start=9&end=3", "?section=0", "?start=²"]
)
def test_an_address_that_names_no_stretch_just_shows_the_text(view, handbook, query):
    page = text_of(view.get(address(handbook, query)))
    assert "Thirty days" in page
    assert "<mark" not in page
    assert "Nothing is highlighted" not in page


def test_a_long_text_opens_at_the_part_that_holds_the_stretch(view, workspace):
    document = factories.document(workspace)
    for number in range(130):
        factories.section(document, f"This is number {number}.", position=number)
    page = text_of(view.get(address(document, "?section=125&start=0&end=4")))
    assert "Part 3 of 3" in page
    assert ">This</mark> is number 125." in page
    assert "number 5." not in text_of(view.get(address(document, "?page=2")))


def test_reading_takes_the_same_few_queries_for_any_length(view, workspace, django_assert_num_queries):
    document = factories.document(workspace)
    for number in range(50):
        factories.section(document, "text", position=number)
    with django_assert_num_queries(10):
        view.get(address(document))


def test_a_failed_document_says_why_and_offers_to_try_again(edit, view, workspace):
    document = factories.document(workspace, status="failed", error="Its pages are pictures.")
    assert "Its pages are pictures." in text_of(view.get(address(document)))
    assert "Retry" not in text_of(view.get(address(document)))
    assert "Retry" in text_of(edit.get(address(document)))


def test_the_ledger_shows_stages_times_and_what_they_said(view, handbook):
    start = timezone.now()
    LedgerEntry.objects.create(
        document=handbook, attempt=1, stage="extract", outcome="failed", started_at=start,
        finished_at=start + timedelta(seconds=2.5), detail={"error": "<u>broken</u>"},
    )  # fmt: skip
    page = view.get(address(handbook)).content.decode()
    for words in ("How it became searchable", "Reading", "Failed", "2.5 s", "&lt;u&gt;broken"):
        assert words in page


def test_the_ledger_is_told_attempt_by_attempt(view, handbook):
    now = timezone.now()
    for attempt, stage, outcome, detail in (
        (1, "extract", "done", {"parser": "plain 1", "sections": 1200, "pages": None, "chunks": 1}),
        (1, "embed", "failed", {"error": "The model sleeps."}),
        (2, "extract", "done", {}),
        (2, "embed", "done", {"embedded": 64}),
        (1, "extract", "done", {}),  # a user retried it
    ):
        LedgerEntry.objects.create(
            document=handbook, attempt=attempt, stage=stage, outcome=outcome, detail=detail, started_at=now
        )
    page = " ".join(text_of(view.get(address(handbook))).split())
    assert "3 attempts" in page
    assert re.findall(r"<h3>Attempt (\d)", page) == ["3", "2", "1"]
    assert "read by plain 1 · 1,200 sections · 1 passage" in page
    assert "The model sleeps." in page


def test_the_newest_embedding_tells_of_its_batches(view, handbook):
    now = timezone.now()
    LedgerEntry.objects.create(document=handbook, attempt=1, stage="embed", outcome="running", started_at=now)
    for ordinal, embedded in enumerate((64, 0)):
        BatchEntry.objects.create(
            document=handbook, attempt=1, ordinal=ordinal, chunk_count=64, embedded_count=embedded, took_ms=1
        )
    assert "2 batches · 64 embedded · 64 already embedded" in text_of(view.get(address(handbook)))


def test_an_open_document_gets_its_progress_and_then_its_text(view, workspace):
    document = factories.document(workspace, status="processing", stage="embed", attempt=2, chunk_count=3)
    page = text_of(view.get(address(document)))
    assert "data-live" in page
    assert "Attempt 2 of 5." in page
    assert "Until then, search finds its previous version." in page
    seen = versions(page)
    assert view.get(address(document), {"seen": seen}).status_code == 204
    Document.objects.filter(pk=document.pk).update(progress_total=4, progress_done=3)
    reply = text_of(view.get(address(document), {"seen": seen}))
    assert "3 of 4 passages" in reply
    assert "data-live" in reply
    Document.objects.filter(pk=document.pk).update(status="ready")
    assert "data-reload" in text_of(view.get(address(document), {"seen": seen}))
    assert "data-reload" not in text_of(view.get(address(document)))


def test_the_original_comes_as_an_attachment_that_no_browser_shows(view, workspace):
    document = factories.document(
        workspace, title="Bericht ü.html", media_type="text/html", content=b"<script>1</script>"
    )
    response = view.get(address(document, "download/"))
    assert b"".join(response.streaming_content) == b"<script>1</script>"
    assert response["Content-Disposition"].startswith("attachment; ")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_an_original_that_is_gone_is_a_404(view, workspace):
    document = factories.document(workspace, content=b"text")
    document.file.delete(save=False)
    assert view.get(address(document, "download/")).status_code == 404


@pytest.mark.parametrize("way", ["", "download/"])
def test_a_document_is_reached_only_through_its_own_workspace(as_user, workspace, way):
    document = factories.document(workspace, content=b"secret")
    elsewhere = factories.workspace()
    stranger = as_user(factories.member(elsewhere, Role.MANAGER))
    assert stranger.get(address(document, way)).status_code == 404
    assert stranger.get(f"/workspaces/{elsewhere.id}/documents/{document.id}/{way}").status_code == 404


# --- retrying and deleting --------------------------------------------------------------------


def test_an_editor_retries_a_failed_document(edit, workspace):
    document = factories.document(workspace, status="failed", error="why", content=b"text")
    response = edit.post(address(document, "retry/"), follow=True)
    assert f"{document.title} is being read again." in text_of(response)
    document.refresh_from_db()
    assert (document.status, document.error) == ("pending", "")


def test_an_editor_deletes_one_and_several(edit, workspace):
    one, *several, kept = [factories.document(workspace) for _ in range(4)]
    assert "The document, its passages and its file were deleted." in text_of(
        edit.post(address(one, "delete/"), follow=True)
    )
    chosen = {"document": [str(each.id) for each in several]}
    response = edit.post(f"/workspaces/{workspace.id}/documents/delete/", chosen, follow=True)
    assert "2 documents, their passages and their files were deleted." in text_of(response)
    assert workspace.documents.get() == kept
    assert AuditEvent.objects.filter(action="document.delete").count() == 3


def test_an_editor_has_several_read_again(edit, workspace):
    one, two, _ = (factories.document(workspace, status="failed", error="why") for _ in range(3))
    chosen = {"document": [str(one.id), str(two.id)]}
    response = edit.post(f"/workspaces/{workspace.id}/documents/retry/", chosen, follow=True)
    assert "2 documents are being read again." in text_of(response)
    assert set(workspace.documents.filter(status="pending")) == {one, two}
    nothing = edit.post(f"/workspaces/{workspace.id}/documents/retry/", follow=True)
    assert "Nothing to retry. Select the documents first." in text_of(nothing)


def test_what_is_being_read_is_not_said_to_be_read_again(edit, workspace):
    busy = factories.document(workspace, status="processing")
    chosen = {"document": [str(busy.pk)]}
    several = edit.post(f"/workspaces/{workspace.id}/documents/retry/", chosen, follow=True)
    assert "The selected documents are already being read." in text_of(several)
    assert f"{busy.title} is already being read." in text_of(edit.post(address(busy, "retry/"), follow=True))


def test_selecting_nothing_or_nonsense_deletes_nothing(edit, workspace):
    factories.document(workspace)
    foreign = factories.document(factories.workspace())
    for chosen in ([], ["not-an-id"], [str(foreign.id)]):
        response = edit.post(
            f"/workspaces/{workspace.id}/documents/delete/", {"document": chosen}, follow=True
        )
        assert "Nothing was deleted: select the documents first." in text_of(response)
    assert Document.objects.count() == 2


@pytest.mark.parametrize("way", ["retry/", "delete/"])
def test_viewers_and_strangers_change_nothing_and_reading_never_does(view, as_user, edit, workspace, way):
    document = factories.document(workspace, status="failed")
    for client in (view, as_user(factories.user())):
        assert client.post(address(document, way)).status_code == 404
        chosen = {"document": [str(document.id)]}
        assert client.post(f"/workspaces/{workspace.id}/documents/delete/", chosen).status_code == 404
    assert edit.get(address(document, way)).status_code == 405
    assert Document.objects.get().status == "failed"


def test_the_language_can_be_changed_where_there_are_several(edit, view, workspace):
    document = factories.document(workspace, content=b"Guten Tag")
    path = f"/workspaces/{workspace.id}/documents/{document.id}/"
    assert "English, detected in its text" in text_of(edit.get(path))
    assert "Change the language" not in text_of(view.get(path))
    page = text_of(edit.post(f"{path}language/", {"language": "de"}, follow=True))
    assert "is being read again in the new language" in page
    document.refresh_from_db()
    assert (document.language, document.status) == ("de", "pending")
    assert "does not have the language" in text_of(
        edit.post(f"{path}language/", {"language": "fr"}, follow=True)
    )


def test_a_filter_that_leaves_nothing_is_not_taken_for_an_empty_workspace(edit, workspace):
    fields.declare(workspace, None, label="Department", choices=["HR", "Legal"])
    factories.document(workspace)
    page = text_of(edit.get(f"/workspaces/{workspace.id}/?f.department=HR"))
    assert "No document matches this now." in page
    assert "Show all" in page
    assert "No documents yet" not in page


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"batches": 1, "chunks": 1, "pages": 1}, "1 page · 1 passage · 1 batch"),
        ({"batches": 2}, "2 batches"),
    ],
)
def test_what_a_stage_notes_is_told_of_one_and_of_several(detail, words):
    assert summarise_stage(LedgerEntry(detail=detail)) == words


# --- what was read ----------------------------------------------------------------------------


def test_the_page_says_what_was_read_and_what_was_not(view, handbook):
    note = {"kind": "left_out", "text": "A <b>picture</b> was left out.", "count": 1}
    handbook.reading = {"parser": "mail 1", "facts": {"attachments": 1200}, "notes": [note]}
    handbook.save()
    page = view.get(address(handbook)).content.decode()
    assert 'id="reading" open' in page
    assert "A &lt;b&gt;picture&lt;/b&gt; was left out." in page
    assert '<dt>Attachments</dt><dd dir="auto">1,200</dd>' in page


def test_what_was_read_is_folded_if_nothing_is_missing(view, handbook):
    handbook.reading = {"parser": "plain 2", "facts": {"encoding": "utf-8"}, "notes": []}
    handbook.save()
    page = view.get(address(handbook)).content.decode()
    assert 'id="reading">' in page


def test_a_document_read_by_an_earlier_build_shows_no_report(view, handbook):
    assert "What was read" not in text_of(view.get(address(handbook)))
