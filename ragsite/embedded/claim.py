"""Claims a data directory for one `up` (or one test run) at a time, and ends leftovers of a killed one."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import psutil

from ragsite.errors import StartError

from .service import MARK

_SERVERS = {"postgres", "valkey-server"}  # they overwrite their environment with their process title


class AlreadyRunning(StartError):
    """Another process has claimed the data directory."""


@contextmanager
def claim_data_dir(data_dir: Path, what: str) -> Iterator[None]:
    """Lock the directory inside the block, with no leftover processes running at the start.

    what: a sentence about the owner, for a process that is refused. Raises AlreadyRunning with the owner's
    sentence.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:  # close-on-exec: no child inherits the lock
        _lock(file, data_dir)
        file.truncate(0)
        file.write(what)
        file.flush()
        end_leftovers(data_dir)
        yield


def end_leftovers(data_dir: Path, kindly_s: float = 20) -> None:
    """Terminate every process that belongs to this directory, and kill those that outlive `kindly_s`.

    The supervisor ends first, because it would restart the others. It stops them in order, PostgreSQL last.
    """
    _end(data_dir, 2 * kindly_s, _is_supervisor)
    _end(data_dir, kindly_s, lambda process: True)
    for process in _processes(data_dir):
        _send(process, signal.SIGKILL)
    _wait_for_end(data_dir, 10)


def kill_servers(directory: Path) -> None:
    """Kill the servers that work in a directory: a busy session survives the death of its postmaster."""
    servers = [each for each in all_processes() if _is_server_in(each, directory)]
    for each in servers:
        _send(each, signal.SIGKILL)
    psutil.wait_procs(servers, timeout=10)


def _lock(file: TextIO, data_dir: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise AlreadyRunning(file.read() or f"{data_dir} is in use by another process.") from None


def _end(data_dir: Path, within_s: float, is_meant: Callable[[psutil.Process], bool]) -> None:
    meant = [each for each in _processes(data_dir) if is_meant(each)]
    for each in meant:
        # SIGINT ends PostgreSQL's sessions; with SIGTERM it would wait for them
        _send(each, signal.SIGINT if _program(each) == "postgres" else signal.SIGTERM)
    if meant:
        _wait_for_end(data_dir, within_s)


def _wait_for_end(data_dir: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while _processes(data_dir) and time.monotonic() < deadline:
        time.sleep(0.1)


def _processes(data_dir: Path) -> list[psutil.Process]:
    return [each for each in all_processes() if each.pid != os.getpid() and belongs(each, data_dir)]


def all_processes() -> Iterator[psutil.Process]:
    # psutil caches programs by pid, but a forked process may exec another one.
    psutil.process_iter.cache_clear()
    return psutil.process_iter()


def belongs(process: psutil.Process, data_dir: Path) -> bool:
    """Tell whether a process belongs to the directory, by its environment or, for the servers, its cwd."""
    try:
        is_marked = process.environ().get(MARK) == str(data_dir)
    except (psutil.Error, OSError):  # it has ended, or belongs to another user
        return False
    return is_marked or _is_server_in(process, data_dir)


def _is_server_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return _program(process) in _SERVERS and Path(process.cwd()).is_relative_to(directory)
    except (psutil.Error, OSError):
        return False


def _program(process: psutil.Process) -> str:
    try:
        return Path(process.exe()).name
    except (psutil.Error, OSError):
        return ""


def _is_supervisor(process: psutil.Process) -> bool:
    try:
        return "supervisor.supervisord" in process.cmdline()
    except (psutil.Error, OSError):
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
