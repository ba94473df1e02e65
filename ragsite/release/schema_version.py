"""Which version of Ragsite the database belongs to: code that is older than the database must not use it."""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ragsite.errors import StartError

from .models import Release
from .version import VERSION

Migration = tuple[str, str]  # app and name


def applied_migrations() -> list[Migration]:
    return sorted(MigrationRecorder(connection).applied_migrations())


def unknown_migrations(applied: Iterable[Migration]) -> list[Migration]:
    """Return those that this code does not have: a newer version applied them."""
    return sorted(set(applied) - MigrationLoader(None).disk_migrations.keys())


def is_of_this_version() -> bool:
    """Tell whether the database has exactly the migrations of this code."""
    return set(applied_migrations()) == MigrationLoader(None).disk_migrations.keys()


def refuse_newer_database() -> None:
    """Raise StartError if a newer version has migrated the database."""
    if unknown := unknown_migrations(applied_migrations()):
        raise StartError(
            f"This database was migrated by {_last_release()}, which is newer than this Ragsite {VERSION} "
            f"({_in_words(unknown)}). Start that version, or go back with the dump that was kept before the "
            f"upgrade{_dumps()}: docs/guide/operations.md, “Go back to the version before”."
        )


def record_release() -> None:
    """Record that this version has migrated the database, unless the newest row says so."""
    now = (VERSION, len(applied_migrations()))
    if now not in Release.objects.order_by("-pk").values_list("version", "migration_count")[:1]:
        Release.objects.create(version=now[0], migration_count=now[1])


def _last_release() -> str:
    """Return the version that migrated last, in words. Its row may have columns that we do not know."""
    try:
        newest = Release.objects.order_by("pk").values("version", "migrated_at").last()
    except DatabaseError:
        newest = None
    if newest is None:
        return "another version"
    build = "a later build of " if newest["version"] == VERSION else ""
    return f"{build}Ragsite {newest['version']} on {newest['migrated_at']:%Y-%m-%d}"


def _dumps() -> str:
    directory = Path(settings.UPGRADE_DUMPS)
    return f" in {directory}" if directory.exists() else ""


def _in_words(unknown: list[Migration]) -> str:
    named = ", ".join(f"{app}.{name}" for app, name in unknown[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    return f"unknown here: {named}{more}"
