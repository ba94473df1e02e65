"""Code that is older than the database does not start, and what is upgraded can go back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.signals import worker_init
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from ragsite.asgi import application
from ragsite.backup.before_upgrade import keep_dump
from ragsite.backup.places import Directory
from ragsite.backup.restore import verify_backup
from ragsite.release.models import Release
from ragsite.release.schema_version import record_release
from ragsite.release.version import VERSION

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _newer(transactional_db: None) -> Iterator[None]:
    """A database that a version of the future has migrated."""
    recorder = MigrationRecorder(connection)
    recorder.record_applied("chat", "9999_from_the_future")
    Release.objects.create(version="9.9.0", migration_count=999)
    yield
    recorder.record_unapplied("chat", "9999_from_the_future")


_LEAF = ("sessions", "0001_initial")  # the last migration of its app: only such a one makes an upgrade
_WORDS = r"migrated by Ragsite 9\.9\.0 on .*newer than this .*chat\.9999_from_the_future.*operations\.md"


@pytest.mark.usefixtures("_newer")
@pytest.mark.parametrize("command", ["migrate", "prepare", "runserver"])
def test_a_command_refuses_a_newer_database_and_names_its_version(command: str) -> None:
    with pytest.raises(CommandError, match=_WORDS):
        call_command(command, verbosity=0)


@pytest.mark.usefixtures("_newer")
async def test_the_web_process_refuses_it() -> None:
    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "lifespan"}, receive, send)
    assert [each["type"] for each in sent] == ["lifespan.startup.failed"]
    assert "9.9.0" in sent[0]["message"]


@pytest.mark.usefixtures("_newer")
def test_the_worker_refuses_it() -> None:
    with pytest.raises(SystemExit, match=_WORDS):
        worker_init.send(sender=None)


@pytest.mark.usefixtures("_newer")
def test_a_later_build_of_the_same_version_is_named_so_with_the_place_of_the_dumps(
    settings: Any, tmp_path: Path
) -> None:
    settings.UPGRADE_DUMPS = tmp_path
    Release.objects.create(version=VERSION, migration_count=1000)
    words = rf"by a later build of Ragsite {VERSION} on .* before the upgrade in {tmp_path}: docs/guide"
    with pytest.raises(CommandError, match=words):
        call_command("prepare", verbosity=0)


def test_each_version_that_migrates_is_recorded_once() -> None:
    Release.objects.all().delete()
    record_release()
    record_release()
    assert Release.objects.get().version == VERSION


def test_a_database_of_another_version_is_backed_up_alone_or_not_at_all(tmp_path: Path) -> None:
    """The models of this version cannot read it."""
    recorder, never_done = MigrationRecorder(connection), _LEAF
    recorder.record_unapplied(*never_done)
    try:
        with pytest.raises(
            CommandError, match=r"not of this version .*or only the database with --database-only"
        ):
            call_command("backup", str(tmp_path / "whole"))
        call_command("backup", str(tmp_path / "alone"), "--database-only")
    finally:
        recorder.record_applied(*never_done)
    assert [each.name for each in tmp_path.iterdir()] == ["alone"]


def test_an_upgrade_that_fails_half_way_again_and_again_keeps_the_dump_from_before_it(
    settings: Any, tmp_path: Path
) -> None:
    settings.UPGRADE_DUMPS, settings.UPGRADE_DUMP = tmp_path / "dumps", True
    recorder = MigrationRecorder(connection)
    done_at_first, never_done = ("chat", "0005_from_before"), _LEAF
    recorder.record_unapplied(*never_done)
    try:
        for start in range(5):
            keep_dump(lambda text: None)
            if start == 0:
                before = next((tmp_path / "dumps").iterdir())
                before = before.rename(tmp_path / "dumps" / "2026-01-01_000000")
                recorder.record_applied(*done_at_first)
            else:
                newest = max((tmp_path / "dumps").iterdir())
                newest.rename(tmp_path / "dumps" / f"2026-01-01_00000{start}")
    finally:
        recorder.record_applied(*never_done)
        recorder.record_unapplied(*done_at_first)
    assert before.exists()
    assert len(list((tmp_path / "dumps").iterdir())) == 2


def test_a_dump_is_kept_before_a_migration_and_only_the_last_three(settings: Any, tmp_path: Path) -> None:
    settings.UPGRADE_DUMPS, settings.UPGRADE_DUMP = tmp_path / "dumps", True
    said = list[str]()
    keep_dump(said.append)
    assert said == [], "nothing is to be migrated"
    for name in ("2026-01-01_000000", "2026-01-02_000000", "2026-01-03_000000", "2026-01-04_000000.partial"):
        (tmp_path / "dumps" / name).mkdir(parents=True)
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(*_LEAF)
    try:
        keep_dump(said.append)
    finally:
        recorder.record_applied(*_LEAF)
    assert "Keeping a dump in" in said[0]
    kept = sorted(path.name for path in (tmp_path / "dumps").iterdir())
    assert kept[:2] == ["2026-01-02_000000", "2026-01-03_000000"]
    assert len(kept) == 3
    assert verify_backup(Directory(tmp_path / "dumps" / kept[2])).has_files is False
