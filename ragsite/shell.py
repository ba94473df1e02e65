"""The shell that started this process may carry variables and a terminal that were meant for other programs."""

import importlib.util
import os
import sys
from io import TextIOWrapper

SETTINGS = "ragsite.settings"
# Each changes how Python runs or what it imports.
_PYTHONS = (
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT"),
    *("PYTHONIOENCODING", "PYTHONSAFEPATH"),
)
_OTHER_DATABASES = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def adapt() -> None:
    """Adapt this process, before it imports Django's settings."""
    choose_settings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that is not UTF-8 shows "?" instead of a traceback.
            stream.reconfigure(errors="replace")


def run_command(arguments: list[str]) -> None:
    """Run `manage.py …`. A service that does not answer, or is full, ends it with a sentence and status 1."""
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after the settings are chosen
    from django.db import DatabaseError, InterfaceError  # noqa: PLC0415

    try:
        execute_from_command_line(arguments)
    except (DatabaseError, InterfaceError) as error:
        from core.outages import as_busy, outage_of  # noqa: PLC0415

        if not as_busy(error):
            raise
        sentence = outage_of(error) or "The database does not answer."
        sys.exit(f"{sentence} Start Ragsite, or check DATABASE_URL and RAGSITE_DATA_DIR. ({error})")


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
