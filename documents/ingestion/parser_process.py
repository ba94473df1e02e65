"""A process that has a parser loaded, and reads one file in each fork of itself.

Each worker process has its own, started when the first file is read and again whenever it is gone.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO

from documents.parsing.types import ParseJob

_ROOT = Path(__file__).resolve().parents[2]
_NO_PROXY_THERE = "http://127.0.0.1:9"  # nothing listens: a download fails at once instead of hanging


class ParserProcess:
    def __init__(self, parser: str) -> None:
        # Not PR_SET_PDEATHSIG: it fires when the thread that started us ends, not the process.
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "documents.parsing", parser],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
                env=_environment(),
            )

    def start(self, job: ParseJob, reply: IO[bytes], complaints: IO[bytes]) -> socket.socket:
        """Have a file read. Returns the line on which its fork's exit status arrives; closing it kills the fork.

        Raises OSError if this process is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        files = [theirs.fileno(), reply.fileno(), complaints.fileno()]
        with theirs:
            try:
                socket.send_fds(self._control, [json.dumps(asdict(job)).encode()], files)
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """Let go of it: it ends by itself, with all that it is doing."""
        self._control.close()
        self._process.wait()

    def forget(self) -> None:
        """In a fork of this worker: it is the other one's."""
        self._control.close()
        self._process.returncode = 0  # not ours to wait for


def parser_process(parser: str) -> ParserProcess:
    """Return this worker's process for a parser, started if need be."""
    with _lock:
        if parser not in _running:
            _running[parser] = ParserProcess(parser)
        return _running[parser]


def close(parser: str, process: ParserProcess) -> None:
    """Have the next file read by a new process, if this is still the one in use."""
    with _lock:
        if _running.get(parser) is process:
            _running.pop(parser).close()


def _environment() -> dict[str, str]:
    """Return the whole environment of what reads strangers' files: no secret of ours, no way out."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "HTTP_PROXY": _NO_PROXY_THERE,
        "HTTPS_PROXY": _NO_PROXY_THERE,
        "HF_HUB_OFFLINE": "1",
        "SCARF_NO_ANALYTICS": "true",  # unstructured reports each use to its makers otherwise
        "DO_NOT_TRACK": "true",
        "UNSTRUCTURED_DISABLE_NOTICE": "1",
        # Threads that exist before a fork are missing after it, and their locks stay locked.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "2",
    }


_lock = threading.Lock()
_running: dict[str, ParserProcess] = {}


def _close_all() -> None:
    while _running:
        _running.popitem()[1].close()


def _forget_all() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that is not here may have held it
    while _running:
        _running.popitem()[1].forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
