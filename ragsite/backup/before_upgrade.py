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

_KEPT = 3


def keep_dump(say: Callable[[str], object]) -> None:
    """Write a dump to UPGRADE_DUMPS if migrations are due, and delete all but the last three.

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
    """Delete old dumps, and what a killed process left."""
    found = sorted(path for path in Path(settings.UPGRADE_DUMPS).iterdir() if path.is_dir())
    partial = [path for path in found if path.suffix == ".partial"]
    whole = [path for path in found if path not in partial]
    for path in partial + whole[:-_KEPT]:
        shutil.rmtree(path)
