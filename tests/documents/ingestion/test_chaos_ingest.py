"""What `make chaos-ingest` shows of two hundred documents, of some: nothing is lost, doubled or other than it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def test_whatever_dies_the_documents_end_as_if_nothing_had_happened(root: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks.chaos_ingest", "--documents", "20", "--kills", "5"]
    mine = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")  # what it kills must be its own
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    subprocess.run([*command, "--json", str(result)], cwd=root, env=environment, check=True, timeout=220)
    found = json.loads(result.read_text())
    assert found["documents"] == 20
    assert found["kills"] == 5
    assert found["taken_over"]
    faults = ("unexplained", "differing", "drift", "batches_too_many")
    assert {fault: found[fault] for fault in faults} == dict.fromkeys(faults, 0)
