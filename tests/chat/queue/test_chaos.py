"""What `make chaos` shows of a thousand turns, of some: whatever dies, nothing is lost, doubled or made up."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
TURNS = 70


@pytest.fixture(scope="module")
def rows(root, tmp_path_factory):
    """One run for all rows, in processes and on services of its own."""
    result = tmp_path_factory.mktemp("chaos") / "rows.json"
    command = [sys.executable, "-m", "benchmarks.chaos", "--turns", str(TURNS), "--json", str(result)]
    mine = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")  # what it kills must be its own
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=200)
    return {row["name"]: row for row in json.loads(result.read_text())}


@pytest.mark.parametrize(
    "name",
    [
        "a web process is killed",
        "the socket is cut every 0.6 s",
        "each message is sent 5 times at once",
        "PostgreSQL is restarted",
        "Valkey is restarted",
        "the model fails",
        "SIGTERM",
    ],
)
def test_nothing_is_lost_doubled_or_made_up_when(rows, name):
    row = rows[name]
    assert row["turns"] >= TURNS / 10
    faults = ("lost", "doubled", "unlogged", "disorder", "differing", "calls_too_many", "wrong")
    assert {fault: row[fault] for fault in faults} == dict.fromkeys(faults, 0)
