"""Runs supervisord with a configuration file that we write, and controls it over its unix socket."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from ragsite.errors import StartError
from ragsite.private_paths import make_private, socket_dir

from .claim import end_leftovers
from .service import Service, tail

FEWEST_FILES = (
    256  # that each process can open: supervisord's own default, 1,024, is more than some systems allow
)
_CONFIG = """\
; Written by `manage.py up` at each start. supervisorctl -c works on it while Ragsite runs.
[supervisord]
nodaemon = true
silent = true
minfds = {fewest_files}
user = {user}
logfile = %(here)s/logs/supervisord.log
pidfile = %(here)s/supervisord.pid
childlogdir = %(here)s/logs

[unix_http_server]
file = {socket}
chmod = 0700

[supervisorctl]
serverurl = unix://{socket}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
priority = {priority}
autostart = false
autorestart = true
startsecs = 1
startretries = 5
stopsignal = {signal}
stopwaitsecs = {stop_grace_s:.0f}
killasgroup = true
redirect_stderr = true
stdout_logfile = %(here)s/logs/{name}.log
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 3
"""


class Supervisor:
    """A running supervisord."""

    def __init__(self, data_dir: Path, process: subprocess.Popen[bytes]) -> None:
        self._data_dir = data_dir
        self._process = process
        transport = SupervisorTransport(serverurl=f"unix://{_socket(data_dir)}")
        self._calls = cast(Any, ServerProxy("http://supervisor", transport)).supervisor

    def start(self, service: Service) -> None:
        """Start a process without waiting for it; `wait` does that."""
        self._call("startProcess", service.name, False)

    def wait(self, service: Service) -> None:
        """Wait until the process is ready. Raises StartError with the end of its log if it fails."""
        deadline = time.monotonic() + service.start_grace_s
        while not self._is_ready(service):
            if time.monotonic() > deadline:
                raise StartError(
                    f"{service.name} is not ready after {service.start_grace_s:.0f} s:\n{self._tail(service)}"
                )
            time.sleep(0.1)
        if service.after_start:
            service.after_start()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def _is_ready(self, service: Service) -> bool:
        state = self._call("getProcessInfo", service.name)["statename"]
        if state in {"BACKOFF", "FATAL", "EXITED"}:
            raise StartError(f"{service.name} did not start:\n{self._tail(service)}")
        return service.is_ready() if service.is_ready else state == "RUNNING"

    def _call(self, name: str, *arguments: object) -> Any:
        try:
            return getattr(self._calls, name)(*arguments)
        except (OSError, HTTPException, Error) as error:
            raise StartError(f"The supervisor is not answering ({error}). Start Ragsite again.") from error

    def _tail(self, service: Service) -> str:
        return tail(self._data_dir / "logs" / f"{service.name}.log")


@contextmanager
def supervise(
    data_dir: Path, directory: Path, env: Mapping[str, str], services: Sequence[Service]
) -> Iterator[Supervisor]:
    """Run supervisord inside the block, with no service started yet; at the end, stop all in reverse order.

    directory: the project's directory. env: the environment that the processes inherit.
    """
    (data_dir / "logs").mkdir(parents=True, exist_ok=True)
    make_private(_socket(data_dir).parent)
    _socket(data_dir).unlink(missing_ok=True)
    config = data_dir / "supervisord.conf"
    config.write_text(_config(data_dir, directory, services))
    with (data_dir / "logs" / "supervisord.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)],
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us, and we stop the services in order
        )
    try:
        supervisor = Supervisor(data_dir, process)
        _wait_for_socket(supervisor, data_dir)
        yield supervisor
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(sum(service.stop_grace_s for service in services))
        end_leftovers(data_dir)


def _config(data_dir: Path, directory: Path, services: Sequence[Service]) -> str:
    user = "root" if os.geteuid() == 0 else str(os.geteuid())
    socket = _escape(str(_socket(data_dir)))
    parts = [_CONFIG.format(user=user, socket=socket, fewest_files=FEWEST_FILES)]
    for priority, service in enumerate(services, start=1):
        parts.append(
            _PROGRAM.format(
                name=service.name,
                command=_escape(shlex.join(_command(service))),
                directory=_escape(str(directory)),
                priority=priority,
                signal=service.stop_signal.name.removeprefix("SIG"),
                stop_grace_s=service.stop_grace_s,
            )
        )
    return "".join(parts)


def _command(service: Service) -> tuple[str, ...]:
    if service.prepare or service.before_exec:
        return (sys.executable, "-m", "ragsite.embedded.launch", service.name)
    return service.argv


def _escape(text: str) -> str:
    return text.replace("%", "%%")  # supervisord expands %(name)s


def _socket(data_dir: Path) -> Path:
    return socket_dir(data_dir) / "supervisor.sock"


def _wait_for_socket(supervisor: Supervisor, data_dir: Path) -> None:
    deadline = time.monotonic() + 20
    while not _socket(data_dir).exists():
        if not supervisor.is_alive() or time.monotonic() > deadline:
            raise StartError(f"supervisord did not start:\n{tail(data_dir / 'logs' / 'supervisord.out')}")
        time.sleep(0.05)
