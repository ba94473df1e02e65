"""A whole installation: the real command with its real processes, in a data directory and on ports of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from ragsite.connections import database_settings
from ragsite.embedded.claim import all_processes, belongs

_REPLACES = ("RAGSITE_", "DATABASE_URL", "REDIS_URL", "OPENAI_", "DJANGO_SETTINGS_MODULE")
_numbers = count(1)


@dataclass
class Up:
    """A `manage.py up` that was started."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str, within_s: float = 300) -> str:
        deadline = time.monotonic() + within_s
        while words not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)
        return self.said

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Installation:
    def __init__(self, root: Path, data_dir: Path, container: str) -> None:
        """root: the checkout whose code runs. container: the address of the model container."""
        self.root, self.data_dir, self.port = root, data_dir, free_port()
        self.variables = {
            "RAGSITE_DATA_DIR": str(self.data_dir),
            "RAGSITE_PORT": str(self.port),
            "RAGSITE_SERVING_URL": container,
            "RAGSITE_LLM": "off",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def up(self, **more: str) -> Iterator[Up]:
        log = self.data_dir.parent / f"up-{next(_numbers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=self.root,
                env={**self._environment(), **more},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Up(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)

    def manage(self, *arguments: str) -> str:
        """Return what a command of manage.py prints."""
        done = self.try_to_manage(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_to_manage(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        environment = self._environment() | more
        return subprocess.run(
            command, cwd=self.root, env=environment, check=False, capture_output=True, text=True
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_REPLACES)}
        return kept | self.variables

    def processes(self) -> dict[int, str]:
        """Return the command lines of all that runs in this data directory, by process id."""
        found = {}
        for process in all_processes():
            with suppress(psutil.Error, OSError):
                if belongs(process, self.data_dir):
                    found[process.pid] = " ".join(process.cmdline())
        return found

    def pid_of(self, words: str) -> int:
        return min(pid for pid, command in self.processes().items() if words in command)

    def database(self) -> dict[str, Any]:
        """Return how psycopg and libpq reach its database."""
        found = database_settings("", self.data_dir)
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        return {key: found[name] for key, name in names.items()}

    def query(self, sql: str) -> object:
        with psycopg.connect(**self.database()) as connection:
            row = connection.execute(sql.encode()).fetchone()
        return row and row[0]
