from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from ragsite.embedded import external, statics
from ragsite.errors import StartError


class Command(BaseCommand):
    help = "Prepare the database and the static files for this version. Runs before each start."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if settings.DATABASE_URL:
                external.check_database(settings.DATABASE_URL)
            if settings.REDIS_URL:
                external.check_redis(settings.REDIS_URL)
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
            statics.collect()
            call_command("seed")
        except StartError as error:
            raise CommandError(str(error)) from None
