"""Terminal output of `up`: its own sentences, and the important lines of the processes' logs."""

import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_COLOURS = {"postgres": 36, "valkey": 33, "serving": 35, "llm": 34, "web": 32, "worker": 94, "beat": 90}
_MATTERS = re.compile(
    r"\b(WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b|^Traceback"
    r"|^\d+\.\d\d\.\d{3}\.\d{3} [WE] "  # llama.cpp
    r"|^\d+:M .* # "  # Valkey
    r"|^» "  # messages of our own processes for people
)
_ROUTINE = re.compile(
    r"the database system is (starting up|shutting down)"
    r"|superuser privileges|running as root"  # a user who runs as root knows it
    r"|terminating connection due to administrator command"
    r"|received SIGTERM|terminated by SIGTERM|ready to exit"
    r"|@%WARNING"  # beat's banner
    r"|cancel task|n_past was set|need to evaluate at least"  # llama.cpp, at each stop and repetition
    r"|security: no API key is set|Memory overcommit|overcommit_memory"
)
# The remaining lines of a traceback.
_CONTINUES = re.compile(r"^(\s|\w+(\.\w+)*(Error|Exception|Exit|Interrupt)\b)")


def say(text: str = "") -> None:
    print(text, flush=True)


def paint(text: str, colour: int) -> str:
    """Colour the text if the terminal shows colours (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


@contextmanager
def following(logs: Path, names: Iterable[str], disk: Path, *, verbose: bool) -> Iterator[None]:
    """Show the log lines of the processes while inside the block: all of them, or only the important ones.

    disk: the directory whose free space to report when a process runs out of space.
    """
    done = threading.Event()
    followers = [_Follower(name, logs / f"{name}.log", disk, verbose) for name in names]

    def follow() -> None:
        while not done.wait(0.3):
            for follower in followers:
                follower.show_new_lines()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for follower in followers:
            follower.close()


class LineFilter:
    """Decides for each line whether it is important; an important traceback passes whole."""

    def __init__(self) -> None:
        self._is_inside = False

    def passes(self, line: str) -> bool:
        matters = bool(_MATTERS.search(line)) and not _ROUTINE.search(line)
        self._is_inside = matters or (self._is_inside and bool(_CONTINUES.match(line)))
        return self._is_inside


class _Follower:
    def __init__(self, name: str, path: Path, disk: Path, verbose: bool) -> None:
        self._name, self._path, self._disk = name, path, disk
        self._filter = None if verbose else LineFilter()
        self._file: BinaryIO | None = None
        self._rest = b""
        self._silent_until = 0.0
        if path.exists():
            self._open().seek(0, os.SEEK_END)  # skip the output of earlier runs

    def show_new_lines(self) -> None:
        for raw in self._new_lines():
            line = raw.decode(errors="replace").rstrip()
            if line and (self._filter is None or self._filter.passes(line)):
                say(f"{paint(f'{self._name:>8} │', _COLOURS.get(self._name, 90))} {line.removeprefix('» ')}")
            if "No space left on device" in line and time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + 60  # every failing write repeats the message
                say(paint(_disk_is_full(self._disk), 31))

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _new_lines(self) -> list[bytes]:
        if self._file is None and not self._path.exists():
            return []
        file = self._file or self._open()
        *lines, self._rest = (self._rest + file.read()).split(b"\n")
        if self._was_rotated(file):
            self._open()  # open the new file, from its start
        return lines

    def _was_rotated(self, file: BinaryIO) -> bool:
        try:
            return self._path.stat().st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _open(self) -> BinaryIO:
        self.close()
        self._file = self._path.open("rb")
        return self._file


def free_mb(directory: Path) -> int:
    """Return how many megabytes an unprivileged user may still write to the disk of a directory."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize // 1_000_000


def _disk_is_full(directory: Path) -> str:
    return (
        f"The disk is full: {free_mb(directory)} MB are free at {directory}. "
        "Free some space, or move RAGSITE_DATA_DIR; nothing that was saved is lost."
    )
