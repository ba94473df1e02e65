"""The parser process: `python -m documents.parsing PARSER`, with a socket to its worker as standard input.

It is a zygote: it loads the parser once and forks for each file, so that a file costs only the time to read
it. A fork is a sandbox: it has a memory limit, its own folder and no network, and its crash affects one file.
This process stays single-threaded and never uses the parser itself, because threads and their locks do not
survive a fork.

It ends when the worker's end of the socket closes, however the worker ended, and kills its forks.
"""

import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO

from documents.errors import NotFetched, Unreadable

from . import reader
from .confinement import cut_off_network, die_with, limit, scratch, work_in
from .types import MAX_CHARACTERS, Extraction, ParseJob

IDLE_S = 600.0  # after this time, the memory is worth more than a fast start of the next file
MAX_REQUEST_BYTES = 65_536
MAX_REPLY_BYTES = 10 * MAX_CHARACTERS
_REPLY, _FIRST_NOT_NEEDED = 3, 4  # file descriptors in a fork


class Zygote:
    """Starts, watches and reaps the forks.

    Each fork has a socket to the worker; closing it there kills the fork.
    """

    def __init__(self, control: socket.socket, folder: Path) -> None:
        self._control, self._folder = control, folder
        self._is_wanted = True
        self._at_work: dict[int, int] = {}  # process id -> its pidfd
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._take)

    def serve(self) -> None:
        try:
            while self._is_wanted:
                events = self._selector.select(None if self._at_work else IDLE_S)
                if not events:
                    return
                for key, _ in events:
                    key.data()
        finally:
            for process in self._at_work:
                _kill(process)
                os.waitpid(process, 0)

    def _take(self) -> None:
        request, files, _, _ = socket.recv_fds(self._control, MAX_REQUEST_BYTES, 3)
        if not request:  # the worker closed its end, or is gone
            self._is_wanted = False
            return
        line, reply, complaints = files
        process = _fork(ParseJob(**json.loads(request)), self._folder, reply, complaints)
        os.close(reply)
        os.close(complaints)
        self._watch(process, socket.socket(fileno=line))

    def _watch(self, process: int, line: socket.socket) -> None:
        self._at_work[process] = ended = os.pidfd_open(process)
        self._selector.register(ended, selectors.EVENT_READ, partial(self._reap, process, line))
        self._selector.register(line, selectors.EVENT_READ, partial(self._give_up, process, line))

    def _give_up(self, process: int, line: socket.socket) -> None:
        """Kill a fork. Its socket is readable, and all that the worker ever does is close its end."""
        self._selector.unregister(line)
        _kill(process)

    def _reap(self, process: int, line: socket.socket) -> None:
        _, status = os.waitpid(process, 0)
        ended = self._at_work.pop(process)
        self._selector.unregister(ended)
        os.close(ended)
        if line.fileno() in self._selector.get_map():
            self._selector.unregister(line)
        shutil.rmtree(self._folder / str(process), ignore_errors=True)
        with line:
            _send_exit_code(line, str(os.waitstatus_to_exitcode(status)))


def _kill(process: int) -> None:
    """Kill a fork and the processes it started. It is not reaped yet, so the process id is still its own."""
    for kill in (os.killpg, os.kill):  # the process group exists only once the fork has created it
        try:
            kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _send_exit_code(line: socket.socket, what: str) -> None:
    try:
        line.send(what.encode())
    except OSError:  # the worker no longer listens
        return


# --- a fork -------------------------------------------------------------------------------------


def _fork(job: ParseJob, folder: Path, reply: int, complaints: int) -> int:
    parent = os.getpid()
    if process := os.fork():
        return process
    try:
        die_with(parent)
        os.setsid()  # its own process group, which includes all processes it starts
        _keep_only(reply, complaints)
        work_in(folder / str(os.getpid()))
        limit(job.memory_bytes, MAX_REPLY_BYTES)
        with os.fdopen(_REPLY, "w", encoding="utf-8") as out:
            _answer(job, out)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:  # never return into the parent's loop
        os._exit(1)


def _keep_only(reply: int, complaints: int) -> None:
    """Close the file descriptors of the worker and of other forks: no socket, no other file's reply."""
    nothing, reply, complaints = os.open(os.devnull, os.O_RDONLY), os.dup(reply), os.dup(complaints)
    for source, target in ((nothing, 0), (complaints, 1), (complaints, 2), (reply, _REPLY)):
        os.dup2(source, target)  # the output of a library must not mix with the reply
    os.closerange(_FIRST_NOT_NEEDED, 65_536)


def _answer(job: ParseJob, out: IO[str]) -> None:
    try:
        found = _read(job, out)
    except (Unreadable, NotFetched) as error:
        json.dump({"unreadable": str(error)}, out)
    else:
        json.dump(found, out, ensure_ascii=False)


def _read(job: ParseJob, out: IO[str]) -> dict[str, object]:
    if job.task != "text":
        return import_module("documents.parsing.crawled").read(job)  # type: ignore[no-any-return]
    return _as_json(reader.read(job, alive=lambda: _send_heartbeat(out)))


def _send_heartbeat(out: IO[str]) -> None:
    """Send a heartbeat: the worker's timeout restarts when the reply grows, here by a space before the JSON."""
    out.write(" ")
    out.flush()


def _as_json(found: Extraction) -> dict[str, object]:
    return {
        "sections": [(each.text, each.title_path, each.page) for each in found.sections],
        "page_count": found.page_count,
        "parser": found.parser,
        "parser_version": found.parser_version,
        "recognised_pages": found.recognised_pages,
        "unread_pages": found.unread_pages,
        "language": found.language,
        "properties": dict(found.properties),
        "facts": dict(found.facts),
        "notes": [asdict(note) for note in found.notes],
    }


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to whole groups; the worker decides when this ends
        signal.signal(number, signal.SIG_IGN)
    cut_off_network()
    reader.warm_up(sys.argv[1])
    gc.freeze()  # the loaded objects stay in memory that the forks share (copy-on-write)
    with scratch() as folder, socket.socket(fileno=0) as control:
        Zygote(control, folder).serve()


if __name__ == "__main__":
    main()
