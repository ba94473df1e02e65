import subprocess
import sys

import pytest

HEAVY = "torch transformers sentence_transformers django openai"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("inference.providers", f"{HEAVY} aiohttp"),
        ("inference.connect", HEAVY),
        ("inference.serving.app", HEAVY),
    ],
)
def test_a_door_brings_in_nothing_heavy(module: str, unwanted: str) -> None:
    script = f"import sys, {module}; sys.exit(' '.join(set({unwanted.split()!r}) & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == ""
