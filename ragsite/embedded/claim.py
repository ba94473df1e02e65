"""One `up` (or one test run) owns a data directory at a time, and clears what a killed one left there."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from .service import MARK, EmbeddedError

_SERVERS = {"postgres", "valkey-server"}  # they overwrite their environment with their title


class AlreadyRunning(EmbeddedError):
    """Another process owns the data directory."""


@contextmanager
def claim_data_dir(data_dir: Path, what: str) -> Iterator[None]:
    """Own the directory inside the block, with nothing running in it at the start.

    what: a sentence about the owner, for whoever comes second.
    Raises AlreadyRunning with the first one's sentence.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:  # close-on-exec: no child keeps the claim
        _lock(file, data_dir)
        file.truncate(0)
        file.write(what)
        file.flush()
        end_leftovers(data_dir)
        yield


def end_leftovers(data_dir: Path, kindly_s: float = 20) -> None:
    """End every process that belongs to this directory, after `kindly_s` seconds by force.

    The supervisor goes first and takes the others along, PostgreSQL last; else it would restart them.
    """
    _end(data_dir, 2 * kindly_s, _is_supervisor)
    _end(data_dir, kindly_s, lambda pid: True)
    for pid in _processes(data_dir):
        _send(pid, signal.SIGKILL)
    _wait_for_end(data_dir, 10)


def kill_servers(directory: Path) -> None:
    """Kill the servers that work in a directory: after its postmaster was killed, a busy session lives on."""
    deadline = time.monotonic() + 10
    while (pids := [pid for pid in _pids() if _is_server_in(pid, directory)]) and time.monotonic() < deadline:
        for pid in pids:
            _send(pid, signal.SIGKILL)
        time.sleep(0.05)


def _lock(file: TextIO, data_dir: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise AlreadyRunning(file.read() or f"{data_dir} is in use by another process.") from None


def _end(data_dir: Path, within_s: float, is_meant: Callable[[int], bool]) -> None:
    pids = [pid for pid in _processes(data_dir) if is_meant(pid)]
    for pid in pids:
        # SIGINT ends PostgreSQL's sessions; at SIGTERM it would wait for them
        _send(pid, signal.SIGINT if _program(pid) == "postgres" else signal.SIGTERM)
    if pids:
        _wait_for_end(data_dir, within_s)


def _wait_for_end(data_dir: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while _processes(data_dir) and time.monotonic() < deadline:
        time.sleep(0.1)


def _processes(data_dir: Path) -> list[int]:
    return [pid for pid in _pids() if pid != os.getpid() and _belongs(pid, data_dir)]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _belongs(pid: int, data_dir: Path) -> bool:
    """Look at the mark in the environment, or for the two servers at where they work."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return False
    return f"{MARK}={data_dir}".encode() in environment or _is_server_in(pid, data_dir)


def _is_server_in(pid: int, directory: Path) -> bool:
    try:
        place = Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return False
    return _program(pid) in _SERVERS and place.is_relative_to(directory)


def _program(pid: int) -> str:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""


def _is_supervisor(pid: int) -> bool:
    try:
        return b"supervisor.supervisord" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
