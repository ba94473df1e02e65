from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ragsite.backup.create import write_backup
from ragsite.backup.manifest import Manifest
from ragsite.backup.places import place_at
from ragsite.backup.restore import verify_backup
from ragsite.embedded.on_demand import database_server
from ragsite.errors import BackupError, StartError
from ragsite.shell import stop_on_signals


class Command(BaseCommand):
    help = "Back up the database, the files and what belongs to them, while Ragsite runs or not."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("place", help="a new directory, or s3://BUCKET/PREFIX")
        parser.add_argument(
            "--verify", action="store_true", help="read the backup once more and compare checksums"
        )
        parser.add_argument("--database-only", action="store_true", help="leave out the files of documents")

    def handle(self, *, place: str, verify: bool, database_only: bool, **options: Any) -> None:
        stop_on_signals()
        try:
            to = place_at(place)
            with database_server(alone=False):
                manifest = write_backup(to, has_files=not database_only, say=self.stdout.write)
            if verify:
                verify_backup(to)
        except (BackupError, StartError) as error:
            raise CommandError(str(error)) from None
        self._report(manifest)
        self.stdout.write(f"The backup in {to} is complete{' and verified' if verify else ''}.")

    def _report(self, manifest: Manifest) -> None:
        if not manifest.has_files:
            self.stdout.write("It holds the database only: neither the files of documents nor the login key.")
            return
        counts = ", ".join(f"{count:,} {name}" for name, count in manifest.counts.items())
        self.stdout.write(
            f"It holds {counts}; {manifest.file_count:,} files ({manifest.file_bytes / 10**6:,.1f} MB)."
        )
        for name in manifest.missing:
            self.stdout.write(
                f"The file {name} is missing from the storage: `manage.py reconcile` says whose it is."
            )
        for name in manifest.differing:
            self.stdout.write(f"The file {name} is not what was added: its checksum is another one.")
        for sentence in manifest.not_included:
            self.stdout.write(f"Not included: {sentence}")
