"""Gets text out of files, each in a child process of its own.

A bomb or a crash takes one document, not the worker; the worker never imports a parser.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NoReturn

from documents.parsing.types import DAMAGED, ExtractedSection, Extraction, Unreadable

__all__ = ["ExtractedSection", "Extraction", "Unreadable", "Unwanted", "extract"]

log = logging.getLogger(__name__)

TIMEOUT_S = 180.0
MEMORY_BYTES = {
    "fast": 2 * 1024**3,
    "web": 2 * 1024**3,
    "layout": 4 * 1024**3,
}  # address space; measured need: 0.7 and 1.1 GB
_ROOT = Path(__file__).resolve().parent.parent
_NO_PROXY_THERE = "http://127.0.0.1:9"  # nothing listens: a download fails at once instead of hanging


class Unwanted(Exception):
    """The caller lost its claim to the document while its file was being read."""


def extract(
    path: Path,
    media_type: str,
    parser: str = "fast",
    *,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> Extraction:
    """Return the sections of a file.

    media_type: as `media_types.recognise` found it. parser: a value of workspaces.models.Parser, or "web" for a page of a website.
    still_wanted: asked while waiting; the child is stopped when it says no.
    Raises Unreadable with a sentence for people, Unwanted after `still_wanted` said no.
    """
    limit = memory_bytes or MEMORY_BYTES[parser]
    command = [sys.executable, "-m", "documents.parsing", str(path), media_type, parser, str(limit)]
    with (
        tempfile.TemporaryDirectory(prefix="ragsite-extract-") as scratch,
        tempfile.TemporaryFile() as reply,
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=reply,
            stderr=complaints,
            cwd=_ROOT,
            env=_environment(scratch),
        ) as child,
    ):
        try:
            _wait(child, timeout_s, still_wanted)
        finally:
            child.kill()  # does nothing when it has ended
        return _read(reply) if child.returncode == 0 else _explain(child.returncode, complaints, limit)


def _environment(scratch: str) -> dict[str, str]:
    """Return the child's whole environment: no secret of ours, no way out, no home to write to."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "HTTP_PROXY": _NO_PROXY_THERE,
        "HTTPS_PROXY": _NO_PROXY_THERE,
        "HF_HUB_OFFLINE": "1",
        "SCARF_NO_ANALYTICS": "true",  # unstructured reports each use to its makers otherwise
        "DO_NOT_TRACK": "true",
        "UNSTRUCTURED_DISABLE_NOTICE": "1",
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "2",
    }


def _wait(child: subprocess.Popen[bytes], timeout_s: float, still_wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + timeout_s
    while still_wanted():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unreadable(
                f"Reading it took longer than {timeout_s:.0f} seconds. Split it, and add the parts."
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(left_s, 0.5))
            return
    raise Unwanted


def _read(reply: IO[bytes]) -> Extraction:
    reply.seek(0)
    said = json.load(reply)
    if "unreadable" in said:
        raise Unreadable(said["unreadable"])
    sections = tuple(ExtractedSection(text, tuple(path), page) for text, path, page in said["sections"])
    return Extraction(sections, said["page_count"], said["parser"], said["version"])


def _explain(exit_status: int, complaints: IO[bytes], limit: int) -> NoReturn:
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 4000))
    last = complaints.read()
    if b"MemoryError" in last or b"memory allocation" in last or b"bad_alloc" in last:
        raise Unreadable(
            f"Reading it takes more than the {limit / 1024**3:.1f} GB of memory allowed. Split it, and add the parts."
        )
    reason = last.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
    log.warning("The parser ended with status %s: %s", exit_status, reason)
    raise Unreadable(DAMAGED)
