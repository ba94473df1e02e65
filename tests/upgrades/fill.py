"""Fills an installation of some build through its public doors, and dumps it for tests/upgrades/test_upgrade.py.

    python -m tests.upgrades.fill --root CHECKOUT_OF_THAT_BUILD tests/upgrades/NAME

Run it before a change of the database lands, over the build before it. NAME says what that build was.
"""

import argparse
import gzip
import json
import os
import re
import signal
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ragsite.embedded import postgres
from ragsite.embedded.service import running
from tests.documents.parsing import files
from tests.fakes.openai_server import Behaviour
from tests.installation import Installation
from tests.upgrades.client import Admin, Client, remembered, wait_until
from tests.upgrades.world import PASSWORD, World, running_world

HARBOUR = "# Harbour rules\n\n## Fees\n\nThe mooring fee is 40 euros a night.\n\n## Keys\n\nThe warden keeps the keys.\n"
SCHLEUSE = (
    "# Schleusenordnung\n\nDie Schleuse öffnet um sieben Uhr morgens und schließt bei Sonnenuntergang.\n"
)
FERRY = "The ferry leaves at noon from pier {0}. Passengers wait behind the yellow line of pier {0}."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True, help="a checkout of the build")
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    with running_world() as world, tempfile.TemporaryDirectory() as home:
        site = world.installation(options.root.resolve(), Path(home) / "data")
        with site.up() as up:
            up.wait_for("Ctrl-C stops everything.")
            known = fill(site, world)
            cut_the_power(site)
        with running(postgres.service(site.data_dir), Path(home) / "postgres.log"):
            write(options.target, site, world, known)


def fill(site: Installation, world: World) -> dict[str, Any]:
    """Fill it, leave some work half done, and return what must be found again, with the keys to look for it."""
    admin = Admin(site.url, "admin", PASSWORD)
    make_models(admin, world)
    key = new_key(site, "admin")
    client = Client(site.url, key)
    workspaces = make_workspaces(client, world)
    admin.submit(
        "/admin/accounts/user/add/",
        username="ann",
        password1=PASSWORD,
        password2=PASSWORD,
        usable_password="true",
    )
    admin.submit(f"/workspaces/{workspaces['Harbour']}/members/", username="ann", role="viewer")
    member_key = new_key(site, "ann")
    chat(client, Client(site.url, member_key), workspaces)
    known = {"admin": remembered(client), "ann": remembered_by_member(Client(site.url, member_key))}
    waiting = leave_half_done(client, world, workspaces)
    return {"keys": {"admin": key, "ann": member_key}, "waiting": waiting, **known}


def remembered_by_member(client: Client) -> dict[str, Any]:
    return {"workspaces": [each["name"] for each in client.all("workspaces")],
            "sessions": [each["title"] for each in client.all("sessions")]}  # fmt: skip


def new_key(site: Installation, username: str) -> str:
    said = site.manage("create_api_key", username, "--name", "upgrade")
    found = re.search(r"rs_[\w-]+", said)
    assert found, said
    return found[0]


def make_models(admin: Admin, world: World) -> None:
    openai = world.openai.base_url
    for name, kind, provider, fields in (
        ("Eight", "embedding", "container", {"option_url": world.container}),
        ("Wide", "embedding", "openai_compat", {"option_base_url": openai, "model": "wide"}),
        ("Cited", "chat", "openai_compat", {"option_base_url": openai, "model": "cited", "input_price": "2.5",
                                            "output_price": "10"}),
        ("Novelist", "chat", "openai_compat", {"option_base_url": openai, "model": "novelist"}),
        ("Slow", "chat", "openai_compat", {"option_base_url": openai, "model": "slow", "max_concurrent": "1"}),
    ):  # fmt: skip
        query = f"?provider={provider}&kind={kind}"
        admin.submit(f"/admin/models_registry/endpoint/add/{query}", name=name, **fields)


def make_workspaces(client: Client, world: World) -> dict[str, str]:
    made = {}
    wanted: dict[str, dict[str, Any]] = {
        "Harbour": {
            "languages": ["en", "de"],
            "accessLevels": ["Everybody", "Crew"],
            "description": "Boats.",
        },
        "Ledger": {"indexKind": "hnsw", "chunking": "layout"},
        "Lists": {"indexKind": "ivfflat", "chunkSize": 101, "chunkOverlap": 0},
        "Moving": {"indexKind": "exact", "metric": "l2"},
        "Late": {"embedder": "Wide"},
    }
    for name, more in wanted.items():
        body = {"name": name, "languages": ["en"], "embedder": "Eight", **more}
        made[name] = client.call("POST", "workspaces", body)["id"]
    harbour = made["Harbour"]
    field = {"label": "Department", "type": "text", "choices": ["Legal", "Crew"]}
    client.call("POST", f"workspaces/{harbour}/fields", field)
    documents = f"workspaces/{harbour}/documents"
    client.upload(harbour, "rules.md", HARBOUR.encode())
    client.upload(
        harbour, "fees.pdf", files.pdf("The winter fee is 25 euros.", "The summer fee is 55 euros.")
    )
    german = client.call(
        "POST", f"{documents}/texts", {"title": "Schleuse", "text": SCHLEUSE, "isMarkdown": True}
    )
    client.call(
        "PATCH", f"{documents}/{german['id']}", {"metadata": {"department": "Crew"}, "accessLevel": 1}
    )
    pairs = [{"question": "Who keeps the keys?", "answer": "The warden, in the red box."}]
    client.call("POST", f"{documents}/questions", {"pairs": pairs})
    client.call("POST", f"workspaces/{harbour}/websites", {"url": world.site.url + "/"})
    ledger = "\n\n".join(f"## Page {n}\n\nEntry {n} of the ledger: {n * 7} crates of tea." for n in range(40))
    client.upload(made["Ledger"], "ledger.md", ledger.encode())
    items = "".join(
        f"Item {n:>4} of the list weighs {n % 90 + 1:>2} kg and stands in row {n % 40:>2}.\n\n"
        for n in range(2400)
    )
    client.upload(made["Lists"], "list.txt", items.encode())
    for number in range(6):
        client.upload(made["Moving"], f"ferry {number}.txt", FERRY.format(number).encode())
    client.upload(made["Harbour"], "broken.pdf", b"%PDF-1.4 broken")
    for id in made.values():
        wait_until(partial(_is_settled, client, id), within_s=180)
    for name in ("Ledger", "Lists"):
        wait_until(partial(_is_measured, client, made[name]), within_s=180)
    return made


def _is_settled(client: Client, workspace: str) -> bool:
    documents = client.all(f"workspaces/{workspace}/documents")
    return not [each for each in documents if each["status"] in ("pending", "processing")]


def _is_measured(client: Client, workspace: str) -> bool:
    return client.call("GET", f"workspaces/{workspace}/vector-index")["recall"] is not None


def chat(admin: Client, member: Client, workspaces: dict[str, str]) -> None:
    session = admin.call("POST", "sessions", {"title": "Fees"})["id"]
    harbour = {"workspaceId": workspaces["Harbour"]}
    turn = admin.ask(
        session, "How much is the mooring fee?", **harbour, modelNames=["Cited", "Novelist", "Quotes"]
    )
    first, *_ = admin.ended(turn)
    admin.call("PUT", f"answers/{first['id']}/rating", {"isGood": True, "comment": "Right."})
    again = admin.call(
        "POST", f"answers/{first['id']}/regenerate", {"messageId": "again-1", "modelName": "Novelist"}
    )
    admin.ended({"answers": [again]})
    admin.call("POST", f"answers/{first['id']}/continue")
    crew = {"filters": {"department": ["Crew"]}, "modelName": "Quotes"}
    admin.ended(admin.ask(session, "Wann öffnet die Schleuse?", **harbour, **crew))
    plain = admin.call("POST", "sessions", {"title": "Tales"})["id"]
    admin.ended(admin.ask(plain, "Tell me a story.", modelName="Novelist"))
    hers = member.call("POST", "sessions", {"title": "Keys"})["id"]
    member.ended(member.ask(hers, "Who keeps the keys?", **harbour, modelName="Quotes"))


def leave_half_done(client: Client, world: World, workspaces: dict[str, str]) -> dict[str, str]:
    """Leave a reindex, a document and two answers on their way. Returns how to find them, by name."""
    reindex = f"workspaces/{workspaces['Moving']}/reindex"
    world.openai.models["wide"] = Behaviour(dimensions=16, first_token_s=3)
    client.call("POST", reindex, {"embedder": "Wide"})
    wait_until(lambda: client.call("GET", reindex)["building"]["progress"]["done"] >= 1)
    world.openai.models["wide"].status = 503
    late = client.call("POST", f"workspaces/{workspaces['Late']}/documents/texts",
                       {"title": "Late", "text": "The last boat leaves at midnight."})  # fmt: skip
    world.openai.models["slow"] = Behaviour(text="It was worth waiting for.", first_token_s=600)
    session = client.call("POST", "sessions", {"title": "Patience"})["id"]
    turns = [client.ask(session, text, modelName="Slow") for text in ("First?", "Second?")]
    answers = [turn["answers"][0]["id"] for turn in turns]
    wait_until(lambda: client.call("GET", f"answers/{answers[0]}")["status"] == "running")
    progress = client.call("GET", reindex)["building"]["progress"]
    assert 0 < progress["done"] < progress["total"], progress
    return {"reindex": reindex, "late": f"workspaces/{workspaces['Late']}/documents/{late['id']}",
            "first": f"answers/{answers[0]}", "second": f"answers/{answers[1]}"}  # fmt: skip


def cut_the_power(site: Installation) -> None:
    for pid in site.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not site.processes())


def write(target: Path, site: Installation, world: World, known: dict[str, Any]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    program = Path(postgres.service(site.data_dir).argv[0]).with_name("pg_dump")
    where = site.database()
    flags = ("--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges", "--exclude-extension=*")
    dump = subprocess.run(
        [program, *flags, "-h", where["host"], "-p", where["port"], "-U", where["user"], where["dbname"]],
        env={**os.environ, "PGPASSWORD": where["password"]}, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    (target / "database.sql.gz").write_bytes(gzip.compress(world.displace(dump).encode(), mtime=0))
    expected = json.dumps(known, ensure_ascii=False, indent=1)
    (target / "expected.json").write_text(world.displace(expected))
    with tarfile.open(target / "files.tar.gz", "w:gz") as archive:
        archive.add(site.data_dir / "media", "media")
        archive.add(site.data_dir / "secret_key", "secret_key")


if __name__ == "__main__":
    main()
