"""`manage.py up`: one command from an empty directory to a running site.

Start order: PostgreSQL and Valkey, in parallel with the model servers; `manage.py prepare`; web; once the
models are loaded, worker and beat; `manage.py welcome`. Ctrl-C or SIGTERM stops them in reverse order.
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ragsite import settings, shell
from ragsite.errors import StartError

from . import model_choice, ports
from .claim import claim_data_dir
from .processes import PROCESSES, environment, wanted_services
from .service import Service, tail
from .supervisor import FEWEST_FILES, Supervisor, supervise
from .terminal import following, free_mb, paint, say

_NEEDED_MB = 500  # a new cluster with its WAL takes 100, the first documents take little
_FILES, _FEW_FILES = 65_536, 1024  # open files of each process
_LOGS = settings.DATA_DIR / "logs"


class _Stopped(BaseException):
    """A signal asks us to stop. It is a BaseException, so that it passes every `except Exception`."""


def main() -> int:
    shell.adapt()
    options = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    started = time.monotonic()
    try:
        allow_many_files()
        check_room(settings.DATA_DIR, _NEEDED_MB)
        with claim_data_dir(settings.DATA_DIR, _already_running()):
            _run(started, verbose=options.verbose)
    except _Stopped:
        say("Stopped.")
    except StartError as error:
        say(paint(f"Ragsite cannot run. {error}", 31))
        return 1
    return 0


def allow_many_files() -> None:
    """Raise the limit of open files as far as this user may: some systems start programs with 256 or 1,024.

    Raises StartError if too few are left.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < FEWEST_FILES:
        raise StartError(
            f"Each process may open {wanted} files only, and Ragsite needs {FEWEST_FILES}. Raise the limit that "
            "`ulimit -Hn` shows: nofile in /etc/security/limits.conf, or LimitNOFILE of a systemd unit."
        )
    if wanted < _FEW_FILES:
        say(
            f"Each process may open {wanted} files only: many visitors at once will be refused. See `ulimit -Hn`."
        )


def check_room(data_dir: Path, needed_mb: int) -> None:
    """Raises StartError if the disk is too full, or if the directory is not writable."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise StartError(f"RAGSITE_DATA_DIR={data_dir} cannot be written: {error.strerror}.") from error
    if (free := free_mb(data_dir)) < needed_mb:
        raise StartError(
            f"The disk is nearly full: {free} MB are free at {data_dir}, but Ragsite needs {needed_mb} MB. "
            "Free some space, or set RAGSITE_DATA_DIR to a directory on another disk."
        )


def _run(started: float, *, verbose: bool) -> None:
    our_ports = {settings.PORT, settings.SERVING_PORT, settings.LLM_PORT}
    model = model_choice.from_environment(settings.DATA_DIR, our_ports)
    services = [PROCESSES[name]() for name in wanted_services(has_llm=isinstance(model, model_choice.Local))]
    _check_ports({service.name for service in services})
    has_demo, has_login = (settings.DATA_DIR / "handbook.json").exists(), _password_file().exists()
    say(f"Starting Ragsite in {settings.DATA_DIR}")
    names = [service.name for service in services]
    with (
        following(_LOGS, [*names, "supervisord"], settings.DATA_DIR, verbose=verbose),
        supervise(settings.DATA_DIR, settings.BASE_DIR, environment(), services) as supervisor,
    ):
        try:
            _start_all(supervisor, {service.name: service for service in services})
            if not has_demo:
                _command("welcome")
            _greet(time.monotonic() - started, is_new_login=not has_login)
            if has_demo:
                _command("welcome")
            _watch(supervisor)
        finally:
            say("\nStopping …")


def _start_all(supervisor: Supervisor, services: dict[str, Service]) -> None:
    def start(*names: str) -> list[Service]:
        chosen = [services[name] for name in names if name in services]
        for service in chosen:
            supervisor.start(service)
        return chosen

    stores = start("postgres", "valkey")
    models = start("serving", "llm")  # they need no database, and load while `prepare` runs
    _wait(supervisor, stores)
    say(
        "  preparing the database and the pages; after an installation or an upgrade this takes a minute or more"
    )
    _command("prepare")
    _wait(supervisor, start("web"))
    say(f"  {settings.SITE_URL} answers; documents and models follow in a moment")
    _wait(supervisor, models)
    _wait(supervisor, start("worker", "beat"))


def _wait(supervisor: Supervisor, services: Sequence[Service]) -> None:
    for service in services:
        supervisor.wait(service)
        say(f"  {service.name} is ready")


def _command(name: str) -> None:
    """Run `manage.py NAME` and show its output. Raises StartError with the last lines if it fails."""
    log = _LOGS / f"{name}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "manage.py", name],
            cwd=settings.BASE_DIR,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise StartError(tail(log).removeprefix("CommandError: "))
    if name == "welcome" and (said := tail(log)):
        say(f"  {said}")


def _greet(took_s: float, *, is_new_login: bool) -> None:
    say(f"\n  Ragsite is up after {took_s:.1f} s: {paint(settings.SITE_URL, 1)}")
    file = _password_file()
    if file.exists() and is_new_login:
        say(f"  Log in as {paint('admin', 1)} with {paint(file.read_text().strip(), 1)}, kept in {file}")
    elif file.exists():
        say(f"  The first login is admin, with the password in {file}")
    if settings.LISTENS_EVERYWHERE:
        hosts = ", ".join(f"http://{host}:{settings.PORT}" for host in ports.own_hosts())
        say(f"  Other machines reach it at {hosts}")
    say("  Ctrl-C stops everything.\n")


def _password_file() -> Path:
    return settings.DATA_DIR / "admin_password"


def _watch(supervisor: Supervisor) -> None:
    while supervisor.is_alive():
        time.sleep(1)
    raise StartError("Another process ended the supervisor, so everything was stopped. Start again.")


def _check_ports(names: set[str]) -> None:
    """Raises StartError if a port is taken, or if two variables name the same one."""
    chosen = dict[int, str]()
    for name, host, port, variable in (
        ("web", settings.HOST, settings.PORT, "RAGSITE_PORT"),
        ("serving", "127.0.0.1", settings.SERVING_PORT, "RAGSITE_SERVING_PORT"),
        ("llm", "127.0.0.1", settings.LLM_PORT, "RAGSITE_LLM_PORT"),
    ):
        if name in names:
            if port in chosen:
                raise StartError(f"{chosen[port]} and {variable} are both {port}. Give each its own port.")
            chosen[port] = variable
            ports.check_free(host, port, variable)


def _already_running() -> str:
    return (
        f"It is already running in {settings.DATA_DIR}, at {settings.SITE_URL} (process {os.getpid()}). For "
        "a second installation, set RAGSITE_DATA_DIR, RAGSITE_PORT, RAGSITE_SERVING_PORT and "
        "RAGSITE_LLM_PORT."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py up")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def _stop(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ignore further signals: a second one must not interrupt the shutdown.
        signal.signal(other, signal.SIG_IGN)
    raise _Stopped
