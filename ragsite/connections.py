"""Connection parameters of PostgreSQL and Redis: from a variable, or for an embedded server's unix socket.

This module starts nothing. `ragsite.embedded` runs the embedded servers.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from .private_paths import make_private, socket_dir

POSTGRES_PORT = 5432  # only part of the socket's name: nothing listens on TCP
DATABASE_NAME = "ragsite"  # name of the role and of the database
_OPTIONAL_EXTENSIONS = ("pg_trgm", "unaccent")


def database_settings(database_url: str, data_dir: Path) -> dict[str, Any]:
    """Return NAME, USER, ... for Django's DATABASES, from the URL or for the embedded server.

    Raises ValueError, without the password, if the URL cannot be parsed.
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
    """Map libpq's parameters to Django's names, and the others to OPTIONS."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    found = {django: conninfo.get(libpq) or "" for django, libpq in names.items()}
    options = {key: value for key, value in conninfo.items() if key not in names.values()}
    return {**found, "OPTIONS": {"connect_timeout": 10, **options}}


def embedded_conninfo(data_dir: Path) -> dict[str, Any]:
    """Return libpq's connection parameters for the embedded server."""
    host = str(socket_dir(data_dir))
    return {
        "dbname": DATABASE_NAME,
        "user": DATABASE_NAME,
        "password": embedded_password(data_dir),
        "host": host,
        "port": str(POSTGRES_PORT),
    }


def embedded_password(data_dir: Path) -> str:
    """Return the password of the embedded server, and create it on the first call."""
    path = postgres_home(data_dir) / "password"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        make_private(path.parent)
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:  # another process created it first
        return embedded_password(data_dir)
    with os.fdopen(file, "w") as writer:
        writer.write(secrets.token_urlsafe(24))
    return path.read_text()


def add_extensions(connection: psycopg.Connection[Any]) -> None:
    """Create `vector`, which is required, and the optional extensions.

    Raises psycopg.Error without pgvector.
    """
    connection.execute("create extension if not exists vector")
    for name in _OPTIONAL_EXTENSIONS:
        if connection.execute("select 1 from pg_available_extensions where name = %s", [name]).fetchone():
            connection.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(name)))


def postgres_home(data_dir: Path) -> Path:
    return data_dir / "postgres"


# --- Redis ---------------------------------------------------------------------------------------


def embedded_redis_url(data_dir: Path) -> str:
    """Return the URL of the embedded server for redis-py."""
    return f"unix://{quote(str(valkey_socket(data_dir)))}?db=0"


def celery_url(redis_url: str) -> str:
    """Return the broker URL of the same server for Celery, which writes socket URLs differently."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def valkey_socket(data_dir: Path) -> Path:
    return socket_dir(data_dir) / "valkey.sock"
