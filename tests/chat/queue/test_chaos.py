"""A short run of `make chaos`, with fewer turns: after any crash, nothing is lost, duplicated or invented."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
TURNS = 70


@pytest.fixture(scope="module")
def rows(root, tmp_path_factory):
    """Run the benchmark once for all tests, with its own processes and services, and return its rows."""
    result = tmp_path_factory.mktemp("chaos") / "rows.json"
    command = [sys.executable, "-m", "benchmarks.chaos", "--turns", str(TURNS), "--json", str(result)]
    mine = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")  # so that it kills only its own services
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=300)
    return {row["name"]: row for row in json.loads(result.read_text())}


@pytest.mark.parametrize(
    "name",
    [
        "a web process is killed",
        "the socket is cut every 0.6 s",
        "each message is sent 5 times concurrently",
        "PostgreSQL is restarted",
        "Valkey is restarted",
        "PostgreSQL is read-only for 3 s",
        "the disk of PostgreSQL is full for 3 s",
        "PostgreSQL has no connection for 3 s",
        "Valkey is full for 3 s",
        "the model fails",
        "SIGTERM",
    ],
)
def test_nothing_is_lost_doubled_or_made_up_when(rows, name):
    row = rows[name]
    assert row["turns"] >= TURNS / 50
    faults = ("lost", "doubled", "unlogged", "disorder", "differing", "calls_too_many", "wrong")
    assert {fault: row[fault] for fault in faults} == dict.fromkeys(faults, 0)
