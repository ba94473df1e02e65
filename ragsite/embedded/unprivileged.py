"""Drops root privileges for PostgreSQL, which refuses to run as root.

First choice: a user namespace that maps our root to uid 1000. The files still belong to root, so it works in
a private directory too. If the kernel or a container forbids namespaces: the account `postgres` or `nobody`,
which must be able to reach the binaries and the data.
"""

import ctypes
import os
import pwd
import stat
from functools import cache
from pathlib import Path

from ragsite.errors import StartError
from ragsite.private_paths import service_account

_CLONE_NEWUSER = 0x10000000
_INNER_ID = 1000  # any number but 0


def allow(*paths: Path) -> None:
    """Give the user of `become` access to these files, and ownership of these directories.

    Raises StartError, naming the directory that blocks access.
    """
    if os.geteuid() != 0:
        return
    account = None if _can_map() else service_account()
    for path in paths:
        if account:
            _check_reachable(path, account)
        if path.is_dir():
            _give(path, account.pw_uid if account else 0)


def become() -> None:
    """Drop root privileges, in a child that is about to exec. Does nothing without root."""
    if os.geteuid() != 0:
        return
    if _can_map():
        _map_to_ordinary_user()
    else:
        _become(service_account())


def _map_to_ordinary_user() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")  # the kernel requires this for a gid map of our own
    Path("/proc/self/uid_map").write_text(f"{_INNER_ID} 0 1")
    Path("/proc/self/gid_map").write_text(f"{_INNER_ID} 0 1")


@cache
def _can_map() -> bool:
    """Try it in a child process, because containers refuse it in several ways."""
    pid = os.fork()
    if pid == 0:
        try:
            _map_to_ordinary_user()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _become(account: pwd.struct_passwd) -> None:
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def _check_reachable(path: Path, account: pwd.struct_passwd) -> None:
    for parent in path.resolve().parents:
        info = parent.stat()
        is_owner = info.st_uid == account.pw_uid
        if not info.st_mode & (stat.S_IXUSR if is_owner else stat.S_IXOTH):
            raise StartError(
                f"PostgreSQL does not run as root, and the user {account.pw_name} cannot enter {parent}. Run "
                "Ragsite as another user, or from a directory that other users may enter."
            )


def _give(directory: Path, uid: int) -> None:
    """Change the owner of the directory and of everything in it."""
    for path in (directory, *directory.rglob("*")):
        if path.lstat().st_uid != uid:
            os.chown(path, uid, -1, follow_symlinks=False)
