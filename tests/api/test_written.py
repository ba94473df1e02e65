"""Texts and questions with answers, by a program."""

import threading
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction

from documents.adding import uploads
from documents.adding.service import add_qa, add_text
from documents.models import Upload
from tests import factories
from workspaces.models import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace():
    return factories.workspace(languages=["en", "de"])


@pytest.fixture
def editor(api, workspace):
    return api(factories.member(workspace, Role.EDITOR))


def path(workspace, rest):
    return f"workspaces/{workspace.pk}/documents/{rest}"


def test_a_text_is_added_once(editor, workspace):
    body = {"title": "Öl", "text": " # Pumpe\n\nBraucht Öl.", "isMarkdown": True, "language": "de"}
    first, second = (editor("POST", path(workspace, "texts"), body) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    document = workspace.documents.get()
    assert (document.kind, document.language, document.created_by) == ("text", "de", editor.user)
    read = editor("GET", path(workspace, f"{document.pk}/content")).json()
    assert read == {"title": "Öl", "text": "# Pumpe\n\nBraucht Öl.", "isMarkdown": True}


def test_pairs_are_added_by_list_and_each_says_what_became_of_it(editor, workspace):
    pairs = [{"question": "Why?", "answer": "Because."}, {"question": "How?", "answer": "?!"}]
    reply = editor("POST", path(workspace, "questions"), {"pairs": pairs})
    assert reply.status_code == 201
    body = reply.json()
    assert (body["added"], body["refused"]) == (1, 1)
    assert body["pairs"][0]["document"]["title"] == "Why?"
    assert body["pairs"][1] == {
        "row": 2, "question": "How?", "document": None, "refusal": "The answer is empty. Write one.",
    }  # fmt: skip


def test_pairs_are_added_by_a_table(editor, workspace):
    table = SimpleUploadedFile("faq.csv", b"question;answer\nWhy?;Because.\nHow?;So.\n")
    reply = editor.upload(path(workspace, "questions/file-upload"), file=table, language="de")
    assert (reply.status_code, reply.json()["added"]) == (201, 2)
    assert set(workspace.documents.values_list("title", "kind", "language")) == {
        ("Why?", "qa", "de"),
        ("How?", "qa", "de"),
    }


@pytest.mark.parametrize(
    ("way", "body", "field"),
    [
        ("texts", {"title": "a"}, "text"),
        ("texts", {"title": "a", "text": "--"}, "text"),
        ("texts", {"title": "a", "text": "b", "language": "fr"}, "text"),
        ("questions", {"pairs": []}, "pairs"),
        ("questions", {"pairs": [{"question": "a"}]}, "pairs"),
        ("questions", {"pairs": [{"question": "a", "answer": "b"}] * 1001}, "pairs"),
    ],
)
def test_what_cannot_be_taken_is_refused_beside_its_field(editor, workspace, way, body, field):
    reply = editor("POST", path(workspace, way), body)
    assert reply.status_code == 400
    assert set(reply.json()) == {field}
    assert not workspace.documents.exists()


def test_a_table_that_is_none_is_refused(editor, workspace):
    table = SimpleUploadedFile("faq.csv", b"just words")
    reply = editor.upload(path(workspace, "questions/file-upload"), file=table)
    assert reply.status_code == 400
    assert 'the two columns "question" and "answer"' in reply.json()["file"][0]


def test_what_was_written_is_changed(editor, workspace):
    text = add_text(workspace, None, "Oil", "The pump needs oil.")
    reply = editor("PUT", path(workspace, f"{text.pk}/content"), {"title": "Oil", "text": "It does not."})
    assert (reply.status_code, reply.json()["status"]) == (202, "pending")
    pair = add_qa(workspace, None, "Why?", "Because.")
    content = {"question": "Why then?", "answer": "Because so."}
    assert editor("PUT", path(workspace, f"{pair.pk}/content"), content).json()["title"] == "Why then?"
    assert editor("GET", path(workspace, f"{pair.pk}/content")).json() == content


def test_a_pair_wants_its_own_fields_and_a_file_has_none(editor, api, workspace):
    pair = add_qa(workspace, None, "Why?", "Because.")
    reply = editor("PUT", path(workspace, f"{pair.pk}/content"), {"title": "Oil", "text": "It does not."})
    assert (reply.status_code, set(reply.json())) == (400, {"title", "text"})
    file = factories.document(workspace, content=b"text")
    assert editor("GET", path(workspace, f"{file.pk}/content")).status_code == 404
    viewer = api(factories.member(workspace, Role.VIEWER))
    assert viewer("GET", path(workspace, f"{pair.pk}/content")).status_code == 200
    content = {"question": "Why?", "answer": "No."}
    assert viewer("PUT", path(workspace, f"{pair.pk}/content"), content).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_an_upload_given_up_while_it_is_completed_is_not_found(api):
    workspace = factories.workspace()
    editor = factories.member(workspace, Role.EDITOR)
    upload = uploads.begin(workspace, editor, "a.txt", 9)
    is_locked = threading.Event()

    def somebody_waits():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0]

    def give_up():
        with transaction.atomic():
            Upload.objects.filter(pk=upload.pk).delete()
            is_locked.set()
            deadline = time.monotonic() + 10
            while not somebody_waits() and time.monotonic() < deadline:
                time.sleep(0.02)
        connection.close()

    thread = threading.Thread(target=give_up)
    thread.start()
    is_locked.wait()
    response = api(editor)("POST", f"workspaces/{workspace.pk}/uploads/{upload.pk}/complete")
    thread.join()
    assert (response.status_code, response.json()) == (404, {"detail": "It was deleted in the meantime."})
