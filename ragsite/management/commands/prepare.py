from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from core.db import advisory_locks
from ragsite.backup.before_upgrade import keep_dump
from ragsite.embedded import external, statics
from ragsite.errors import BackupError, StartError
from ragsite.release.schema_version import refuse_newer_database


class Command(BaseCommand):
    help = "Prepare the database and the static files for this version. Runs before each start."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if settings.DATABASE_URL:
                external.check_database(settings.DATABASE_URL)
            if settings.REDIS_URL:
                external.check_redis(settings.REDIS_URL)
            with advisory_locks.hold(advisory_locks.PREPARE, self._say_that_it_waits):
                refuse_newer_database()
                keep_dump(self.stdout.write)
                call_command("migrate", interactive=False, verbosity=options["verbosity"])
                statics.collect()
                call_command("seed")
        except (StartError, BackupError) as error:
            raise CommandError(str(error)) from None

    def _say_that_it_waits(self) -> None:
        self.stdout.write("Another process prepares this database: waiting for it.")
