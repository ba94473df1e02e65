"""Private directories, and the place of the embedded servers' unix sockets."""

import hashlib
import os
import pwd
import stat
from pathlib import Path

from .errors import StartError

_MAX_BYTES = 103  # the limit of sun_path is 107 on Linux and 103 on macOS
_ROOM = len("/supervisor.sock.1234567")  # the longest name of a socket in such a directory


def socket_dir(data_dir: Path) -> Path:
    """Return the directory of all sockets of a data directory: inside it, or a short private directory.

    A path can be too long for the kernel, or contain characters that libpq and URLs read as separators.
    """
    inside = data_dir / "run"
    if len(os.fsencode(inside)) + _ROOM <= _MAX_BYTES and not set(str(inside)) & set(",\"'\\%?#"):
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path("/tmp") / f"ragsite-{os.geteuid()}-{digest}"


def make_private(directory: Path) -> None:
    """Create a directory that only its owner can enter. Raises StartError if it belongs to another user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in our_ids():
        raise StartError(
            f"{directory} belongs to another user. Run Ragsite as its owner, or move RAGSITE_DATA_DIR."
        )
    directory.chmod(0o700)


def our_ids() -> set[int]:
    """Return the uids that may own our files; for root also the service account's, from another container."""
    return {0, service_account().pw_uid} if os.geteuid() == 0 else {os.geteuid()}


def service_account() -> pwd.struct_passwd:
    """Return the account that servers run as if we are root. Raises StartError if there is none."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StartError("PostgreSQL does not run as root, and there is no user `nobody`: run as another user.")
