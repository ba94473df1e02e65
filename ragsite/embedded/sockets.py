"""Where a server's unix socket lies."""

import hashlib
import os
import stat
from pathlib import Path

from .service import EmbeddedError

_LONGEST = 103  # bytes; sun_path holds 107 on Linux and 103 on macOS
_ROOM = len("/supervisor.sock.1234567")  # the longest name put into such a directory


def socket_dir(home: Path) -> Path:
    """Return `home`, or a short private directory when a socket in `home` could not be named.

    A path can be too long for the kernel, or hold what libpq and URLs read as a separator.
    """
    text = str(home)
    if len(os.fsencode(text)) + _ROOM <= _LONGEST and not set(text) & set(",\"'\\%?#"):
        return home
    digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
    return Path("/tmp") / f"ragsite-{os.geteuid()}-{digest}"


def make_private(directory: Path) -> None:
    """Make a directory that only its owner enters. Raises EmbeddedError when somebody else's is there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode) or (os.geteuid() not in (0, info.st_uid)):
        raise EmbeddedError(f"{directory} belongs to somebody else. Remove it, or move RAGSITE_DATA_DIR.")
    directory.chmod(0o700)
