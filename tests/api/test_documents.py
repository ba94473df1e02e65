import asyncio
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from documents.models import Document
from inference.connect import open_embedder
from tests import factories
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace()


@pytest.fixture
def editor(api, workspace):
    return api(factories.member(workspace, Role.EDITOR))


def file(name="notes.txt", content=b"The pump needs oil."):
    return SimpleUploadedFile(name, content)


def upload(program, workspace, **fields):
    return program.upload(f"workspaces/{workspace.pk}/documents/file-upload", **fields)


def test_a_file_is_taken_in_and_waits_to_be_ingested(editor, workspace):
    response = upload(editor, workspace, file=file())
    assert response.status_code == 201
    row = response.json()
    assert (row["title"], row["status"], row["kind"], row["language"]) == (
        "notes.txt",
        "pending",
        "file",
        "en",
    )
    document = workspace.documents.get()
    assert (str(document.pk), document.created_by) == (row["id"], editor.user)
    with document.file.open() as stored:
        assert stored.read() == b"The pump needs oil."


def test_the_title_may_be_another_than_the_name(editor, workspace):
    assert upload(editor, workspace, file=file(), title="Pump notes").json()["title"] == "Pump notes"


def test_an_archive_that_is_not_opened_is_refused_with_what_to_do(editor, workspace):
    response = upload(editor, workspace, file=file("all.rar", b"Rar!\x1a\x07\x01\0" + bytes(range(256))))
    assert response.status_code == 400
    assert "Unpack it and add the files in it, or pack them as ZIP" in str(response.json())
    assert not workspace.documents.exists()


@pytest.mark.parametrize("language", ["", None])
@pytest.mark.parametrize(
    ("door", "body"),
    [
        ("documents/texts", {"title": "Notes", "text": "The pump needs oil."}),
        ("documents/questions", {"pairs": [{"question": "What?", "answer": "Oil."}]}),
        ("uploads", {"name": "notes.txt", "sizeBytes": 19}),
        ("websites", {"url": "https://example.org/"}),
        ("feeds", {"url": "https://example.org/feed"}),
    ],
)
def test_an_empty_language_is_detected_from_the_text(editor, workspace, door, body, language):
    response = editor("POST", f"workspaces/{workspace.pk}/{door}", body | {"language": language})
    assert response.status_code == 201, response.json()
    assert not any(document.is_language_chosen for document in workspace.documents.all())


def test_an_unknown_language_is_refused_with_a_sentence_that_says_what_to_send(editor, workspace):
    response = editor(
        "POST", f"workspaces/{workspace.pk}/uploads", {"name": "a.txt", "sizeBytes": 1, "language": "klingon"}
    )
    assert response.json() == {"language": ["'klingon' is not a language code here. Write 'tlh'."]}


def test_the_same_file_again_is_the_same_document(editor, workspace):
    ids = {upload(editor, workspace, file=file()).json()["id"] for _ in range(2)}
    assert len(ids) == 1
    assert workspace.documents.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "file"),
        ({"file": file(content=b"")}, "file"),
        ({"file": file("program.exe", b"MZ\x90\x00")}, "file"),
        ({"file": file(), "language": "klingon"}, "language"),
        ({"file": file(), "language": "fr"}, "file"),
        ({"file": file(), "folder": "x"}, "folder"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_sentence(editor, workspace, fields, field):
    if "file" in fields:
        fields["file"].seek(0)
    response = upload(editor, workspace, **fields)
    assert response.status_code == 400
    assert set(response.json()) == {field}
    assert response.json()[field][0].endswith(".")
    assert not Document.objects.exists()


def test_a_viewer_adds_nothing(api, workspace):
    viewer = api(factories.member(workspace, Role.VIEWER))
    assert upload(viewer, workspace, file=file()).status_code == 404


def test_documents_are_listed_all_by_kind_and_by_status(editor, workspace):
    factories.document(workspace, title="a")
    factories.document(workspace, title="b", status="failed", error="It is encrypted.")
    factories.document(factories.workspace(), title="elsewhere")
    base = f"workspaces/{workspace.pk}/documents"
    for path, titles in (
        ("", {"a", "b"}),
        ("/file", {"a", "b"}),
        ("?status=failed", {"b"}),
        ("/file?status=ready", {"a"}),
    ):
        rows = editor("GET", base + path).json()["results"]
        assert {row["title"] for row in rows} == titles, path


def test_an_unknown_kind_is_404_with_those_there_are(editor, workspace):
    response = editor("GET", f"workspaces/{workspace.pk}/documents/podcast")
    assert response.status_code == 404
    assert "file" in response.json()["detail"]


def test_an_unknown_status_is_refused_with_those_there_are(editor, workspace):
    response = editor("GET", f"workspaces/{workspace.pk}/documents?status=lost")
    assert "failed" in response.json()["status"][0]


def test_a_document_is_read_retried_and_deleted(editor, workspace):
    document = factories.document(workspace, status="failed", error="It is encrypted.", attempt=5)
    path = f"workspaces/{workspace.pk}/documents/{document.pk}"
    assert editor("GET", path).json()["error"] == "It is encrypted."
    retried = editor("POST", f"{path}/retry")
    assert retried.status_code == 202
    assert (retried.json()["status"], retried.json()["error"]) == ("pending", "")
    assert editor("DELETE", path).status_code == 204
    assert editor("GET", path).status_code == 404


def test_a_viewer_reads_and_changes_nothing(api, workspace):
    viewer = api(factories.member(workspace, Role.VIEWER))
    path = f"workspaces/{workspace.pk}/documents/{factories.document(workspace).pk}"
    assert viewer("GET", path).status_code == 200
    assert viewer("POST", f"{path}/retry").status_code == 404
    assert viewer("DELETE", path).status_code == 404
    assert workspace.documents.exists()


def test_a_document_is_found_only_in_its_own_workspace(api, workspace):
    other = factories.workspace()
    document = factories.document(other)
    operator = api(factories.operator())
    assert operator("GET", f"workspaces/{workspace.pk}/documents/{document.pk}").status_code == 404


# --- search ---------------------------------------------------------------------------------------


@pytest.fixture
def searchable(server):
    workspace = factories.workspace(embedder=factories.embedder(base_url=server.base_url, dimensions=384))
    text = "The outlet pressure of the pump is six bar."
    document = factories.document(workspace, title="pump.md")

    async def embedded():
        async with open_embedder(workspace.embedder.spec()) as embedder:
            return (await embedder.embed([text], "passage")).vectors

    engine = engine_for(workspace)
    engine.stage(document.pk, [NewChunk(0, text, b"hash", 0, 0, len(text))], asyncio.run(embedded()))
    engine.publish(document.pk, 1)
    return workspace


def ask(program, workspace, query="outlet pressure of the pump", **fields):
    return program("POST", "semantic-search", {"workspaceId": str(workspace.pk), "query": query} | fields)


@pytest.mark.django_db(transaction=True)
def test_search_returns_passages_with_their_place_scores_legs_and_times(api, searchable):
    reply = ask(api(factories.member(searchable)), searchable).json()
    assert reply["outcome"] == "found"
    best = reply["passages"][0]
    assert (best["number"], best["documentTitle"], best["denseRank"], best["lexicalRank"]) == (
        1,
        "pump.md",
        1,
        1,
    )
    assert {leg["name"] for leg in reply["legs"]} == {"dense", "lexical"}
    assert reply["timingsMs"]


@pytest.mark.django_db(transaction=True)
def test_a_search_can_be_asked_later_why_it_went_so(api, searchable):
    program = api(factories.member(searchable))
    reply = ask(program, searchable).json()
    kept = program("GET", f"searches/{reply['id']}").json()
    assert kept["outcome"] == reply["outcome"] == "found"
    assert kept["trace"]["candidates"] == reply["candidates"]
    assert kept["trace"]["candidates"][0]["fate"] == "prompt"
    assert kept["trace"]["circumstances"]["config"]["is_hybrid"] is True


@pytest.mark.django_db(transaction=True)
def test_a_search_is_for_whoever_made_it_and_the_managers(api, searchable):
    path = f"searches/{ask(api(factories.member(searchable)), searchable).json()['id']}"
    assert api(factories.member(searchable, Role.MANAGER))("GET", path).status_code == 200
    for other in (factories.member(searchable, Role.EDITOR), factories.user()):
        assert api(other)("GET", path).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_nothing_relevant_is_an_outcome_of_its_own(api, searchable):
    reply = ask(api(factories.member(searchable)), searchable, "violin sonatas").json()
    assert (reply["outcome"], reply["passages"]) == ("nothing_relevant", [])


@pytest.mark.django_db(transaction=True)
def test_an_empty_workspace_is_an_outcome_of_its_own(api, server):
    workspace = factories.workspace(embedder=factories.embedder(base_url=server.base_url, dimensions=384))
    assert ask(api(factories.member(workspace)), workspace).json()["outcome"] == "empty"


@pytest.mark.django_db(transaction=True)
def test_a_search_that_cannot_be_made_is_503_in_words(api):
    workspace = factories.workspace(is_hybrid=False)
    response = ask(api(factories.member(workspace)), workspace)
    assert response.status_code == 503
    assert "127.0.0.1:9" in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": "x" * 20_001}, "query"),
        ({"limit": 0}, "limit"),
        ({"limit": 51}, "limit"),
        ({"workspaceId": "mine"}, "workspaceId"),
        ({"workspace_id": "x"}, "workspace_id"),
    ],
)
def test_a_search_that_cannot_be_is_refused_beside_its_field(api, workspace, change, field):
    response = ask(api(factories.member(workspace)), workspace, **change)
    assert response.status_code == 400
    assert set(response.json()) == {field}


def test_nobody_searches_elsewhere(api, workspace):
    stranger = api(factories.user())
    assert ask(stranger, workspace).status_code == 404
    unknown = stranger("POST", "semantic-search", {"workspaceId": str(uuid.uuid4()), "query": "x"})
    assert unknown.status_code == 404


def test_the_language_is_corrected(api):
    workspace = factories.workspace(languages=["en", "de"])
    document = factories.document(workspace)
    call = api(factories.member(workspace, Role.EDITOR))
    reply = call("PATCH", f"workspaces/{workspace.id}/documents/{document.id}", {"language": "de"})
    assert reply.status_code == 202
    assert (reply.json()["language"], reply.json()["isLanguageChosen"]) == ("de", True)
    refused = call("PATCH", f"workspaces/{workspace.id}/documents/{document.id}", {"language": "fr"})
    assert "does not have the language" in str(refused.json())


def test_a_document_tells_what_was_read_and_what_was_not(editor, workspace):
    read, old = (factories.document(workspace) for _ in range(2))
    read.reading = {
        "parser": "mail 1",
        "facts": {"attachments": 2},
        "notes": [{"kind": "left_out", "text": "A picture was left out.", "count": 1}],
    }
    read.save()
    path = f"workspaces/{workspace.pk}/documents"
    assert editor("GET", f"{path}/{read.pk}").json()["reading"] == read.reading
    assert editor("GET", f"{path}/{old.pk}").json()["reading"] == {"parser": "", "facts": {}, "notes": []}
