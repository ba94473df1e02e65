"""A service: a process that we start, wait for and stop, the same way in `up` and in the tests."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ragsite.errors import StartError

# Environment variable of every process that belongs to a data directory; see claim.py.
MARK = "RAGSITE_EMBEDDED_IN"


@dataclass(frozen=True, slots=True)
class Service:
    """Creating one has no side effects; `prepare` and the process itself have."""

    name: str
    argv: tuple[str, ...]
    # Readiness probe: quick, never raises; None: ready as soon as it runs.
    is_ready: Callable[[], bool] | None = None
    # The whole environment, not additions.
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path = Path("/")
    prepare: Callable[[], None] | None = None  # runs before each start, while no process of the service runs
    before_exec: Callable[[], None] | None = None  # runs in the child: drops root privileges
    after_start: Callable[[], None] | None = None  # runs in the parent, once the service is ready
    stop_signal: signal.Signals = signal.SIGTERM
    start_grace_s: float = 60.0  # PostgreSQL may have to replay its WAL after a crash
    stop_grace_s: float = 30.0


@contextmanager
def running(service: Service, log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service inside the block, with its output in `log_file`.

    Raises StartError with the end of the log if the service exits early or is not ready in time.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    if service.prepare:
        service.prepare()
    with log_file.open("ab") as log:  # a file instead of a pipe: PostgreSQL's children keep it open
        process = _start(service, log.fileno())
    try:
        _wait_until_ready(service, process, log_file)
        if service.after_start:
            service.after_start()
        yield process
    finally:
        stop(process, service)


def stop(process: subprocess.Popen[bytes], service: Service) -> None:
    """Stop the process with its stop signal, and kill its process group if that takes too long."""
    if process.poll() is None:
        process.send_signal(service.stop_signal)
        try:
            process.wait(service.stop_grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tail(log_file: Path, lines: int = 15) -> str:
    """Return the last lines of a log, or "" if there is none."""
    try:
        return "\n".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _start(service: Service, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        service.argv,
        cwd=service.cwd,
        env=dict(service.env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C in the terminal reaches only us, and we stop the services in order
        preexec_fn=service.before_exec,
    )


def _wait_until_ready(service: Service, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + service.start_grace_s
    while service.is_ready and not service.is_ready():
        if process.poll() is not None:
            raise StartError(f"{service.name} ended with code {process.returncode}:\n{tail(log_file)}")
        if time.monotonic() > deadline:
            raise StartError(
                f"{service.name} is not ready after {service.start_grace_s:.0f} s:\n{tail(log_file)}"
            )
        time.sleep(0.05)
