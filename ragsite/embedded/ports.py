"""Checks that a port is free, or finds the process that uses it."""

import errno
import ipaddress
import socket
from contextlib import suppress
from typing import Any

import psutil

from ragsite.errors import StartError

from .claim import all_processes


def check_free(host: str, port: int, variable: str) -> None:
    """Raises StartError, naming the process that listens and the variable to change, if the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(address)
    except OSError as error:
        raise StartError(_explain(error, host, port, variable)) from error


def _explain(error: OSError, host: str, port: int, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by {holder(port)}. Stop it, or set {variable} to another port."
    if error.errno == errno.EACCES:
        return f"Only root may listen on port {port}. Set {variable} to a port above 1023."
    return (
        f"Cannot listen on {host}:{port}: {error.strerror}. Set RAGSITE_HOST to an address of this machine."
    )


def own_hosts() -> list[str]:
    """Return the names and addresses by which other machines reach this one."""
    found = [
        ipaddress.ip_address(each.address)
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6) and "%" not in each.address
    ]
    addresses = [f"[{each}]" if each.version == 6 else str(each) for each in found if not each.is_loopback]
    return [socket.gethostname().lower(), *addresses]


def holder(port: int) -> str:
    """Return a description of the process that listens on a port."""
    for process in all_processes():
        with suppress(psutil.Error, OSError):  # it has ended, or belongs to another user
            if any(
                each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in _sockets(process)
            ):
                return f"process {process.pid} ({' '.join(process.cmdline())[:120]})"
    return "another process, which only its owner or root can name"


def _sockets(process: psutil.Process) -> list[Any]:
    return process.net_connections("tcp")
