"""How PostgreSQL and Redis are reached: at the address that a variable names, or at an embedded server's socket.

It starts nothing. `ragsite.embedded` runs the servers whose sockets these are.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .private_paths import make_private, socket_dir

POSTGRES_PORT = 5432  # only names the socket: nothing listens on TCP
DATABASE_NAME = "ragsite"  # of the role and of the database


def database_settings(database_url: str, data_dir: Path) -> dict[str, Any]:
    """Return NAME, USER, ... for Django's DATABASES: of the URL, or of the embedded server.

    Raises ValueError, without the password in it, when the URL cannot be read.
    """
    if not database_url:
        return _for_django(embedded_conninfo(data_dir))
    try:
        return _for_django(conninfo_to_dict(database_url))
    except psycopg.ProgrammingError:
        raise ValueError(
            "DATABASE_URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "with special characters of the password percent-encoded."
        ) from None  # the original message may quote the password


def _for_django(conninfo: dict[str, Any]) -> dict[str, Any]:
    """Sort what libpq knows by name under Django's names, and the rest under OPTIONS."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {django: conninfo.get(libpq) or "" for django, libpq in names.items()}
    options = {key: value for key, value in conninfo.items() if key not in names.values()}
    return {**found, "OPTIONS": {"connect_timeout": 10, **options}}


def embedded_conninfo(data_dir: Path) -> dict[str, Any]:
    """Return how libpq reaches the embedded server."""
    host = str(socket_dir(data_dir))
    return {
        "dbname": DATABASE_NAME,
        "user": DATABASE_NAME,
        "password": embedded_password(data_dir),
        "host": host,
        "port": str(POSTGRES_PORT),
    }


def embedded_password(data_dir: Path) -> str:
    """Return the password of the embedded server, made at the first call."""
    path = postgres_home(data_dir) / "password"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        make_private(path.parent)
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:  # another process was quicker
        return embedded_password(data_dir)
    with os.fdopen(file, "w") as writer:
        writer.write(secrets.token_urlsafe(24))
    return path.read_text()


def postgres_home(data_dir: Path) -> Path:
    return data_dir / "postgres"


# --- Redis ---------------------------------------------------------------------------------------


def embedded_redis_url(data_dir: Path) -> str:
    """Return the URL of the embedded server, as redis-py reads it."""
    return f"unix://{quote(str(valkey_socket(data_dir)))}?db=0"


def celery_url(redis_url: str) -> str:
    """Return the same server as Celery's broker: a socket's URL is spelt differently there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def valkey_socket(data_dir: Path) -> Path:
    return socket_dir(data_dir) / "valkey.sock"
