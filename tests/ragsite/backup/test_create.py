"""A backup of the tests' own database, into a directory and into a bucket."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from core.db import advisory_locks
from core.files import HELD, stored_files
from documents.ingestion.deletion import delete_document
from documents.models import Document
from models_registry.models import Endpoint
from ragsite.backup import database, files
from ragsite.backup.create import write_backup
from ragsite.backup.manifest import DATABASE, FILES, NAME, StoredFile, parse_file
from ragsite.backup.places import Directory, Measured, Place, place_at
from ragsite.backup.postgres_programs import client_program
from ragsite.backup.restore import read_manifest, verify_backup
from ragsite.cleaning.runs import clean
from ragsite.errors import BackupError, StartError
from tests import factories
from tests.documents import s3
from tests.documents.ingestion.test_ingest import put
from tests.held_lock import held_elsewhere
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:
    return factories.workspace(embedder=factories.embedder(dimensions=8))


@pytest.fixture(params=["directory", "bucket"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    if request.param == "directory":
        yield place_at(str(tmp_path / "backups" / "one"))
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with s3.serving() as settings.S3_ENDPOINT, s3.bucket_at(settings.S3_ENDPOINT):
        yield place_at(f"s3://{s3.BUCKET}/backups/one")


def test_it_holds_rows_files_and_what_belongs_to_them_and_is_verified(
    place: Place, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGSITE_SECRET_KEY", "not to be written down")
    document = put(workspace, title="one.md")
    Endpoint.objects.update(secret_ref="env:OUR_API_KEY")
    written = write_backup(place)
    assert verify_backup(place) == written
    assert written.counts["documents"] == 1
    assert written.file_count == 1
    assert written.missing == written.differing == []
    with place.read(f"files/{document.file.name}") as file:
        assert len(file.read()) == document.size_bytes
    with place.read(NAME) as file:
        text = file.read().decode()
    assert "env:OUR_API_KEY" in text
    assert "RAGSITE_SECRET_KEY" in text
    assert "not to be written down" not in text


def test_the_place_of_a_backup_is_not_written_over(place: Place, workspace: Workspace) -> None:
    write_backup(place)
    with pytest.raises(BackupError, match="already: name a new"):
        write_backup(place)


def test_what_was_interrupted_is_no_backup(place: Place, workspace: Workspace) -> None:
    put(workspace, title="one.md")
    with held_elsewhere(advisory_locks.BACKUP), pytest.raises(BackupError, match="Another backup"):
        write_backup(place)
    place.begin()
    place.write(DATABASE, Measured(BytesIO()))  # as far as a killed process came
    with pytest.raises(BackupError, match=r"holds no complete backup: manifest\.json"):
        read_manifest(place)
    write_backup(place)
    assert verify_backup(place).file_count == 1


def test_a_backup_waits_for_a_deletion_that_looks_at_its_lock(transactional_db: None) -> None:
    deletion = ExitStack()
    deletion.enter_context(held_elsewhere(advisory_locks.BACKUP))
    end = Timer(0.3, deletion.close)
    end.start()
    with database.holding(advisory_locks.BACKUP):
        assert advisory_locks.is_held(advisory_locks.BACKUP)
    end.join()


def test_files_come_back_and_others_of_the_same_name_are_put_aside(
    place: Place, workspace: Workspace
) -> None:
    same, gone, changed = (
        str(put(workspace, title=f"{n}.md", content=f"text {n}").file.name) for n in range(3)
    )
    write_backup(place)
    for name in (gone, changed):
        default_storage.delete(name)
    default_storage.save(changed, ContentFile(b"newer"))
    with place.read(FILES) as listed:
        stored = [StoredFile(**json.loads(line)) for line in listed.read().splitlines()]
    assert {each.name for each in files.restore(place, stored)} == {gone, changed}
    for number, name in enumerate((same, gone, changed)):
        with default_storage.open(name) as file:
            assert file.read().decode() == f"text {number}"
    with default_storage.open(next(stored_files().names("quarantine"))) as aside:
        assert aside.read() == b"newer"


def test_a_damaged_file_of_a_backup_moves_nothing_that_is_there(place: Place, workspace: Workspace) -> None:
    name = str(put(workspace, title="one.md").file.name)
    write_backup(place)
    with place.read(FILES) as listed:
        stored = StoredFile(**json.loads(listed.read()))
    default_storage.delete(name)
    default_storage.save(name, ContentFile(b"newer"))
    with pytest.raises(BackupError, match="does not have the checksum"):
        list(files.restore(place, [stored.model_copy(update={"sha256": "0" * 64})]))
    with default_storage.open(name) as file:
        assert file.read() == b"newer"
    assert list(stored_files().names("quarantine")) == []


class _Meanwhile(Directory):
    """A place that does something between the dump and the files, as people do."""

    def __init__(self, path: Path, work: Any) -> None:
        super().__init__(path)
        self._work = work

    def write(self, name: str, source: Measured) -> None:
        super().write(name, source)
        if name == DATABASE:
            thread = Thread(target=self._in_thread)  # which has a connection of its own
            thread.start()
            thread.join()

    def _in_thread(self) -> None:
        self._work()
        connection.close()


def test_files_that_are_deleted_meanwhile_are_in_it_and_go_afterwards(
    tmp_path: Path, workspace: Workspace
) -> None:
    document, stays = put(workspace, title="one.md"), put(workspace, title="two.md")
    name = str(document.file.name)
    place = _Meanwhile(tmp_path / "one", lambda: delete_document(Document.objects.get(pk=document.pk), None))
    written = write_backup(place)
    assert not Document.objects.filter(pk=document.pk).exists()
    assert written.missing == []
    assert (tmp_path / "one" / "files" / name).stat().st_size == document.size_bytes
    assert list(stored_files().names("workspaces")) == [stays.file.name]
    clean("held-files")
    assert list(stored_files().names(HELD)) == []


def test_a_file_that_is_gone_is_named_and_the_rest_is_backed_up(tmp_path: Path, workspace: Workspace) -> None:
    gone, _ = put(workspace, title="one.md"), put(workspace, title="two.md")
    default_storage.delete(str(gone.file.name))
    written = write_backup(Directory(tmp_path / "one"))
    assert written.missing == [gone.file.name]
    assert written.file_count == 1


def test_a_damaged_backup_is_recognised(tmp_path: Path, workspace: Workspace) -> None:
    document = put(workspace, title="one.md")
    write_backup(place := Directory(tmp_path / "one"))
    path = tmp_path / "one" / "files" / str(document.file.name)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(BackupError, match="does not have the checksum"):
        verify_backup(place)
    path.unlink()
    with pytest.raises(BackupError, match="is missing"):
        verify_backup(place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('{"format": 1}', "cannot be read"),
        ('{"format": 2}', "newer version of Ragsite"),
        (None, "holds no complete backup"),
    ],
)
def test_a_backup_without_a_manifest_that_can_be_read_is_refused(
    text: str | None, words: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / NAME).write_text(text)
    with pytest.raises(BackupError, match=words):
        read_manifest(Directory(tmp_path))


@pytest.mark.parametrize("name", ["../secret_key", "/etc/passwd", "workspaces/../../x", "", ".."])
def test_a_name_that_leads_out_of_a_backup_is_refused(
    name: str, tmp_path: Path, workspace: Workspace
) -> None:
    line = json.dumps({"name": name, "size_bytes": 1, "sha256": "0" * 64})
    with pytest.raises(BackupError, match=r"files\.jsonl of the backup cannot be read"):
        parse_file(line.encode())
    write_backup(place := Directory(tmp_path / "one"))
    manifest = json.loads((tmp_path / "one" / NAME).read_text())
    manifest["parts"][0]["name"] = name
    (tmp_path / "one" / NAME).write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match=r"manifest\.json of the backup cannot be read"):
        verify_backup(place)


def test_a_backup_follows_a_link_to_an_empty_directory(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    written = write_backup(place_at(str(tmp_path / "link")))
    assert verify_backup(place_at(str(tmp_path / "disk"))) == written


def test_a_whole_disk_is_no_place_of_a_backup(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match="name a new directory"):
        write_backup(place_at("/"))
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)  # tests may mount nothing
    with pytest.raises(BackupError, match="is a whole disk: name a new directory on it"):
        write_backup(place_at(str(tmp_path)))


class _Full(Directory):
    def free_bytes(self) -> int:
        return 1_000_000


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(BackupError, match=r"may need [\d,]+ MB, but 1 MB are free"):
        write_backup(_Full(tmp_path / "one"))
    assert list(tmp_path.iterdir()) == []


def test_a_fitting_version_of_pg_dump_is_found_or_named() -> None:
    assert client_program("pg_dump", 18).name == "pg_dump"
    with pytest.raises(StartError, match=r"PostgreSQL 99.*apt install postgresql-client-99.*RAGSITE_PG_BIN"):
        client_program("pg_dump", 99)


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/", "s3:///prefix"])
def test_an_address_of_a_bucket_has_a_prefix(address: str) -> None:
    with pytest.raises(BackupError, match="Write s3://BUCKET/PREFIX"):
        place_at(address)
