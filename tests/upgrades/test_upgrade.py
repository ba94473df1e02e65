"""Data of earlier builds, under this one: each folder beside this file is the dump of one (see fill.py)."""

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragsite.embedded import postgres
from ragsite.embedded.service import running
from tests.installation import Installation
from tests.upgrades.client import Client, remembered, wait_until
from tests.upgrades.fill import remembered_by_member
from tests.upgrades.world import World, running_world

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
DUMPS = sorted(path.parent for path in Path(__file__).parent.glob("*/database.sql.gz"))


@dataclass(frozen=True)
class Upgraded:
    site: Installation
    expected: dict[str, Any]
    client: Client


@pytest.fixture(scope="module", params=DUMPS, ids=lambda dump: dump.name)
def upgraded(request: Any, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """The data of an earlier build, after `make run` with this one."""
    dump: Path = request.param
    with running_world() as world:
        site = world.installation(root, tmp_path_factory.mktemp("upgrade") / "data")
        restore(dump, site, world)
        expected = json.loads(world.place((dump / "expected.json").read_text()))
        with site.up() as up:
            up.wait_for("Ctrl-C stops everything.")
            yield Upgraded(site, expected, Client(site.url, expected["keys"]["admin"]))


def restore(dump: Path, site: Installation, world: World) -> None:
    site.data_dir.mkdir()
    with tarfile.open(dump / "files.tar.gz") as archive:
        archive.extractall(site.data_dir, filter="data")
    text = world.place(gzip.decompress((dump / "database.sql.gz").read_bytes()).decode())
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("\\"))  # psql's own
    with (
        running(postgres.service(site.data_dir), site.data_dir.parent / "restore.log"),
        psycopg.connect(**site.database()) as connection,
    ):
        connection.execute(statements.encode())


def test_everything_is_found_again(upgraded: Upgraded) -> None:
    """Settings, documents, searches with their passages, indexes, chats with their answers: as they were."""
    found = remembered(upgraded.client)
    expected = upgraded.expected["admin"]
    # What waited is in neither, and may be done by now.
    for told in (found, expected):
        for name in ("workspaces", "documents"):
            told[name].pop("Late")
        told["workspaces"]["Moving"].pop("dimensions")
        told["sessions"].pop("Patience", None)
        told["found"] = first_passages(told["found"])
    assert found == expected


def first_passages(found: dict[str, dict[str, list[Any]]]) -> dict[str, dict[str, list[Any]]]:
    """Return the best passage of each search. Names of documents count since then, so the others may differ.

    The documents of Moving differ only in a number that nothing asks for: any of them may be the best.
    """
    best = {name: {asked: passages[:1] for asked, passages in each.items()} for name, each in found.items()}
    best["Moving"] = json.loads(re.sub(r"(ferry|pier) \d", r"\1", json.dumps(best["Moving"])))
    return best


def test_keys_of_members_work_and_show_what_is_theirs(upgraded: Upgraded) -> None:
    member = Client(upgraded.site.url, upgraded.expected["keys"]["ann"])
    assert remembered_by_member(member) == upgraded.expected["ann"]


def test_what_waited_goes_on(upgraded: Upgraded) -> None:
    client, waiting = upgraded.client, upgraded.expected["waiting"]
    wait_until(lambda: client.call("GET", waiting["first"])["status"] == "finished")
    wait_until(lambda: client.call("GET", waiting["second"])["status"] == "finished")
    wait_until(lambda: client.call("GET", waiting["late"])["status"] == "ready")
    wait_until(lambda: client.call("GET", waiting["reindex"])["building"] is None)
    workspace = client.call("GET", waiting["reindex"].removesuffix("/reindex"))
    assert (workspace["dimensions"], workspace["chunkCount"]) == (16, 6)


def test_what_is_read_again_keeps_its_vectors(upgraded: Upgraded) -> None:
    client, workspace = upgraded.client, upgraded.expected["admin"]["workspaces"]["Harbour"]["id"]
    rules = next(
        each for each in client.all(f"workspaces/{workspace}/documents") if each["title"] == "rules.md"
    )
    path = f"workspaces/{workspace}/documents/{rules['id']}"
    client.call("POST", f"{path}/retry")
    wait_until(lambda: client.call("GET", path)["readyAt"] != rules["readyAt"])
    newest = f"from documents_batchentry where document_id = '{rules['id']}' order by id desc limit 1"
    assert upgraded.site.query(f"select embedded_count {newest}") == 0


def test_the_ledger_agrees_with_what_is_there(upgraded: Upgraded) -> None:
    assert "No differences found." in upgraded.site.manage("reconcile")
