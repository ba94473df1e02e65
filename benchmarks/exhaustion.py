"""Lets a real PostgreSQL or Valkey run out for a while: read-only, full, or without a free connection."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from redis import Redis

Where = Mapping[str, Any]  # arguments of psycopg.connect; the role must be a superuser


@contextmanager
def read_only(where: Where) -> Iterator[None]:
    """Let PostgreSQL refuse every write, as a standby does."""
    _run(where, "ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        _until(lambda: _setting(where) == "on")
        yield
    finally:
        _run(where, "ALTER SYSTEM RESET default_transaction_read_only")
        _until(lambda: _setting(where) == "off")


@contextmanager
def full_disk(where: Where, table: str) -> Iterator[None]:
    """Let PostgreSQL refuse new rows of the table with the error that it reports when its disk is full."""
    _run(
        where,
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
        "'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$",
        f"CREATE TRIGGER no_space BEFORE INSERT ON {table} EXECUTE FUNCTION no_space()",
    )
    try:
        yield
    finally:
        _run(where, "DROP FUNCTION no_space CASCADE")


@contextmanager
def no_connections(where: Where) -> Iterator[None]:
    """End the connections of all others, and hold every connection that PostgreSQL has."""
    held = [psycopg.connect(**where, autocommit=True)]
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND NOT pid = ANY(%s)"
    )
    try:
        for _ in range(3):  # the others come back at once
            held[0].execute(others, [[each.info.backend_pid for each in held]])
            with suppress(psycopg.OperationalError):
                while True:
                    held.append(psycopg.connect(**where, autocommit=True))
        yield
    finally:
        for each in held:
            each.close()


@contextmanager
def full_valkey(url: str) -> Iterator[None]:
    """Let Valkey refuse every write, as it does when its memory is used up."""
    with configured_valkey(url, **{"maxmemory": 1, "maxmemory-policy": "noeviction"}):
        yield


@contextmanager
def configured_valkey(url: str, **values: Any) -> Iterator[None]:
    """Change settings of the server meanwhile."""
    with Redis.from_url(url) as server:
        known: dict[str, Any] = {name: server.config_get(name) for name in values}
        for name, value in values.items():
            server.config_set(name, value)
        try:
            yield
        finally:
            for name, before in known.items():
                server.config_set(name, before[name])


def _run(where: Where, *statements: str) -> None:
    """Run the statements in a session of their own, which may write."""
    with psycopg.connect(**where, autocommit=True) as session:
        session.execute("SET default_transaction_read_only = off")
        for statement in statements:
            session.execute(statement)
        session.execute("SELECT pg_reload_conf()")


def _setting(where: Where) -> str:
    with psycopg.connect(**where, autocommit=True) as session:
        row = session.execute("SHOW default_transaction_read_only").fetchone()
    return str(row[0]) if row else ""


def _until(is_so: Callable[[], bool], limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError("The server did not take the setting.")
        time.sleep(0.02)
