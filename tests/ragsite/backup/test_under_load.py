"""What `make bench-backup` shows of twenty people and sixty documents, of some: nothing is lost or different."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_a_backup_while_people_work_is_whole_when_it_is_restored_elsewhere(
    root: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.backup",
        "--people",
        "5",
        "--documents",
        "10",
        "--json",
        str(result),
    ]
    mine = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")  # it starts servers of its own
    environment = {name: value for name, value in os.environ.items() if name not in mine}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=580)
    assert result.exists(), done.stdout + done.stderr
    found = json.loads(result.read_text())
    faults = ("lost_answers", "lost_documents", "differing_searches", "missing_files", "stuck", "drift")
    assert {fault: found[fault] for fault in faults} == dict.fromkeys(faults, 0)
    assert found["answers_before"] >= 5
    assert found["answers_during"]
    assert found["documents"]
    assert found["deleted"]
