from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from core.db import advisory_locks
from ragsite.errors import StartError
from ragsite.release import schema_version


class Command(migrate.Command):
    """Migrate while holding an advisory lock, so that processes that start together migrate one after the other."""

    def handle(self, *args: Any, **options: Any) -> None:
        def say() -> None:
            self.stdout.write("Another process migrates this database: waiting for it.")

        with advisory_locks.hold(advisory_locks.MIGRATE, say):
            try:
                schema_version.refuse_newer_database()
            except StartError as error:
                raise CommandError(str(error)) from None
            super().handle(*args, **options)
            schema_version.record_release()
