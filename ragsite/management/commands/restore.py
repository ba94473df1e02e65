from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ragsite.backup.places import Place, place_at
from ragsite.backup.restore import restore_backup, verify_backup
from ragsite.backup.workspace import take_out_workspace
from ragsite.embedded.on_demand import database_server
from ragsite.errors import BackupError, StartError
from ragsite.shell import stop_on_signals


class Command(BaseCommand):
    help = "Restore a backup into this installation, which must not run. Then migrate and compare everything."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("place", help="the directory of a backup, or s3://BUCKET/PREFIX")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--verify", action="store_true", help="only read the backup and compare its checksums"
        )
        what.add_argument(
            "--replace",
            action="store_true",
            help="replace the data that is there; its database is kept under another name",
        )
        what.add_argument(
            "--workspace",
            metavar="NAME",
            help="only write the documents of this workspace into the directory --into, as files; Ragsite may run",
        )
        parser.add_argument("--into", type=Path, metavar="DIR", help="a new directory, for --workspace")

    def handle(
        self,
        *,
        place: str,
        verify: bool,
        replace: bool,
        workspace: str | None,
        into: Path | None,
        **options: Any,
    ) -> None:
        if bool(workspace) != bool(into):
            raise CommandError("--workspace and --into belong together.")
        stop_on_signals()
        try:
            of = place_at(place)
            if verify:
                self._verify(of)
            elif workspace and into:
                with database_server(alone=False, create=True):
                    take_out_workspace(of, workspace, into.absolute(), self.stdout.write)
            else:
                with database_server(alone=True, create=True):
                    self._restore(of, replace)
        except (BackupError, StartError) as error:
            raise CommandError(str(error)) from None
        except OSError as error:  # a full disk, a directory that may not be read
            where = f" ({error.filename})" if error.filename else ""
            raise CommandError(f"The restore failed: {error.strerror or error}{where}.") from None

    def _verify(self, place: Place) -> None:
        found = verify_backup(place)
        self.stdout.write(
            f"The backup of {found.started_at:%Y-%m-%d %H:%M} UTC is whole: {len(found.parts)} parts and "
            f"{found.file_count:,} files have the checksums of the manifest."
        )

    def _restore(self, place: Place, replace: bool) -> None:
        found = restore_backup(place, replace=replace, say=self.stdout.write)
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write("Restored. Comparing everything:")
        with suppress(CommandError):  # it has printed what differs, which is no failure of the restore
            call_command("reconcile", stdout=self.stdout)
        for sentence in found.not_included:
            self.stdout.write(f"Not in the backup: {sentence}")
        self.stdout.write("Start Ragsite now.")
