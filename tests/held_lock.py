"""An advisory lock that another process holds."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def held_elsewhere(lock: int) -> Iterator[None]:
    own = connection.get_connection_params()
    there = {key: own[key] for key in ("host", "port", "user", "password", "dbname") if own.get(key)}
    with psycopg.connect(**there, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [lock])
        yield
        other.execute("SELECT pg_advisory_unlock_all()")  # the end of a session reaches the server later
