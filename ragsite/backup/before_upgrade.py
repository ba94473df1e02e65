"""Keeps a dump of the database before this version migrates it, so that people can go back to the version before."""

import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from ragsite.errors import BackupError

from .create import write_backup
from .places import Directory
from .restore import read_manifest

_KEPT = 3


def keep_dump(say: Callable[[str], object]) -> None:
    """Write a dump to UPGRADE_DUMPS if migrations are due, and delete older ones: see `_prune`.

    Raises BackupError if there is no room for it, and StartError without a fitting pg_dump.
    """
    if not (settings.UPGRADE_DUMP and _is_upgrade()):
        return
    directory = Path(settings.UPGRADE_DUMPS) / f"{timezone.now():%Y-%m-%d_%H%M%S}"
    say(f"This version changes the database. Keeping a dump in {directory}.")
    try:
        write_backup(Directory(directory), has_files=False)
    except BackupError as error:
        raise BackupError(f"{error} Or set RAGSITE_UPGRADE_DUMP=off if you have a backup.") from error
    _prune()


def _is_upgrade() -> bool:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return bool(plan and executor.loader.applied_migrations)


def _prune() -> None:
    """Keep the newest dump of each of the last three states of the tables; delete the others, and what is incomplete.

    An upgrade that fails half-way is started again and again. The dump from before it is of another state than those
    that follow, so they do not push it out.
    """
    found = sorted(path for path in Path(settings.UPGRADE_DUMPS).iterdir() if path.is_dir())
    newest = {_state(path): path for path in found if path.suffix != ".partial"}
    for path in set(found) - set(sorted(newest.values())[-_KEPT:]):
        shutil.rmtree(path)


def _state(dump: Path) -> object:
    """Return the migrations of a dump. One that cannot be read is like no other."""
    try:
        return tuple(read_manifest(Directory(dump)).migrations)
    except BackupError:
        return dump
