"""Is a port free, and if not, who has it?"""

import errno
import os
import socket
from pathlib import Path

from .service import EmbeddedError

_LISTEN = "0A"  # the state in /proc/net/tcp


def check_free(host: str, port: int, variable: str) -> None:
    """Raise EmbeddedError, naming who listens and the variable to change, when we cannot listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        raise EmbeddedError(_explain(error, host, port, variable)) from error


def _explain(error: OSError, host: str, port: int, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by {holder(port)}. Stop it, or set {variable} to another port."
    if error.errno == errno.EACCES:
        return f"Only root may listen on port {port}. Set {variable} to a port above 1023."
    return (
        f"Cannot listen on {host}:{port}: {error.strerror}. Set RAGSITE_HOST to an address of this machine."
    )


def holder(port: int) -> str:
    """Return the process that listens on a port, in words."""
    inodes = _listening_inodes(port)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if _holds(pid, inodes):
            return f"process {pid} ({_command(pid)})"
    return "another process, which only its owner or root can name"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _holds(pid: str, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{file}") in inodes for file in os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # gone, or somebody else's
        return False


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()[:120]
    except OSError:
        return "which has just ended"
