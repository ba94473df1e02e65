import time
from pathlib import Path

import pytest

from ragsite.embedded.terminal import LineFilter, following

TRACEBACK = [
    "ERROR django.request: Internal Server Error: /",
    "Traceback (most recent call last):",
    '  File "views.py", line 3, in index',
    "    raise ValueError(1)",
    "django.core.exceptions.FieldError: 1",
]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22 15:33:05,052 WARN exited: web (terminated by SIGKILL; not expected)",
        "[2026-11-22 15:33:05,052: ERROR/MainProcess] Task documents.ingest raised unexpected",
        "2026-11-22 15:33:05 UTC [12] FATAL:  could not write to file",
        "0.00.010.211 W srv  init: something",
        "123:M 22 Nov 2026 15:33:08.212 # Out of memory",
        "» Fetching a model: 10 of 1117 MB",
    ],
)
def test_what_matters_is_shown(line: str) -> None:
    assert LineFilter().passes(line)


@pytest.mark.parametrize(
    "line",
    [
        "INFO:     Uvicorn running on http://127.0.0.1:8000",
        "2026-11-22 15:33:05 UTC [12] LOG:  checkpoint complete: wrote 3 buffers",
        "2026-11-22 15:33:05 UTC [12] FATAL:  the database system is starting up",
        "0.00.010.211 I srv  init: something",
        "123:M 22 Nov 2026 15:33:08.212 * Ready to accept connections",
    ],
)
def test_routine_is_not_shown(line: str) -> None:
    assert not LineFilter().passes(line)


def test_a_traceback_is_shown_to_its_end() -> None:
    chosen = LineFilter()
    assert [chosen.passes(line) for line in [*TRACEBACK, "INFO: next request"]] == [True] * 5 + [False]


def follow_while(logs: Path, action: object, *, verbose: bool = False) -> None:
    with following(logs, ["web"], logs, verbose=verbose):
        assert callable(action)
        action()
        time.sleep(0.8)


def test_follows_a_log_through_its_rotation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "web.log"
    log.write_text("ERROR of an earlier run\n")

    def write() -> None:
        with log.open("a") as file:
            file.write("ERROR before\nINFO nothing\n")
        time.sleep(0.5)
        log.rename(tmp_path / "web.log.1")
        log.write_text("ERROR after\n")

    follow_while(tmp_path, write)
    assert capsys.readouterr().out.splitlines() == ["     web │ ERROR before", "     web │ ERROR after"]


def test_verbose_shows_every_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow_while(tmp_path, lambda: (tmp_path / "web.log").write_text("INFO one\n"), verbose=True)
    assert capsys.readouterr().out == "     web │ INFO one\n"


def test_a_full_disk_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = '[7] ERROR:  could not extend file "base/5/16": No space left on device\n'
    follow_while(tmp_path, lambda: (tmp_path / "web.log").write_text(line))
    assert "The disk is full" in capsys.readouterr().out
