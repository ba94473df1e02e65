"""Backs up an installation while people use it, restores the backup elsewhere, and compares.

    python -m benchmarks.backup [--people 20] [--documents 60] [--json FILE]

Starts a whole installation (`manage.py up`) with a fake model server and a fake embedding container. While people
ask, documents come in and others are deleted, `manage.py backup --verify` runs. `manage.py restore` restores it into
another data directory, whose site starts on another port. Writes benchmarks/results/backup.md.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes.model_container import running_in_thread as container_in_thread
from tests.fakes.openai_server import Behaviour
from tests.fakes.openai_server import running_in_thread as openai_in_thread
from tests.installation import Installation
from tests.upgrades.client import Client, wait_until

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "backup.md"
LIMIT_S = 600.0
ENTRIES = 30  # sections of a document, each with an entry to search for
_PEOPLE = """
from accounts.identity.api_key import issue
from accounts.models import User
from models_registry.models import Endpoint
Endpoint.objects.create(name="Fake", kind="chat", provider="openai_compat", model="fake", rank=1,
                        options={{"base_url": "{model}"}}, last_check_ok=True)
for number in range({people}):
    print(issue(User.objects.create_superuser(f"person{{number}}", password="a long password 1"), "load")[1])
"""


@dataclass
class Result:
    """What happened. All fields from `lost_answers` on must be 0."""

    people: int
    documents: int  # that came in while the backup ran
    deleted: int  # that were deleted while it ran
    answers_before: int  # finished before the backup began
    answers_during: int  # asked while it ran
    files: int  # in the backup
    megabytes: float  # of the backup
    backup_s: float
    peak_mb: float  # memory of the backup command and its pg_dump
    restore_s: float
    median_before_s: float  # until an answer is finished
    median_during_s: float
    carried_on: (
        int  # answers and documents that were under way in the backup, and ended in the restored installation
    )
    lost_answers: int = 0  # finished before the backup, and missing or different
    lost_documents: int = 0  # there before the backup and not deleted, and missing or not found
    differing_searches: int = 0
    missing_files: int = 0
    stuck: int = 0  # answers or documents that did not end
    drift: int = 0  # differences that `reconcile` finds, after the restore and at the end

    @property
    def holds(self) -> bool:
        return not any(getattr(self, name) for name in _FAULTS)


_FAULTS = ("lost_answers", "lost_documents", "differing_searches", "missing_files", "stuck", "drift")


class Load:
    """People who ask, documents that come in, and others that are deleted, all in threads."""

    def __init__(self, url: str, keys: Sequence[str], workspace: str, documents: int) -> None:
        self.clients = [Client(url, key) for key in keys]
        self.workspace, self.documents = workspace, documents
        self.ended = threading.Event()
        self.asked: list[tuple[float, float, Any]] = []  # when, seconds until finished, answer
        self.added: list[float] = []
        self.deleted: list[float] = []
        self.errors: list[BaseException] = []

    @contextmanager
    def running(self, victims: Sequence[str]) -> Iterator[None]:
        work: list[Callable[[], None]] = [
            partial(self._ask, client, number) for number, client in enumerate(self.clients)
        ]
        work += [self._add, partial(self._delete, victims)]
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()
        if self.errors:
            raise self.errors[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.errors.append(error)

    def _ask(self, client: Client, number: int) -> None:
        session = client.call("POST", "sessions", {"title": f"Load {number}"})["id"]
        while not self.ended.is_set():
            self.asked.append(
                ask(client, session, self.workspace, f"What does entry {number} of book 0 weigh?")
            )

    def _add(self) -> None:
        for number in range(self.documents):
            self.clients[0].upload(self.workspace, f"new {number}.md", book(1000 + number))
            self.added.append(time.monotonic())

    def _delete(self, victims: Sequence[str]) -> None:
        for each in victims:
            if self.ended.wait(0.3):
                return
            self.clients[-1].call("DELETE", f"workspaces/{self.workspace}/documents/{each}")
            self.deleted.append(time.monotonic())


def ask(client: Client, session: str, workspace: str, text: str) -> tuple[float, float, Any]:
    started = time.monotonic()
    turn = client.ask(session, text, workspaceId=workspace, modelNames=["Fake"])
    answer = client.ended(turn)[0]
    return started, time.monotonic() - started, answer


def book(number: int) -> bytes:
    entries = (
        f"## Entry {n}\n\nEntry {n} of book {number} weighs {n * 7 + number} kg." for n in range(ENTRIES)
    )
    return "\n\n".join([f"# Book {number}", *entries]).encode()


def run(people: int, documents: int, home: Path, say: Callable[[str], object] = lambda text: None) -> Result:
    with ExitStack() as stack:
        container = stack.enter_context(container_in_thread(dimensions=384))
        model = stack.enter_context(openai_in_thread(behaviour=Behaviour(tokens=40, between_tokens_s=0.05)))
        site = Installation(ROOT, home / "first" / "data", container)
        site.data_dir.parent.mkdir()
        with site.up() as up:
            up.wait_for("Ctrl-C stops everything.", LIMIT_S)
            say("The first installation is up.")
            keys = site.manage(
                "shell", "-v", "0", "-c", _PEOPLE.format(model=model.base_url, people=people)
            ).split()
            found = _use_and_back_up(site, keys, documents, home / "backup", say)
        other = Installation(ROOT, home / "another place" / "data", container)
        other.data_dir.parent.mkdir()
        shutil.copytree(site.data_dir / "static", other.data_dir / "static")  # to make it takes half a minute
        shutil.copy2(site.data_dir / "static.sha256", other.data_dir)
        return _restore_and_compare(other, found, home / "backup", say)


@dataclass
class _Known:
    """What must be the same in the restored installation."""

    load: Load
    quiet: str  # the workspace in which nothing happens during the backup
    busy: str
    books: dict[str, str]  # title and id of the documents that stay in the busy one
    answers: list[Any]  # finished in the quiet one before the backup began
    texts: list[Any]  # finished in the busy one before; documents that they cite may be deleted since
    searches: dict[str, Any]
    before_s: list[float]
    during: list[tuple[float, float, Any]]
    deleted: int
    came_in: int
    backup_s: float
    peak_mb: float


def _use_and_back_up(
    site: Installation, keys: Sequence[str], documents: int, backup: Path, say: Callable[[str], object]
) -> _Known:
    client = Client(site.url, keys[0])
    quiet, _ = _library(client, "Quiet", 3)
    busy, ids = _library(client, "Busy", documents // 2)
    before = [
        ask(
            each,
            each.call("POST", "sessions", {"title": "Before"})["id"],
            quiet,
            "What does entry 3 of book 0 weigh?",
        )
        for each in (Client(site.url, key) for key in keys)
    ]
    searches = {
        question: client.found(quiet, question) for question in ("Entry 2 of book 2", "Entry 9 weighs")
    }
    titles = sorted(ids)
    victims, stay = titles[::2], titles[1::2]
    load = Load(site.url, keys, busy, documents)
    with load.running([ids[title] for title in victims]):
        wait_until(lambda: len(load.added) > documents // 10 and load.deleted)
        say("Backing up under load.")
        started = time.monotonic()
        site.manage("backup", str(backup), "--verify")
        ended = time.monotonic()
        wait_until(lambda: len(load.added) == documents, LIMIT_S)
    return _Known(
        load=load, quiet=quiet, busy=busy, books={title: ids[title] for title in stay},
        answers=[answer for _, _, answer in before],
        texts=[answer for at, took, answer in load.asked if at + took < started],
        searches=searches, before_s=[took for _, took, _ in before],
        during=[each for each in load.asked if started - each[1] <= each[0] <= ended],
        deleted=sum(started <= at <= ended for at in load.deleted),
        came_in=sum(started <= at <= ended for at in load.added),
        backup_s=ended - started,
        peak_mb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    )  # fmt: skip


def _library(client: Client, name: str, books: int) -> tuple[str, dict[str, str]]:
    """Make a workspace and return its id and those of its documents, once they are read."""
    body = {"name": name, "languages": ["en"], "embedder": "all-MiniLM-L6-v2"}
    workspace = client.call("POST", "workspaces", body)["id"]
    ids = {f"book {n}.md": client.upload(workspace, f"book {n}.md", book(n))["id"] for n in range(books)}
    _wait_until_read(client, workspace)
    return workspace, ids


def _restore_and_compare(
    site: Installation, known: _Known, backup: Path, say: Callable[[str], object]
) -> Result:
    say("Restoring.")
    started = time.monotonic()
    said = site.manage("restore", str(backup))
    restore_s = time.monotonic() - started
    drift = int("No differences found." not in said)
    with site.up() as up:
        up.wait_for("Ctrl-C stops everything.", LIMIT_S)
        client = Client(site.url, known.load.clients[0].key)
        under_way = _under_way(site)
        stuck = _stuck_after(site, 120)
        there = {each["title"]: each["id"] for each in client.all_pages(f"workspaces/{known.busy}/documents")}
        searches = {question: client.found(known.quiet, question) for question in known.searches}
        lost = sum(_read(known, site, each, _ALL) != _kept(each, _ALL) for each in known.answers)
        lost += sum(_read(known, site, each, _TEXT) != _kept(each, _TEXT) for each in known.texts)
        drift += int("No differences found." not in _reconcile(site))
    manifest = json.loads((backup / "manifest.json").read_text())
    return Result(
        people=len(known.load.clients), documents=known.came_in, deleted=known.deleted,
        answers_before=len(known.answers) + len(known.texts), answers_during=len(known.during), files=manifest["file_count"],
        megabytes=sum(path.stat().st_size for path in backup.rglob("*") if path.is_file()) / 1e6,
        backup_s=known.backup_s, peak_mb=known.peak_mb, restore_s=restore_s,
        median_before_s=statistics.median(known.before_s),
        median_during_s=statistics.median(took for _, took, _ in known.during),
        carried_on=under_way - stuck,
        lost_answers=lost,
        lost_documents=sum(there.get(title) != id for title, id in known.books.items()),
        differing_searches=sum(searches[question] != found for question, found in known.searches.items()),
        missing_files=len(manifest["missing"]) + len(manifest["differing"]), stuck=stuck, drift=drift,
    )  # fmt: skip


_TEXT = ("status", "text")
_ALL = (*_TEXT, "grounding", "passages", "cost")


def _kept(answer: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: answer[name] for name in names}


def _read(known: _Known, site: Installation, answer: Any, names: Sequence[str]) -> dict[str, Any] | None:
    """Return the answer as its owner reads it; keys of the first installation hold here."""
    for client in known.load.clients:
        found = Client(site.url, client.key).find(f"answers/{answer['id']}")
        if found:
            return _kept(found, names)
    return None


_UNDER_WAY = (
    "select (select count(*) from documents_document where status in ('pending', 'processing'))"
    " + (select count(*) from chat_answer where status not in ('finished', 'stopped', 'failed'))"
)


def _under_way(site: Installation) -> int:
    return int(str(site.query(_UNDER_WAY)))


def _stuck_after(site: Installation, within_s: float) -> int:
    deadline = time.monotonic() + within_s
    while (left := _under_way(site)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _wait_until_read(client: Client, workspace: str) -> None:
    def is_read() -> bool:
        documents = client.all_pages(f"workspaces/{workspace}/documents")
        return not [each for each in documents if each["status"] != "ready"]

    wait_until(is_read, LIMIT_S)


def _reconcile(site: Installation) -> str:
    return site.try_to_manage("reconcile").stdout


# --- report -------------------------------------------------------------------------------------

_ROWS = {
    "people who asked all the time": "people",
    "documents that came in while the backup ran": "documents",
    "documents that were deleted while it ran": "deleted",
    "answers finished before the backup": "answers_before",
    "answers under way or asked while it ran": "answers_during",
    "files in the backup": "files",
    "size of the backup, MB": "megabytes",
    "seconds of the backup, with `--verify`": "backup_s",
    "memory of the largest process of the backup, MB": "peak_mb",
    "seconds of the restore, with its comparison": "restore_s",
    "seconds until an answer was finished, one person alone (median)": "median_before_s",
    "seconds until an answer was finished, all at once, while it ran (median)": "median_during_s",
    "answers and documents under way in the backup, which ended after the restore": "carried_on",
    "**answers that are missing or differ**": "lost_answers",
    "**documents that are missing**": "lost_documents",
    "**searches that find something else**": "differing_searches",
    "**files that are missing or differ**": "missing_files",
    "**answers or documents that did not end**": "stuck",
    "**runs of `reconcile` that found differences, of two**": "drift",
}


def report(result: Result, command: str) -> str:
    rows = "\n".join(f"| {words} | {_number(getattr(result, name))} |" for words, name in _ROWS.items())
    verdict = "Every check passed." if result.holds else "A CHECK FAILED."
    return (
        "# A backup while people work, restored elsewhere\n\n"
        f"Made by `{command}` on {date.today()}; {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}. "
        "A fake model writes 40 tokens in 2 s. The restore goes into another data directory and starts on another "
        f"port.\n\n{verdict} The bold rows must be 0.\n\n| | |\n|---|---|\n{rows}\n"
    )


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        result = run(options.people, options.documents, Path(home), print)
    if options.json:
        options.json.write_text(json.dumps(asdict(result)))
    else:
        command = f"python -m benchmarks.backup --people {options.people} --documents {options.documents}"
        RESULT.write_text(report(result, command))
        print(f"Written to {RESULT}.")
    sys.exit(0 if result.holds else 1)


if __name__ == "__main__":
    main()
