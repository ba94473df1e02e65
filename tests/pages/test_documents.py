"""The documents of a workspace: the table, adding, reading one, retrying, deleting."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import AuditEvent
from documents.models import Document, LedgerEntry
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
    factories.document(workspace, status="failed", error="It is protected by a password.")
    page = text_of(edit.get(f"/workspaces/{workspace.id}/"))
    for words in ("1,234 passages", "Embedding 25 %", "Waiting", "Trying again", "The model sleeps.",
                  "Next attempt", "in 3 min", "It is protected by a password.", "Retry"):  # fmt: skip
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
        ("failed", {"c"}),
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
    with django_assert_num_queries(10):
        view.get(address)
    for _ in range(200):
        factories.document(workspace, created_by=user)
    with django_assert_num_queries(10):
        page = text_of(view.get(f"{address}?page=4"))
    assert "151–200 of 201" in page
    assert "?status=&page=5" in page
    assert "201–201 of 201" in text_of(view.get(f"{address}?page=99"))


def test_the_part_asks_for_itself_only_while_something_works(view, workspace):
    address = f"/workspaces/{workspace.id}/"
    document = factories.document(workspace, status="processing")
    part = text_of(view.get(address, headers={"HX-Request": "true"}))
    assert 'hx-trigger="every 2s"' in part
    assert "<html" not in part
    Document.objects.filter(pk=document.pk).update(status="ready")
    assert "hx-trigger" not in text_of(view.get(address, headers={"HX-Request": "true"}))


def test_an_empty_workspace_says_what_it_is_for(edit, view, workspace):
    address = f"/workspaces/{workspace.id}/"
    assert (
        f'href="/workspaces/{workspace.id}/add/">' in text_of(edit.get(address)).split("No documents yet")[1]
    )
    assert "Ask a manager to add documents" in text_of(view.get(address))


def test_viewers_see_nothing_to_press(view, workspace):
    factories.document(workspace, status="failed", error="why")
    page = text_of(view.get(f"/workspaces/{workspace.id}/"))
    for control in ("Retry", "Delete", 'type="checkbox"', "Add files"):
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


def test_a_script_gets_the_outcome_of_its_file(edit, workspace):
    def add(**data):
        return edit.post(f"/workspaces/{workspace.id}/add/", data, headers={"accept": "application/json"})

    [outcome] = add(file=upload("good.txt"), language="en").json()["files"]
    document = workspace.documents.get()
    assert outcome == {
        "name": "good.txt",
        "url": f"/workspaces/{workspace.id}/documents/{document.id}/",
        "note": "Added. It is being read now.",
    }
    Document.objects.update(status="ready")
    assert (
        add(file=upload("good.txt"), language="en").json()["files"][0]["note"]
        == "This very file is here already."
    )
    assert "empty" in add(file=upload("no.txt", b""), language="en").json()["files"][0]["error"]
    nothing = add(language="en")
    assert (nothing.status_code, nothing.json()) == (400, {"error": "Choose at least one file."})


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
    assert "at most 100 files go in one form" in text_of(response)


def test_only_the_workspaces_languages_can_be_chosen(edit, workspace):
    page = text_of(edit.get(f"/workspaces/{workspace.id}/add/"))
    assert '<option value="de">German</option>' in page
    assert "French" not in page


def test_viewers_cannot_add(view, workspace):
    response = view.post(f"/workspaces/{workspace.id}/add/", {"file": [upload("a.txt")], "language": "en"})
    assert response.status_code == 404
    assert not workspace.documents.exists()


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
    assert "Nothing is highlighted, so that you are not shown the wrong sentence." in page


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
    with django_assert_num_queries(8):
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
    for words in ("How it became searchable", "Reading", "Failed", "2.5 s", "error: &lt;u&gt;broken"):
        assert words in page


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
    assert "The document, its passages and its file are deleted." in text_of(
        edit.post(address(one, "delete/"), follow=True)
    )
    chosen = {"document": [str(each.id) for each in several]}
    response = edit.post(f"/workspaces/{workspace.id}/documents/delete/", chosen, follow=True)
    assert "2 documents, their passages and their files are deleted." in text_of(response)
    assert workspace.documents.get() == kept
    assert AuditEvent.objects.filter(action="document.delete").count() == 3


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
