"""Several processes may migrate one database at the same time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from django.db import connection


@pytest.fixture
def empty_database(db: None) -> Iterator[str]:
    """Yield the URL of a new database with nothing in it."""
    name = f"migrate_{uuid4().hex[:8]}"
    own = connection.get_connection_params()
    there = {key: own[key] for key in ("host", "port", "user", "password") if own.get(key)}
    with psycopg.connect(**there, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield psycopg.conninfo.make_conninfo(**there, dbname=name)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


PROGRAM = """
import os, psycopg
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
found = psycopg.conninfo.conninfo_to_dict(os.environ["MIGRATED"])
settings.DATABASES["default"] |= {"NAME": found["dbname"]}
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""


def test_two_migrations_at_once_both_succeed_and_record_each_step_once(empty_database: str) -> None:
    variables = os.environ | {"MIGRATED": empty_database}
    both = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=variables, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=110)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    with psycopg.connect(empty_database) as found:
        doubled = found.execute(
            "SELECT app, name FROM django_migrations GROUP BY app, name HAVING count(*) > 1"
        ).fetchall()
        locks = found.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert doubled == []
    assert locks == (0,)
