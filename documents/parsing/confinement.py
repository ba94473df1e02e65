"""The sandbox for processes that read untrusted files: no network, limited memory, a folder of their own."""

import ctypes
import fcntl
import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PREFIX = "ragsite-extract-"
_SURELY_LOCKED_S = 60  # the owner of a folder this old has locked it, or is gone


def cut_off_network() -> None:
    """Move this process to an empty network namespace, if Linux allows it.

    The process must be single-threaded.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def limit(memory_bytes: int, file_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def work_in(folder: Path) -> None:
    """Create this folder, and make it the home and the place for temporary files."""
    folder.mkdir(mode=0o700)
    os.environ |= {"HOME": str(folder), "TMPDIR": str(folder)}
    tempfile.tempdir = str(folder)


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new folder and remove it afterwards. Also remove folders that killed processes left behind."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _lock(folder):
        _sweep(folder.parent)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process. Raises OSError if another process holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, another user's, or just gone
            if time.time() - left.stat().st_mtime > _SURELY_LOCKED_S:
                with _lock(left):
                    shutil.rmtree(left)
