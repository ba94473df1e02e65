from typing import Any

from django.core.management.base import CommandError
from whitenoise.runserver_nostatic.management.commands import runserver

from ragsite.errors import StartError
from ragsite.release.schema_version import refuse_newer_database


class Command(runserver.Command):  # type: ignore[misc]  # it has no types
    """Refuse a database that a newer version has migrated, as the other servers do at their start."""

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_newer_database()
        except StartError as error:
            raise CommandError(str(error)) from None
        super().handle(*args, **options)
