"""Downloads a large file: resumes after a lost connection, and verifies the file before it is used."""

import hashlib
import shutil
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from .model_choice import Weights

_BLOCK = 1024 * 1024  # bytes
_SPARE = 500_000_000  # bytes to keep free on the disk


class DownloadFailed(Exception):
    """The download failed. The error's text is for people."""


def fetch(
    hub: str,
    weights: Weights,
    target: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
    *,
    timeout_s: float = 20,
    patience: int = 5,
) -> None:
    """Download a file to `target` and verify it. Partial data of an earlier attempt is kept and resumed.

    hub: such as https://huggingface.co. report: called with the bytes done and the total bytes. patience: how
    many attempts in a row may get no data before it gives up. Raises DownloadFailed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_rest(f"{hub}/{weights.path}", weights, part, report, timeout_s)
            break
        except HTTPError as error:
            error.close()
            if error.code < 500 and error.code != 429:
                raise DownloadFailed(f"{hub} refused it with {error.code} {error.reason}") from error
            problem: Exception = error
        except (URLError, HTTPException, OSError) as error:
            problem = error
        failures = 0 if _size(part) > before else failures + 1
        if failures >= patience:
            raise DownloadFailed(
                f"{hub} does not answer ({getattr(problem, 'reason', problem)})"
            ) from problem
        time.sleep(min(2**failures / 10, 5))
    _verify(part, weights)
    part.rename(target)


def _fetch_rest(
    url: str, weights: Weights, part: Path, report: Callable[[int, int], None], timeout_s: float
) -> None:
    done = _size(part)
    if weights.size_bytes and done >= weights.size_bytes:
        return
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with cast(HTTPResponse, urlopen(request, timeout=timeout_s)) as reply:
        if done and reply.status != 206:
            done = 0  # the server does not support resuming
        total = done + int(reply.headers.get("Content-Length") or 0)
        _check_room(part, total - done)
        with part.open("ab" if done else "wb") as file:
            while block := reply.read(_BLOCK):
                file.write(block)
                done += len(block)
                report(done, total)
    if done < total:
        raise URLError("the connection was lost")


def _check_room(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < wanted + _SPARE:
        raise DownloadFailed(
            f"the disk of {part.parent} has {free // 10**6} MB free, but the download needs "
            f"{(wanted + _SPARE) // 10**6} MB"
        )


def _verify(part: Path, weights: Weights) -> None:
    if weights.sha256 is None:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != weights.sha256:
        part.unlink()
        raise DownloadFailed("the downloaded file is not the requested one (its SHA-256 differs)")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
