"""The shell that started this process may carry variables and a terminal that were meant for other programs."""

import importlib.util
import logging
import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

SETTINGS = "ragsite.settings"
# Each changes how Python runs or what it imports.
_PYTHONS = (
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT"),
    *("PYTHONIOENCODING", "PYTHONSAFEPATH"),
)
_OTHER_DATABASES = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE")
_OTHER_TABLES = ("42P01", "42703")  # undefined_table, undefined_column
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def adapt() -> None:
    """Adapt this process, before it imports Django's settings."""
    choose_settings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that is not UTF-8 shows "?" instead of a traceback.
            stream.reconfigure(errors="replace")


def run_command(arguments: list[str]) -> None:
    """Run `manage.py …`.

    A variable that cannot be read, a service that does not answer or is full, and a database of another version end it
    with a sentence and status 1.
    """
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - after the settings are chosen
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db import DatabaseError, InterfaceError  # noqa: PLC0415

    # The pool reports each attempt; the sentence at the end says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except (DatabaseError, InterfaceError) as error:
        if not (sentence := _explain(error)):
            raise
        sys.exit(sentence)


def _explain(error: Exception) -> str:
    """Return what a person at the terminal can do about a database, or "" for an error of ours."""
    from core.outages import as_busy, outage_of  # noqa: PLC0415

    if as_busy(error):
        sentence = outage_of(error) or "The database does not answer."
        return f"{sentence} Start Ragsite, or check DATABASE_URL and RAGSITE_DATA_DIR. ({error})"
    if getattr(error.__cause__, "sqlstate", None) in _OTHER_TABLES:
        return (
            "The database has not the tables of this version of Ragsite. Start Ragsite, which migrates it, or check "
            f"DATABASE_URL and RAGSITE_DATA_DIR. ({str(error).splitlines()[0]})"
        )
    return ""


def choose_settings() -> None:
    """Use our settings, unless the variable names others that exist: it may be left from another Django project."""
    if not _exists(os.environ.get("DJANGO_SETTINGS_MODULE", "")):
        os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS


def _exists(module: str) -> bool:
    try:
        return bool(module) and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def environment_for_python() -> dict[str, str]:
    """Return our environment for a Python process of ours, whatever the shell wanted for others."""
    kept = {name: value for name, value in os.environ.items() if name not in _PYTHONS}
    return kept | {"DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONUTF8": "1"}


def forget_other_databases(database_url: str) -> None:
    """Remove libpq's variables that lead to another database than the one that was chosen.

    They matter to the embedded server in any case. With DATABASE_URL, those stay that can belong to it, such as
    PGSSLROOTCERT and PGPASSFILE. https://www.postgresql.org/docs/current/libpq-envars.html
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        if not database_url or name in _OTHER_DATABASES:
            del os.environ[name]


def reach_this_machine_directly() -> None:
    """Except this machine from the proxies of the shell, for every library that reads these variables."""
    for name in ("no_proxy", "NO_PROXY"):
        if name in os.environ or name == "NO_PROXY":
            hosts = [host.strip() for host in os.environ.get(name, "").split(",") if host.strip()]
            os.environ[name] = ",".join([*hosts, *(host for host in _LOOPBACK if host not in hosts)])


def stop_on_signals() -> None:
    """Have SIGTERM and SIGHUP unwind the stack, as Ctrl-C does: servers are stopped and partial files removed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
