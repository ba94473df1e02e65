"""`manage.py reconcile`: is what is counted what there is?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from documents.ingestion.consistency import find_drift


class Command(BaseCommand):
    help = (
        "Compare counters, chunks, tables and files with each other. Ends with 1 if something does not agree."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fix", action="store_true", help="mend what can be mended")

    def handle(self, *, fix: bool, **options: Any) -> None:
        found = find_drift()
        for drift in found:
            done = ""
            if fix and drift.mend:
                drift.mend()
                done = " Mended."
            self.stdout.write(drift.sentence + done)
        if left := [drift for drift in found if not (fix and drift.mend)]:
            raise CommandError(f"{len(left)} things do not agree." + " Run it with --fix." * (not fix))
        self.stdout.write(f"{len(found)} mended." if found else "All agrees.")
