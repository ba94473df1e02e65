from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ragsite.backup.database import drop_kept
from ragsite.embedded.on_demand import database_server
from ragsite.errors import BackupError, StartError


class Command(BaseCommand):
    help = "Drop a database that `restore --replace` has kept."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="as `restore` printed it")

    def handle(self, *, name: str, **options: Any) -> None:
        try:
            with database_server(alone=False):
                drop_kept(name)
        except (BackupError, StartError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{name} is dropped.")
