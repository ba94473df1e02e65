"""Files and rows that do not agree, as after the restore of a backup, in a folder and in a bucket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from core.db import advisory_locks
from core.files import HELD, discard, stored_files
from documents.adding.uploads import begin, receive
from documents.ingestion import quarantine
from documents.ingestion.deletion import delete_document
from documents.models import Document
from ragsite.cleaning.runs import clean
from ragsite.models import CleaningRun
from tests.documents import s3
from tests.documents.ingestion.test_consistency import reconcile
from tests.documents.ingestion.test_ingest import put
from tests.held_lock import held_elsewhere
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3.serving() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def _storage(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "folder":
        yield
    else:
        with s3.bucket_at(request.getfixturevalue("server")):
            yield


@pytest.fixture(autouse=True)
def later(_storage: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that the tests store is older than an upload can take."""
    monkeypatch.setattr(quarantine, "_UPLOADING", timedelta(seconds=-5))


def the_row_is_gone(document: Document) -> str:
    """Return the name of its file, which stays: what the restore of an older database leaves."""
    name = str(document.file.name)
    Document.objects.filter(pk=document.pk)._raw_delete("default")
    return name


def names(folder: str) -> list[str]:
    return list(stored_files().names(folder))


def test_where_all_files_are_there_nothing_is_said(workspace: Workspace) -> None:
    document = put(workspace, title="one.md")
    upload = begin(workspace, None, "announced.md", 4)
    receive(upload, ContentFile(b"text"))
    begin(workspace, None, "announced, and not there yet.md", 4)
    Workspace.objects.update(document_count=1, size_bytes=document.size_bytes)
    assert "file" not in reconcile()


def test_a_file_that_no_row_names_is_put_aside_and_says_so_before(workspace: Workspace) -> None:
    name = the_row_is_gone(put(workspace, title="one.md"))
    assert (
        f"{name} belongs to no document. --fix: It will be moved to quarantine/ and kept for 30 days."
        in reconcile()
    )
    assert default_storage.exists(name), "without --fix nothing changes"
    reconcile("--fix")
    held = names("quarantine")
    assert [each.split("/", 3)[3] for each in held] == [name]
    assert held[0].split("/")[1] == f"{timezone.now():%Y-%m-%d}"
    assert "belongs to no document" not in reconcile()


def test_an_upload_that_no_row_knows_is_put_aside_too(workspace: Workspace) -> None:
    default_storage.save("uploads/11111111-1111-4111-8111-111111111111", ContentFile(b"the only copy"))
    assert "uploads/11111111-1111-4111-8111-111111111111 belongs to no document." in reconcile("--fix")
    assert len(names("quarantine")) == 1
    assert names("uploads") == []


def test_the_row_of_a_newer_backup_finds_its_file_again(workspace: Workspace) -> None:
    document = put(workspace, title="one.md")
    name = the_row_is_gone(document)
    reconcile("--fix")
    document.save(force_insert=True)
    Document.objects.update(status=Document.Status.FAILED)
    assert f"its file {name} is missing from the storage. It was put aside. --fix: quarantine/" in reconcile()
    reconcile("--fix")
    with default_storage.open(name) as file:
        assert file.read()
    assert names("quarantine") == []
    assert Document.objects.get().status == Document.Status.PENDING, (
        "it failed without its file, and is read again"
    )


def test_put_back_brings_files_to_their_place_unless_it_is_taken(workspace: Workspace) -> None:
    back, taken = (the_row_is_gone(put(workspace, title=title)) for title in ("one.md", "two.md"))
    reconcile("--fix")
    default_storage.save(taken, ContentFile(b"newer"))
    assert "Files put back: 0." in reconcile("--put-back", "2020-01-01")
    said = reconcile("--put-back", f"{timezone.now():%Y-%m-%d}")
    assert "stays: another file has its name now." in said
    assert "Files put back: 1." in said
    assert default_storage.exists(back)
    with default_storage.open(taken) as file:
        assert file.read() == b"newer"


def test_what_was_put_aside_goes_after_the_stated_time_unless_a_row_names_it_again(
    workspace: Workspace, settings: Any
) -> None:
    wanted = put(workspace, title="one.md")
    for name in (the_row_is_gone(wanted), the_row_is_gone(put(workspace, title="two.md"))):
        stored_files().move(name, f"quarantine/2026-01-01/120000/{name}")
    recent = the_row_is_gone(put(workspace, title="three.md"))
    reconcile("--fix")
    wanted.save(force_insert=True)
    clean("quarantine")
    assert default_storage.exists(str(wanted.file.name))
    assert [each.split("/", 3)[3] for each in names("quarantine")] == [recent]
    run = CleaningRun.objects.get()
    assert (run.removed, run.is_complete) == (1, True), "operators see what was removed"


def test_what_others_put_into_the_quarantine_is_left_alone(workspace: Workspace) -> None:
    foreign = ["quarantine/0.txt", "quarantine/2020-01-01/mine.txt"]
    for name in foreign:
        default_storage.save(name, ContentFile(b"mine"))
    default_storage.delete(str(put(workspace, title="one.md").file.name))
    clean("quarantine")
    assert "is missing from the storage" in reconcile("--fix")
    assert "Files put back: 0." in reconcile("--put-back")
    assert names("quarantine") == foreign


def test_a_file_that_is_deleted_during_a_backup_is_held_until_its_end(workspace: Workspace) -> None:
    document = put(workspace, title="one.md")
    name = str(document.file.name)
    with held_elsewhere(advisory_locks.BACKUP):
        delete_document(document, None)
        clean("held-files")
        assert names("workspaces") == []
        assert names(HELD) == [f"{HELD}/{name}"]
    clean("held-files")
    assert names(HELD) == []
    assert CleaningRun.objects.get().removed == 1


def test_a_file_that_is_gone_already_needs_no_holding() -> None:
    with held_elsewhere(advisory_locks.BACKUP):
        discard("uploads/11111111-1111-4111-8111-111111111111")
    assert names(HELD) == []


def test_a_bucket_lists_more_than_one_page(workspace: Workspace, request: pytest.FixtureRequest) -> None:
    if "[folder]" in request.node.name:
        pytest.skip("a folder has no pages")
    many = [f"uploads/{number:05}" for number in range(1005)]
    for name in many:
        default_storage.bucket.put_object(Key=name, Body=b"")
    assert names("uploads") == many
