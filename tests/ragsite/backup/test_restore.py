"""Restores by the real command, of installations whose processes do not run, on a PostgreSQL of their own."""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ragsite.embedded import postgres
from ragsite.embedded.claim import claim_data_dir
from ragsite.embedded.service import running
from tests.embedded.test_shell import ODD
from tests.installation import Installation, free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

_FILL = """
from django.core.management import call_command
call_command("seed")
from django.core.files.base import ContentFile
from documents.adding.service import add_file
from models_registry.models import Endpoint
from workspaces.provision import provision_workspace
workspace = provision_workspace(None, name="Harbour", languages=["en"], embedder=Endpoint.objects.get(dimensions=384))
for number, title in enumerate(("0.md", "1.md", "2.md", "ж" * 200 + ".md")):
    add_file(workspace, None, ContentFile(b"A fee of %d euros." % number, name="a.md"), title, ask_worker=False)
from accounts.models import User
from workspaces.access_levels import name_levels
name_levels(workspace, None, ["everyone", "board"])
workspace.documents.filter(title="2.md").update(access_level=1, metadata={"department": "Legal"})
workspace.memberships.create(user=User.objects.create_user("bob"), role="editor", access_level=1)
"""
_KEEP = "from ragsite.backup.before_upgrade import keep_dump; keep_dump(print)"  # as `prepare` does
_DOCUMENTS = "select string_agg(title, ' ' order by title) from documents_document where length(title) < 9"
_OTHERS = "select string_agg(datname, ' ') from pg_database where datname ~ '_restoring|_before_'"


@pytest.fixture(scope="module")
def container() -> str:
    return f"http://127.0.0.1:{free_port()}"  # nobody embeds here


@pytest.fixture(scope="module")
def first(root: Path, tmp_path_factory: pytest.TempPathFactory, container: str) -> Installation:
    site = Installation(root, tmp_path_factory.mktemp("first") / "data", container)
    with database_of(site):
        site.manage("migrate", "-v", "0")
        site.manage("shell", "-v", "0", "-c", _FILL)
    return site


@pytest.fixture(scope="module")
def backup(first: Installation) -> Path:
    """A backup of an installation that does not run."""
    place = first.data_dir.parent / "backup"
    assert "is complete and verified." in first.manage("backup", str(place), "--verify")
    return place


@pytest.fixture
def second(root: Path, tmp_path: Path, container: str) -> Installation:
    site = Installation(root, tmp_path / "another place" / "data", container)
    site.variables |= ODD
    return site


@contextmanager
def database_of(site: Installation) -> Iterator[None]:
    with running(postgres.service(site.data_dir), site.data_dir.parent / "postgres.log"):
        yield


def documents(site: Installation) -> object:
    with database_of(site):
        return site.query(_DOCUMENTS)


def test_everything_is_there_in_another_place(
    first: Installation, second: Installation, backup: Path
) -> None:
    said = second.manage("restore", str(backup))
    assert "No differences found." in said
    assert documents(second) == "0.md 1.md 2.md"
    key = second.data_dir / "secret_key"
    assert key.read_text() == (first.data_dir / "secret_key").read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    files = [path for path in (second.data_dir / "media").rglob("*") if path.is_file()]
    assert sorted(path.read_text() for path in files) == [f"A fee of {number} euros." for number in range(4)]
    assert "verified" not in said
    assert second.processes() == {}


def test_data_that_is_there_is_replaced_only_if_asked_and_kept(second: Installation, backup: Path) -> None:
    second.manage("restore", str(backup))
    with database_of(second):
        second.query("delete from documents_document where title = '0.md' returning 1")
        changed = Path(str(second.query("select file from documents_document where title = '1.md'")))
    (second.data_dir / "media" / changed).write_text("newer")
    refused = second.try_to_manage("restore", str(backup))
    assert "has data already" in refused.stderr
    assert "--replace" in refused.stderr
    assert documents(second) == "1.md 2.md"
    said = second.manage("restore", str(backup), "--replace")
    kept = re.search(r"is kept as (ragsite_before_\d+_\d+)", said)
    assert kept, said
    assert "No differences found." in said
    assert documents(second) == "0.md 1.md 2.md"
    aside = [
        path.read_text() for path in (second.data_dir / "media" / "quarantine").rglob("*") if path.is_file()
    ]
    assert aside == ["newer"]
    with database_of(second):
        assert second.query(_OTHERS) == kept[1]
        assert f"kept. Kept: {kept[1]}." in second.try_to_manage("drop_kept_database", "ragsite").stderr
        second.manage("drop_kept_database", kept[1])
        assert second.query(_OTHERS) is None
        assert "Kept: none." in second.try_to_manage("drop_kept_database", kept[1]).stderr


def test_the_documents_of_a_deleted_workspace_are_taken_out(
    first: Installation, backup: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out of it"
    said = first.manage("restore", str(backup), "--workspace", "Harbour", "--into", str(out))
    found = {str(path.relative_to(out)): path.read_text() for path in out.glob("files*/*")}
    long = "ж" * 118 + ".md"  # file systems take 255 bytes
    assert found == {
        "files/0.md": "A fee of 0 euros.",
        "files/1.md": "A fee of 1 euros.",
        "files_level_1/2.md": "A fee of 2 euros.",
        f"files/{long}": "A fee of 3 euros.",
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert f"  manage.py ingest --create --language en --workspace Harbour '{out}/files'\n" in said
    assert f"  manage.py ingest --workspace Harbour --set access_level=1 '{out}/files_level_1'\n" in said
    assert "in this order: everyone, board." in said
    assert "Set by hand: its members (1, in members.jsonl)" in said
    assert lines(out / "members.jsonl") == [{"user": "bob", "role": "editor", "access_level": 1}]
    (secret,) = [each for each in lines(out / "documents.jsonl") if each["access_level"]]
    assert secret["metadata"] == {"department": "Legal"}
    assert documents(first) == "0.md 1.md 2.md"
    refused = first.try_to_manage(
        "restore", str(backup), "--workspace", "Pier", "--into", str(tmp_path / "pier")
    )
    assert "The backup has no workspace 'Pier'. It has: Harbour (" in refused.stderr


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def damage(backup: Path, name: str) -> None:
    path = next(path for path in backup.rglob(name) if path.is_file())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def from_the_future(backup: Path, name: str) -> None:
    path = backup / name
    manifest = json.loads(path.read_text())
    manifest["version"] = "9.9.0"
    manifest["migrations"].append(["chat", "9999_from_the_future"])
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "do", "words"),
    [
        ("database.dump", damage, "database.dump does not have the checksum"),
        ("????????-????-????-????-????????????", damage, "does not have the checksum of the manifest"),
        ("secret_key", damage, "data/secret_key does not have the checksum"),
        ("manifest.json", from_the_future, "written by Ragsite 9.9.0, which is newer than this"),
    ],
)
def test_a_backup_that_cannot_be_restored_changes_nothing(
    name: str, do: object, words: str, second: Installation, backup: Path, tmp_path: Path
) -> None:
    shutil.copytree(backup, copy := tmp_path / "copy")
    assert callable(do)
    do(copy, name)
    refused = second.try_to_manage("restore", str(copy))
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    with database_of(second):
        assert second.query("select count(*) from pg_tables where schemaname in ('public', 'chunks')") == 0
        assert second.query(_OTHERS) is None


def url_of(site: Installation, **more: str) -> str:
    return "postgresql://{user}:{password}@/{dbname}?host={host}&port={port}".format(**site.database() | more)


def test_a_restore_refuses_while_the_installation_is_in_use(first: Installation, backup: Path) -> None:
    with claim_data_dir(first.data_dir, "It is already running."):
        assert (
            "Stop Ragsite first. It is already running."
            in first.try_to_manage("restore", str(backup), "--replace").stderr
        )
    with database_of(first), psycopg.connect(**first.database()):
        refused = first.try_to_manage("restore", str(backup), "--replace", DATABASE_URL=url_of(first))
        assert "in use (1 connections): stop Ragsite first" in refused.stderr
        assert first.query(_DOCUMENTS) == "0.md 1.md 2.md"


def test_a_server_of_yours_takes_it_where_the_role_may_create_no_database(
    first: Installation, second: Installation, backup: Path
) -> None:
    with database_of(first), psycopg.connect(**first.database(), autocommit=True) as server:
        server.execute("create role limited login password 'limited'")
        server.execute("create database library owner limited")
        with psycopg.connect(**first.database() | {"dbname": "library"}, autocommit=True) as library:
            for extension in ("vector", "pg_trgm", "unaccent"):
                library.execute(f"create extension if not exists {extension}")
        url = url_of(first, user="limited", password="limited", dbname="library")
        no_tls = second.try_to_manage("restore", str(backup), DATABASE_URL=f"{url}&sslmode=require")
        assert "The embedded pg_restore has no TLS: install postgresql-client" in no_tls.stderr
        assert "Traceback" not in no_tls.stderr
        second.variables["PGSSLMODE"] = "disable"  # with DATABASE_URL, this one is respected
        restored = second.try_to_manage("restore", str(backup), DATABASE_URL=url)
        assert "No differences found." in restored.stdout, restored.stderr
        with psycopg.connect(url) as library:
            assert library.execute(_DOCUMENTS).fetchone() == ("0.md 1.md 2.md",)
        refused = second.try_to_manage("restore", str(backup), "--replace", DATABASE_URL=url)
        assert "Have an empty database created, with the extensions vector" in refused.stderr
        taking = ("--workspace", "Harbour", "--into", str(second.data_dir / "out"))
        refused = second.try_to_manage("restore", str(backup), *taking, DATABASE_URL=url)
        assert "Run this command on the embedded PostgreSQL: without DATABASE_URL" in refused.stderr


def test_the_dump_before_an_upgrade_leads_back(second: Installation, backup: Path) -> None:
    second.manage("restore", str(backup))
    with database_of(second):
        second.query("delete from django_migrations where app = 'sessions' returning 1")
        with psycopg.connect(**second.database()) as connection:
            connection.execute("drop table django_session")
        assert "Keeping a dump in" in second.manage("shell", "-v", "0", "-c", _KEEP)
        second.manage("migrate", "-v", "0")
        second.query("delete from documents_document returning 1")
    dump = next((second.data_dir / "dumps").iterdir())
    said = second.manage("restore", str(dump), "--replace")
    assert "No differences found." in said
    assert documents(second) == "0.md 1.md 2.md"
