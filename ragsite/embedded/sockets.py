"""Where a server's unix socket lies."""

import hashlib
import os
import stat
from pathlib import Path

from . import unprivileged
from .service import EmbeddedError

_MAX_BYTES = 103  # bytes; sun_path holds 107 on Linux and 103 on macOS
_ROOM = len("/supervisor.sock.1234567")  # the longest name put into such a directory


def socket_dir(data_dir: Path) -> Path:
    """Return where all sockets of a data directory lie: in it, or in a short private directory.

    A path can be too long for the kernel, or hold what libpq and URLs read as a separator.
    """
    inside = data_dir / "run"
    if len(os.fsencode(inside)) + _ROOM <= _MAX_BYTES and not set(str(inside)) & set(",\"'\\%?#"):
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path("/tmp") / f"ragsite-{os.geteuid()}-{digest}"


def make_private(directory: Path) -> None:
    """Make a directory that only its owner enters. Raises EmbeddedError when somebody else's is there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in unprivileged.our_ids():
        raise EmbeddedError(
            f"{directory} belongs to somebody else. Run Ragsite as its owner, or move RAGSITE_DATA_DIR."
        )
    directory.chmod(0o700)
