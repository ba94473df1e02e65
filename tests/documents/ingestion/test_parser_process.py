"""The parser's process: warm, one fork for each file, and nothing that happens to one reaches another."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from documents.errors import ParserGone, Unreadable, Unwanted
from documents.ingestion.extract import extract
from documents.ingestion.parser_process import close, parser_process


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The id of a parser's process of this test's own, whose scratch folders lie in tmp_path."""
    close("fast", parser_process("fast"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAGSITE_SECRET_KEY", "do not tell")
    extract(text(tmp_path), "text/plain")
    yield running()
    close("fast", parser_process("fast"))


def text(folder: Path) -> Path:
    (folder / "a.txt").write_text("words")
    return folder / "a.txt"


def running() -> int:
    return parser_process("fast")._process.pid


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@contextmanager
def reading(folder: Path, outcome: list[object]) -> Iterator[int]:
    """Read a file that never ends, in a thread; yield the id of the fork that reads it."""
    endless = folder / "endless"
    os.mkfifo(endless)

    def read() -> None:
        try:
            outcome.append(extract(endless, "text/plain", still_wanted=lambda: not given_up.is_set()))
        except Exception as error:
            outcome.append(error)

    given_up = threading.Event()
    thread = threading.Thread(target=read)
    thread.start()
    with open(endless, "wb", buffering=0):
        until(lambda: children(running()))
        yield children(running())[0]
        given_up.set()
        thread.join(20)


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def is_there(process: int) -> bool:
    with suppress(FileNotFoundError):
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False


def test_files_are_read_by_forks_of_one_process_without_threads(warm: int, tmp_path: Path) -> None:
    extract(text(tmp_path), "text/plain")
    page = tmp_path / "page"
    page.write_text("<html><body><p>words</p></body></html>")
    extract(page, "text/html")
    assert running() == warm
    assert len(os.listdir(f"/proc/{warm}/task")) == 1


def test_a_killed_fork_takes_its_own_file_only(warm: int, tmp_path: Path) -> None:
    outcome: list[object] = []
    with reading(tmp_path, outcome) as fork:
        assert extract(text(tmp_path), "text/plain").sections  # meanwhile, another file
        os.kill(fork, signal.SIGKILL)
        until(lambda: outcome)
    assert isinstance(outcome[0], Unreadable)
    assert extract(text(tmp_path), "text/plain").sections
    assert running() == warm


def test_a_killed_process_is_started_again_and_the_file_is_read(warm: int, tmp_path: Path) -> None:
    os.kill(warm, signal.SIGKILL)
    assert extract(text(tmp_path), "text/plain").sections
    assert running() != warm


def test_a_process_killed_while_reading_is_replaced_once_then_it_says_so(warm: int, tmp_path: Path) -> None:
    outcome: list[object] = []
    with reading(tmp_path, outcome) as fork:
        os.kill(warm, signal.SIGKILL)
        until(lambda: not is_there(fork))  # it died with its parent
        until(lambda: running() != warm and children(running()))
        os.kill(running(), signal.SIGKILL)
        until(lambda: outcome)
    assert isinstance(outcome[0], ParserGone)


def test_what_nobody_wants_is_killed(warm: int, tmp_path: Path) -> None:
    outcome: list[object] = []
    with reading(tmp_path, outcome) as fork:
        pass
    assert isinstance(outcome[0], Unwanted)
    until(lambda: not is_there(fork))


def test_a_fork_has_no_secret_and_a_folder_that_goes_with_it(warm: int, tmp_path: Path) -> None:
    outcome: list[object] = []
    with reading(tmp_path, outcome) as fork:
        said = Path(f"/proc/{fork}/environ").read_text()
        assert "RAGSITE_SECRET_KEY" not in said
        assert "DATABASE_URL" not in said
        until(lambda: list(tmp_path.glob(f"ragsite-extract-*/{fork}")))
        limits = Path(f"/proc/{fork}/limits").read_text()
        assert f"Max address space         {2 * 1024**3} " in limits
        held = {os.readlink(f"/proc/{fork}/fd/{each}") for each in os.listdir(f"/proc/{fork}/fd")}
        assert not any(each.startswith("socket:") for each in held)
    until(lambda: not list(tmp_path.glob(f"ragsite-extract-*/{fork}")))


def test_nothing_is_left_of_a_worker_that_is_killed(tmp_path: Path, root: Path) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    code = f"from documents.ingestion.extract import *; from pathlib import Path; extract(Path({str(endless)!r}), 'text/plain')"
    worker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    with open(endless, "wb", buffering=0):
        parser = children(worker.pid)[0]
        [fork] = children(parser)
        worker.kill()
        worker.wait()
        until(lambda: not is_there(parser) and not is_there(fork))
    assert not list(tmp_path.glob("ragsite-*"))


def test_what_a_killed_parser_left_behind_is_swept_away(warm: int, tmp_path: Path) -> None:
    [left] = tmp_path.glob("ragsite-extract-*")
    os.kill(warm, signal.SIGKILL)
    until(lambda: not is_there(warm))
    os.utime(left, (0, 0))
    extract(text(tmp_path), "text/plain")
    assert not left.exists()
    assert len(list(tmp_path.glob("ragsite-extract-*"))) == 1  # the new one's


def test_what_another_parser_uses_is_not_swept_away(warm: int, tmp_path: Path, root: Path) -> None:
    [own] = tmp_path.glob("ragsite-extract-*")
    os.utime(own, (0, 0))
    code = f"from documents.ingestion.extract import *; from pathlib import Path; extract(Path({str(text(tmp_path))!r}), 'text/plain')"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, env={**os.environ})
    assert own.exists()


def test_a_fork_of_the_worker_starts_its_own(warm: int, tmp_path: Path) -> None:
    path = text(tmp_path)
    if not (process := os.fork()):
        try:
            extract(path, "text/plain")
            is_other = running() != warm
            close("fast", parser_process("fast"))
            os._exit(0 if is_other else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert extract(path, "text/plain").sections
    assert running() == warm


def test_the_worker_keeps_nothing_open(warm: int, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        extract(text(tmp_path), "text/plain")
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir(f"/proc/{warm}/fd")) < 20
