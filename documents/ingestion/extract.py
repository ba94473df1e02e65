"""Extracts text from files, each in its own sandbox process.

A decompression bomb or a crash fails one document, not the worker. The worker never imports a parser.
"""

import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from documents.errors import ParserGone, Unreadable, Unwanted
from documents.parsing.types import DAMAGED, ExtractedSection, Extraction, ParseJob, ReadingNote

from . import parser_process

__all__ = ["ExtractedSection", "Extraction", "ParserGone", "Unreadable", "Unwanted", "extract"]

log = logging.getLogger(__name__)

TIMEOUT_S = 180.0
# Limits of the address space. Measured need: 0.7 GB for the fast parser, 1.1 GB for the layout-aware one
MEMORY_BYTES = {"fast": 2 * 1024**3, "web": 2 * 1024**3, "layout": 4 * 1024**3}


def extract(
    path: Path,
    media_type: str,
    parser: str = "fast",
    *,
    languages: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int | None = None,
    still_wanted: Callable[[], bool] = lambda: True,
) -> Extraction:
    """Return the sections of a file.

    media_type: as `media_types.recognise` found it.
    parser: a value of workspaces.models.Parser, or "web" for a page of a website.
    languages: ISO 639-1 codes that the text may be in; language detection and text recognition (OCR) use
    them.
    timeout_s: the longest time without progress; each page of a scan is progress.
    still_wanted: polled while waiting; reading stops when it returns False.
    Raises Unreadable with a sentence for people, Unwanted after `still_wanted` returned False, ParserGone.
    """
    job = ParseJob(str(path), media_type, parser, memory_bytes or MEMORY_BYTES[parser], tuple(languages))
    said = run(job, timeout_s, still_wanted)
    sections = tuple(ExtractedSection(text, tuple(path), page) for text, path, page in said.pop("sections"))
    notes = tuple(ReadingNote(**note) for note in said.pop("notes"))
    return Extraction(sections, notes=notes, **said)


def run(job: ParseJob, timeout_s: float, still_wanted: Callable[[], bool] = lambda: True) -> dict[str, Any]:
    """Run a job in a sandbox of its own, and return its reply. Raises what `extract` raises."""
    with tempfile.TemporaryFile() as reply, tempfile.TemporaryFile() as complaints:
        status = _run(job, reply, complaints, lambda line: _wait(line, reply, timeout_s, still_wanted))
        return _read(reply) if status == 0 else _explain(status, complaints, job.memory_bytes)


def _run(
    job: ParseJob, reply: IO[bytes], complaints: IO[bytes], wait: Callable[[socket.socket], int | None]
) -> int:
    """Return the exit status of the fork that read the file. Retry once if the parser process is gone."""
    for _ in range(2):
        process = parser_process.parser_process(job.parser)
        try:
            with process.start(job, reply, complaints) as line:
                status = wait(line)
        except ConnectionError:
            status = None
        if status is not None:
            return status
        log.warning("The parser process is gone: starting another one.")
        parser_process.close(job.parser, process)
        reply.truncate(0)
        reply.seek(0)
    raise ParserGone(
        "The parser process ended twice. If this keeps happening, check what kills it, such as a lack of memory."
    )


def _wait(
    line: socket.socket, reply: IO[bytes], timeout_s: float, still_wanted: Callable[[], bool]
) -> int | None:
    """Return the fork's exit status, or None if the parser process is gone.

    Raises Unreadable after `timeout_s` without progress, and Unwanted.
    """
    deadline, seen = time.monotonic() + timeout_s, 0
    while still_wanted():
        if (size := os.fstat(reply.fileno()).st_size) > seen:
            deadline, seen = time.monotonic() + timeout_s, size
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unreadable(
                f"Reading the file took longer than {timeout_s:.0f} seconds. Split it and add the parts."
            )
        line.settimeout(min(left_s, 0.5))
        try:
            said = line.recv(64)
        except TimeoutError:
            continue
        return int(said) if said else None
    raise Unwanted


def _read(reply: IO[bytes]) -> dict[str, Any]:
    reply.seek(0)
    said: dict[str, Any] = json.load(reply)
    if "unreadable" in said:
        raise Unreadable(said["unreadable"])
    return said


def _explain(exit_status: int, complaints: IO[bytes], limit: int) -> NoReturn:
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - 4000))
    last = complaints.read()
    if b"MemoryError" in last or b"memory allocation" in last or b"bad_alloc" in last:
        raise Unreadable(
            f"Reading the file needs more than the allowed {limit / 1024**3:.1f} GB of memory. Split it and add the "
            "parts."
        )
    reason = last.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
    log.warning("The parser ended with status %s: %s", exit_status, reason)
    raise Unreadable(DAMAGED)
