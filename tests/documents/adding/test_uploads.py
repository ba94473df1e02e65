"""Files that are sent to where they are kept, and announced by whoever saw them arrive."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from requests import Response, post

from documents.adding import uploads
from documents.errors import DocumentRefused, NothingUploaded
from documents.ingestion.ingest import ingest
from documents.models import Document, Upload
from ragsite.cleaning.runs import clean
from ragsite.settings import CELERY_BEAT_SCHEDULE
from tests.documents import s3
from tests.documents.adding.test_service import broker_at, queued, stored
from tests.documents.ingestion.test_ingest import rows
from workspaces.models import Workspace

TEXT = b"The pump needs oil."


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3.serving() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Iterator[Any]:
    with s3.bucket_at(server) as bucket:
        yield bucket


@pytest.fixture(autouse=True)
def _empty_queue(services: None) -> None:
    queued()


def begun(workspace: Workspace, name: str = "a b+ü.txt", size: int = len(TEXT), **more: Any) -> Upload:
    return uploads.begin(workspace, None, name, size, **more)


def send(upload: Upload, content: bytes = TEXT) -> Response:
    """Do what a browser does with the form it was given."""
    to = uploads.destination(upload)
    return post(to.url, data=to.fields, files={"file": ("whatever", content)}, timeout=10)


def keys(bucket: Any) -> list[str]:
    return [each.key for each in bucket.objects.all()]


# --- to a bucket ----------------------------------------------------------------------------------


def test_a_file_goes_to_the_bucket_and_becomes_a_document_of_its_own(
    workspace: Workspace, bucket: Any
) -> None:
    upload = begun(workspace, language="de")
    assert send(upload).status_code == 204
    assert keys(bucket) == [f"uploads/{upload.pk}"]
    document = uploads.complete(upload.pk)
    assert (document.title, document.language, document.size_bytes) == ("a b+ü.txt", "de", len(TEXT))
    assert keys(bucket) == [f"workspaces/{workspace.pk}/{document.pk}"]
    ingest(document.pk)
    assert [row[2] for row in rows(workspace)] == [TEXT.decode()]


def test_the_policy_allows_this_key_this_size_and_this_type_only(workspace: Workspace, bucket: Any) -> None:
    upload = begun(workspace, "report.pdf", 1234)
    form = uploads.destination(upload).fields
    conditions = json.loads(base64.b64decode(form["policy"]))["conditions"]
    assert ["content-length-range", 1234, 1234] in conditions
    assert {"Content-Type": "application/pdf"} in conditions
    assert {"key": f"uploads/{upload.pk}"} in conditions
    assert form["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(
    "order", ["client event", "event client", "event event client client", "event", "client"]
)
def test_announced_by_anybody_in_any_order_it_is_one_document(
    workspace: Workspace, bucket: Any, order: str
) -> None:
    upload = begun(workspace)
    send(upload)
    for announcer in order.split():
        uploads.complete(upload.pk) if announcer == "client" else uploads.complete_arrived(upload.key)
    document = workspace.documents.get()
    assert keys(bucket) == [f"workspaces/{workspace.pk}/{document.pk}"]
    assert queued() == [f"documents.ingest {document.pk}"]


def test_an_event_that_meets_an_outage_is_not_lost(workspace: Workspace, bucket: Any) -> None:
    upload = begun(workspace)
    send(upload)
    outages = iter([OperationalError("away"), ConnectionError("away")])

    def open_(name: str, *_: Any) -> Any:
        if error := next(outages, None):
            raise error
        return opens(name)

    opens = default_storage.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default_storage, "open", open_)
        uploads.complete_arrived.apply((upload.key,))
    assert workspace.documents.get().title == upload.name


def test_announced_by_both_at_the_same_moment_it_is_one_document(workspace: Workspace, bucket: Any) -> None:
    upload = begun(workspace)
    send(upload)
    start = threading.Barrier(4)
    made: list[Document] = []

    def announce() -> None:
        start.wait()
        try:
            made.append(uploads.complete(upload.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=announce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [workspace.documents.get()] * 4
    assert len(keys(bucket)) == 1


def test_a_file_that_goes_after_it_was_opened_is_not_found(workspace: Workspace, bucket: Any) -> None:
    """The other announcement was faster."""
    upload = begun(workspace)
    send(upload)
    with default_storage.open(upload.key) as file:
        document = uploads.complete(upload.pk)
        with pytest.raises(FileNotFoundError):
            file.read()
    assert uploads.complete(upload.pk) == document


def test_nothing_there_is_said_and_may_come_later(workspace: Workspace, bucket: Any) -> None:
    upload = begun(workspace)
    with pytest.raises(NothingUploaded, match="Send it to the upload's URL first"):
        uploads.complete(upload.pk)
    uploads.complete_arrived(upload.key)  # an event before its time does no harm
    send(upload)
    assert uploads.complete(upload.pk).title == "a b+ü.txt"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pdf", b"only words", r"ends in \.pdf"),
        ("a.txt", b"MZ\x90\x00" * 40, "may be damaged"),
    ],
)
def test_what_arrived_is_judged_by_its_content_and_thrown_away(
    workspace: Workspace, bucket: Any, name: str, content: bytes, words: str
) -> None:
    upload = begun(workspace, name, len(content))
    send(upload, content)
    for _ in range(2):
        with pytest.raises(DocumentRefused, match=words):
            uploads.complete(upload.pk)
    uploads.complete_arrived(upload.key)
    assert keys(bucket) == []
    assert not Document.objects.exists()


def test_a_bucket_sends_a_large_file_to_nobody_twice(
    workspace: Workspace, bucket: Any, settings: Any
) -> None:
    """The copy is made within the bucket: nothing is sent back to it."""
    content = b"The pump needs oil. " * 100_000
    upload = begun(workspace, size=len(content))
    send(upload, content)
    sent = []
    client = default_storage.connection.meta.client
    client.meta.events.register(
        "before-send.s3", lambda request, **_: sent.append((request.method, request.body))
    )
    document = uploads.complete(upload.pk)
    puts = [body for method, body in sent if method == "PUT"]
    assert len(puts) == 1
    assert not puts[0]
    with document.file.open() as file:
        assert file.read() == content


# --- to us ----------------------------------------------------------------------------------------


def test_without_a_bucket_the_site_takes_it(workspace: Workspace, settings: Any) -> None:
    upload = begun(workspace)
    assert uploads.destination(upload).url == f"/api/v1/workspaces/{workspace.pk}/uploads/{upload.pk}/file"
    for _ in range(2):
        uploads.receive(upload, SimpleUploadedFile("x", TEXT))
    assert len(stored(settings)) == 1
    document = uploads.complete(upload.pk)
    assert uploads.complete(upload.pk) == document
    assert [path.name for path in stored(settings)] == [str(document.pk)]


def test_another_size_than_was_announced_is_refused(workspace: Workspace, settings: Any) -> None:
    with pytest.raises(DocumentRefused, match="announced with 19 bytes, but 4 arrived"):
        uploads.receive(begun(workspace), SimpleUploadedFile("x", b"Oil."))
    assert stored(settings) == []


@pytest.mark.parametrize(
    ("size", "language", "words"), [(2000, "en", "the limit is"), (10, "fr", "does not have the language")]
)
def test_what_cannot_be_taken_is_refused_before_it_is_sent(
    workspace: Workspace, settings: Any, size: int, language: str, words: str
) -> None:
    settings.UPLOAD_MAX_BYTES = 1999
    with pytest.raises(DocumentRefused, match=words):
        begun(workspace, size=size, language=language)
    assert not Upload.objects.exists()


def test_what_nobody_announced_is_thrown_away_and_documents_stay(workspace: Workspace, settings: Any) -> None:
    left, done, young = begun(workspace), begun(workspace, "b.txt"), begun(workspace, "c.txt")
    for upload in (left, done, young):
        uploads.receive(upload, SimpleUploadedFile("x", TEXT))
    document = uploads.complete(done.pk)
    Upload.objects.exclude(pk=young.pk).update(created_at=timezone.now() - timedelta(hours=25))
    clean("uploads")
    assert Upload.objects.get() == young
    assert {path.name for path in stored(settings)} == {str(document.pk), str(young.pk)}
    assert CELERY_BEAT_SCHEDULE["clean-uploads"]["args"] == ["uploads"]


# --- what the bucket says -------------------------------------------------------------------------

_SECRET = {"x-ragsite-secret": "swordfish"}


def s3_form(key: str, bucket: str = s3.BUCKET) -> dict[str, Any]:
    record = {
        "eventName": "ObjectCreated:Post",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}},
    }
    return {"Records": [record]}


def eventbridge(key: str, bucket: str = s3.BUCKET) -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 19}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def sns(key: str, bucket: str = s3.BUCKET) -> dict[str, Any]:
    return {"Type": "Notification", "Message": json.dumps(s3_form(key, bucket))}


def say(event: Any, **headers: str) -> Any:
    body = event if isinstance(event, str) else json.dumps(event)
    return Client().post("/s3-events", body, content_type="text/plain", headers=headers)


@pytest.mark.parametrize("form", [s3_form, eventbridge, sns])
def test_each_form_of_event_is_understood(workspace: Workspace, bucket: Any, form: Any) -> None:
    upload = begun(workspace)
    reply = say(form(upload.key), **_SECRET)
    assert (reply.status_code, reply.json()) == (202, {"queued": 1})
    assert queued() == [f"documents.upload_arrived {upload.key}"]


@pytest.mark.parametrize(
    "event",
    [
        s3_form("uploads/../etc/passwd"), s3_form("workspaces/x"), s3_form("uploads/" + "a" * 36),
        eventbridge("uploads/0b6f2c1e-5a53-4d0c-8e3c-4d1d6fd3a111", "another-bucket"),
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": s3.BUCKET}, [], {"Records": "x"},
    ],
)  # fmt: skip
def test_what_is_not_ours_is_left_alone(workspace: Workspace, bucket: Any, event: Any) -> None:
    assert say(event, **_SECRET).json() == {"queued": 0}
    assert queued() == []


def test_an_event_about_nothing_we_know_does_no_harm(workspace: Workspace, bucket: Any) -> None:
    uploads.complete_arrived("uploads/0b6f2c1e-5a53-4d0c-8e3c-4d1d6fd3a111")
    uploads.complete_arrived("workspaces/x")
    assert not Document.objects.exists()


def test_only_who_knows_the_secret_is_heard(workspace: Workspace, bucket: Any, settings: Any) -> None:
    event = s3_form(begun(workspace).key)
    basic = base64.b64encode(b"sns:swordfish").decode()
    for headers in (
        {},
        {"x-ragsite-secret": "x"},
        {"authorization": "Basic ???"},
        {"authorization": "Bearer swordfish"},
    ):
        refused = say(event, **headers)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Basic realm="Ragsite"')
    assert say(event, authorization=f"Basic {basic}").status_code == 202
    settings.S3_EVENT_SECRET = ""
    assert say(event, **{"x-ragsite-secret": ""}).status_code == 404
    assert Client().get("/s3-events").status_code == 405


def test_a_broker_that_is_away_has_the_event_sent_again(workspace: Workspace, bucket: Any) -> None:
    event = s3_form(begun(workspace).key)
    assert say("{", **_SECRET).status_code == 400
    with broker_at("redis://127.0.0.1:9/0"):
        assert say(event, **_SECRET).status_code == 503


def test_a_subscription_is_confirmed_by_a_person(bucket: Any, caplog: pytest.LogCaptureFixture) -> None:
    event = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.example/confirm"}
    assert say(event, **_SECRET).json() == {"queued": 0}
    assert "https://sns.example/confirm" in caplog.text


# --- how it is configured -------------------------------------------------------------------------

_PRINT = """
import json, sys, django
django.setup()
import ragsite.asgi, ragsite.urls
from django.conf import settings
from django.core.files.storage import default_storage
before = "boto3" in sys.modules
default_storage.exists
csp = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["connect-src"]
print(json.dumps([before, "boto3" in sys.modules, settings.STORAGES["default"], csp]))
"""


def configured(root: Path, tmp_path: Path, **variables: str) -> Any:
    environment = {
        "PATH": "/usr/bin",
        "RAGSITE_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "ragsite.settings",
    }
    told = subprocess.run(
        [sys.executable, "-c", _PRINT], env=environment | variables, cwd=root, check=True, capture_output=True
    )
    return json.loads(told.stdout)


def test_boto3_is_imported_only_where_a_bucket_is_configured(root: Path, tmp_path: Path) -> None:
    assert configured(root, tmp_path)[:2] == [False, False]
    before, after, storage, csp = configured(
        root, tmp_path, RAGSITE_S3_BUCKET="team-files", RAGSITE_S3_REGION="eu-central-1"
    )
    assert (before, after) == (False, True)
    assert storage["OPTIONS"]["bucket_name"] == "team-files"
    assert storage["OPTIONS"]["endpoint_url"] == "https://s3.eu-central-1.amazonaws.com"
    assert csp == ["'self'", "https://s3.eu-central-1.amazonaws.com"]
