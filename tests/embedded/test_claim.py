import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ragsite.embedded import postgres, valkey
from ragsite.embedded.claim import AlreadyRunning, claim_data_dir, end_leftovers
from ragsite.embedded.service import MARK, running

pytestmark = pytest.mark.integration


@contextmanager
def sleeper(mark: str, *, is_stubborn: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a mark, that may refuse to end."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" if is_stubborn else ""
    code = f"{ignore}\nprint('ready', flush=True)\nimport time\ntime.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, MARK: mark}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_the_second_claim_says_what_the_first_one_is(tmp_path: Path) -> None:
    with (
        claim_data_dir(tmp_path, "It runs at http://127.0.0.1:8000."),
        pytest.raises(AlreadyRunning, match=r"It runs at http://127\.0\.0\.1:8000\."),
        claim_data_dir(tmp_path, "never"),
    ):
        pass


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ragsite.embedded.claim import claim_data_dir\n"
        "with claim_data_dir(Path(sys.argv[1]), 'first'): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -signal.SIGKILL
    with claim_data_dir(tmp_path, "second"):
        assert (tmp_path / "lock").read_text() == "second"


def test_leftovers_of_this_directory_are_ended_and_others_are_not(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "mine too"
    with sleeper(str(mine)) as leftover, sleeper(str(other)) as neighbour:
        with claim_data_dir(mine, "next"):
            assert leftover.wait(1) == -signal.SIGTERM
        assert neighbour.poll() is None


def test_a_leftover_that_ignores_a_kind_word_is_killed(tmp_path: Path) -> None:
    with sleeper(str(tmp_path), is_stubborn=True) as leftover:
        end_leftovers(tmp_path, kindly_s=0.3)
        assert leftover.wait(1) == -signal.SIGKILL


def test_servers_of_a_killed_run_are_ended_so_that_they_can_start_again(
    services: None, tmp_path: Path
) -> None:
    servers = [postgres.service(tmp_path), valkey.service(tmp_path)]
    with ExitStack() as stack:
        left = [stack.enter_context(running(server, tmp_path / f"{server.name}.log")) for server in servers]
        with claim_data_dir(tmp_path, "next"):
            assert [process.wait(1) for process in left] == [0, 0]
