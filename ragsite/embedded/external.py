"""Checks external servers named by variables: do they answer, and do they have what Ragsite needs?"""

from urllib.parse import urlsplit

import psycopg
import redis
from psycopg.conninfo import conninfo_to_dict

from ragsite.connections import add_extensions
from ragsite.errors import StartError

_PGVECTOR = (0, 8)  # halfvec, and iterative index scans, which continue until enough rows pass the filter
_HOW_TO_INSTALL = "On Debian and Ubuntu: apt install postgresql-{major}-pgvector. Elsewhere: https://github.com/pgvector/pgvector"


def check_database(database_url: str) -> None:
    """Check that the database answers and has pgvector. Create the extension if it is only missing.

    Raises StartError with a sentence that says what to check, and never contains the password.
    """
    where = _where(database_url)
    try:
        with psycopg.connect(database_url, connect_timeout=5, autocommit=True) as connection:
            _check_pgvector(connection, where)
    except psycopg.OperationalError as error:
        raise StartError(_unreachable("DATABASE_URL", where, _reason(error, database_url))) from None


def check_redis(redis_url: str) -> None:
    """Check that the Redis or Valkey server answers. Raises StartError like `check_database`."""
    where = urlsplit(redis_url).path if redis_url.startswith("unix:") else _netloc(redis_url)
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StartError(_unreachable("REDIS_URL", where, _reason(error, redis_url))) from None


def _check_pgvector(connection: psycopg.Connection[tuple[str, ...]], where: str) -> None:
    row = connection.execute(
        "select coalesce(installed_version, default_version) from pg_available_extensions where name = 'vector'"
    ).fetchone()
    install = _HOW_TO_INSTALL.format(major=connection.info.server_version // 10_000)
    if row is None:
        raise StartError(f"The database at {where} (DATABASE_URL) has no pgvector. {install}")
    if tuple(int(part) for part in row[0].split(".")[:2]) < _PGVECTOR:
        raise StartError(
            f"The database at {where} (DATABASE_URL) has pgvector {row[0]}, but Ragsite needs 0.8 or newer. "
            f"{install} Then run ALTER EXTENSION vector UPDATE in it."
        )
    try:
        add_extensions(connection)
    except psycopg.errors.InsufficientPrivilege:
        raise StartError(
            f"The user of DATABASE_URL may not create extensions at {where}. Ask a superuser to run in that "
            "database: CREATE EXTENSION vector; CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent;"
        ) from None


def _where(database_url: str) -> str:
    try:
        parts = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        raise StartError(
            "DATABASE_URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/NAME."
        ) from None
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}, database {parts.get('dbname', '')!r}"


def _netloc(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _unreachable(variable: str, where: str, reason: str) -> str:
    return (
        f"{variable}: cannot use {where}: {reason}. Check that the server runs, that its host, port, user and "
        f"password are right, and that no firewall is in between. Or unset {variable} to use the embedded one."
    )


def _reason(error: Exception, url: str) -> str:
    """Return the line of the driver's message with the cause, without the password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = next((line for line in lines if "failed: " in line), lines[-1])
    reason = line.rpartition("failed: ")[2].strip().rstrip(".")
    password = urlsplit(url).password
    return reason.replace(password, "***") if password else reason
