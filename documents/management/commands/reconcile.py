"""`manage.py reconcile`: compares counters with the data they count."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from documents.ingestion.consistency import find_drift


class Command(BaseCommand):
    help = "Compare counters, chunks, tables and files with each other. Exits with 1 if differences remain."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fix", action="store_true", help="fix the differences that can be fixed")

    def handle(self, *, fix: bool, **options: Any) -> None:
        found = find_drift()
        for drift in found:
            done = ""
            if fix and drift.mend:
                drift.mend()
                done = " Fixed."
            self.stdout.write(drift.sentence + done)
        if left := [drift for drift in found if not (fix and drift.mend)]:
            raise CommandError(f"Differences found: {len(left)}." + " Run it with --fix." * (not fix))
        self.stdout.write(f"Differences fixed: {len(found)}." if found else "No differences found.")
