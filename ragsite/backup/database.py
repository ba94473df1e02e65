"""The database of this installation for pg_dump and pg_restore."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ragsite.backup.postgres_programs import client_program
from ragsite.connections import add_extensions, embedded_conninfo
from ragsite.errors import BackupError

Connection = psycopg.Connection[tuple[Any, ...]]

_NO_TLS = "SSL support is not compiled in"
_KEPT = r"_before_\d{8}_\d{6}"
_OURS = "select count(*) from pg_tables where schemaname in ('public', 'chunks')"


def name() -> str:
    return str(connection.settings_dict["NAME"])


def connect(database: str = "", *, autocommit: bool = True) -> Connection:
    """Connect to a database of the installation's server, without Django's pool. Raises BackupError."""
    try:
        return psycopg.connect(
            make_conninfo(**_parameters(database)), autocommit=autocommit, connect_timeout=10
        )
    except psycopg.OperationalError as error:
        raise BackupError(f"The database does not answer: {str(error).strip().splitlines()[-1]}") from None


@contextmanager
def _administration() -> Iterator[Connection]:
    """Yield a connection that creates, renames and drops databases. Raises BackupError if the server refuses."""
    with connect("postgres") as server:
        try:
            yield server
        except psycopg.Error as error:
            raise BackupError(
                f"The database server refused: {str(error).strip().splitlines()[0]}."
            ) from error


def major(server: Connection) -> int:
    return server.info.server_version // 10_000


def _parameters(database: str) -> dict[str, Any]:
    url = settings.DATABASE_URL
    own = conninfo_to_dict(url) if url else embedded_conninfo(Path(settings.DATA_DIR))
    return own | {"dbname": database or name()}


# --- backup -------------------------------------------------------------------------------------


@contextmanager
def holding(lock: int) -> Iterator[None]:
    """Hold a lock of backups inside the block. Raises BackupError if another backup holds it, or if it is lost.

    The lock is that of an open transaction without a snapshot, so that it works behind PgBouncer too. Deletions take
    it for a moment (core.db.advisory_locks.is_held): wait for them.
    """
    with connect(autocommit=False) as holder:
        holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        holder.execute("SET LOCAL lock_timeout = '3s'")
        try:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
        except psycopg.errors.LockNotAvailable:
            raise BackupError(
                "Another backup of this installation is being written: wait for its end."
            ) from None
        yield
        try:
            holder.execute("SELECT 1")
        except psycopg.Error as error:
            raise BackupError("The connection to the database was lost: start the backup again.") from error


@contextmanager
def dumping(server_major: int, snapshot: str) -> Iterator[IO[bytes]]:
    """Yield the dump of a snapshot as a stream. Raises BackupError at the end of the block if pg_dump failed."""
    options = ("--format=custom", "--compress=1", "--no-owner", "--no-privileges", f"--snapshot={snapshot}")
    command, environment = _command("pg_dump", server_major, options, "")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.stdout.close()  # ends pg_dump if its reader failed
            process.wait()
        _raise_errors("pg_dump", process.returncode, errors)


def _command(
    program: str, server_major: int, options: Sequence[str], database: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command and its environment, which carries the password: other users see command lines."""
    parameters = _parameters(database)
    password = str(parameters.pop("password", None) or "")
    command = [
        str(client_program(program, server_major)),
        *options,
        f"--dbname={make_conninfo(**parameters)}",
    ]
    return command, os.environ | ({"PGPASSWORD": password} if password else {})


def _raise_errors(program: str, code: int, errors: IO[bytes]) -> None:
    if code:
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()[:5]
        if any(_NO_TLS in line for line in said):
            said.append(
                f"The embedded {program} has no TLS: install postgresql-client of your server's version."
            )
        raise BackupError(f"{program} failed: {' '.join(said) or f'exit code {code}'}")


# --- restore ------------------------------------------------------------------------------------


class Staging:
    """The database that a restore fills before it takes the place of the installation's own.

    Where the role may not create databases, it is the installation's own, which must be empty, in one transaction.
    """

    def __init__(self, database: str, *, is_own: bool) -> None:
        self.database, self.is_own = database, is_own

    def fill(self, dump: Path, dump_major: int, schema: str = "") -> None:
        """Restore a dump, or one schema of it. Raises BackupError."""
        with connect(self.database) as server:
            newest = max(dump_major, major(server))
        all_or_nothing = "--single-transaction" if self.is_own else "--jobs=2"
        options = ("--no-owner", "--no-privileges", "--no-comments", "--exit-on-error", all_or_nothing)
        only = (f"--schema={schema}",) if schema else ()
        command, environment = _command("pg_restore", newest, (*options, *only), self.database)
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run([*command, str(dump)], env=environment, stderr=errors, check=False)
            _raise_errors("pg_restore", done.returncode, errors)

    def take_over(self) -> str:
        """Make this the installation's database. Return the new name of the one that was replaced; "": it was empty.

        Raises BackupError, and changes nothing, if the other one is in use.
        """
        connection.close_pool()  # type: ignore[attr-defined]
        if self.is_own:
            return ""
        own, kept, is_empty = name(), _kept_name(), count_tables() == 0
        with _administration() as server, server.transaction():
            _rename(server, own, kept)
            _rename(server, self.database, own)
        if not is_empty:
            return kept
        drop(kept)
        return ""


def count_tables() -> int:
    """Return how many tables the installation's database has. Raises BackupError if there is no such database."""
    with connect() as server:
        row = server.execute(_OURS).fetchone()
    return int(row[0]) if row else 0


def refuse_if_in_use() -> None:
    """Raise BackupError if other processes are connected: an answer that is written now would be lost."""
    connection.close_pool()  # type: ignore[attr-defined]
    with connect() as server:
        row = server.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        ).fetchone()
    if row and row[0]:
        raise BackupError(
            f"The database is in use ({row[0]} connections): stop Ragsite first, all of its processes."
        )


def stage(*, is_own_empty: bool, otherwise: str) -> Staging:
    """Return an empty database with the extensions that Ragsite needs. Raises BackupError.

    otherwise: what a person can do if the role may not create one.
    """
    database = f"{name()[:40]}_restoring"
    try:
        with _administration() as server:
            _create(server, database)
        with connect(database) as server:
            add_extensions(server)
    except (psycopg.Error, BackupError) as error:
        if not is_own_empty:
            reason = str(error).strip().splitlines()[0]
            raise BackupError(
                "The role of this database may not create another one, with its extensions, for the backup "
                f"({reason}). {otherwise}"
            ) from error
        return Staging(name(), is_own=True)
    return Staging(database, is_own=False)


def drop_kept(database: str) -> None:
    """Drop a database that a restore has kept. Raises BackupError if it is another one."""
    pattern = f"^{re.escape(name()[:30])}{_KEPT}$"
    with _administration() as server:
        rows = server.execute("SELECT datname FROM pg_database WHERE datname ~ %s ORDER BY 1", [pattern])
        kept = [row[0] for row in rows]
        if database not in kept:
            raise BackupError(
                f"{database} is not a database that `restore --replace` kept. Kept: {', '.join(kept) or 'none'}."
            )
        server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database)))


def _kept_name() -> str:
    """Return the name under which a restore keeps the database that it replaces."""
    return f"{name()[:30]}_before_{timezone.now():%Y%m%d_%H%M%S}"


def drop(database: str) -> None:
    with _administration() as server:
        _drop(server, database)


def _drop(server: Connection, database: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))


def _create(server: Connection, database: str) -> None:
    _drop(server, database)  # a killed restore may have left it
    server.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(database))
    )


def _rename(server: Connection, old: str, new: str) -> None:
    server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
