"""The parser process: a zygote that loads a parser once and reads each file in a fork of itself.

Each worker process has its own parser process. It starts with the first file, and again whenever it is gone.
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
_NO_PROXY_THERE = "http://127.0.0.1:9"  # no server there: a download fails at once instead of hanging


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
        """Start reading a file.

        Return the socket on which its fork's exit status arrives; closing it kills the fork.

        Raises OSError if the parser process is gone.
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
        """Close the control socket and wait: the parser process then ends by itself, with all its forks."""
        self._control.close()
        self._process.wait()

    def forget(self) -> None:
        """Drop the parser process in a fork of this worker: it belongs to the parent."""
        self._control.close()
        self._process.returncode = 0  # the parent waits for it


def parser_process(parser: str) -> ParserProcess:
    """Return this worker's process for a parser. Start it if necessary."""
    with _lock:
        if parser not in _running:
            _running[parser] = ParserProcess(parser)
        return _running[parser]


def close(parser: str, process: ParserProcess) -> None:
    """Close the process if it is still in use, so that the next file starts a new one."""
    with _lock:
        if _running.get(parser) is process:
            _running.pop(parser).close()


def _environment() -> dict[str, str]:
    """Return the whole environment of the process that reads untrusted files: no secrets, no working proxy."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "HTTP_PROXY": _NO_PROXY_THERE,
        "HTTPS_PROXY": _NO_PROXY_THERE,
        "HF_HUB_OFFLINE": "1",
        "SCARF_NO_ANALYTICS": "true",  # otherwise unstructured reports each use to its vendor
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
    _lock = threading.Lock()  # a thread that does not exist here may have held it
    while _running:
        _running.popitem()[1].forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
