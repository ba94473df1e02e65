"""`manage.py reconcile`: compares counters with the data they count, and files with the rows that name them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from documents.ingestion import quarantine
from documents.ingestion.consistency import Drift, find_drift


class Command(BaseCommand):
    help = "Compare counters, chunks, tables and files with each other. Exits with 1 if differences remain."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--fix", action="store_true", help="fix the differences that can be fixed")
        what.add_argument(
            "--put-back",
            nargs="?",
            const="",
            metavar="DATE",
            help="move the files that --fix put aside back to where they were: those of one day (YYYY-MM-DD), or all",
        )

    def handle(self, *, fix: bool, put_back: str | None, **options: Any) -> None:
        if put_back is not None:
            return self._put_back(put_back)
        found = find_drift()
        for drift in found:
            self.stdout.write(
                f"{drift.sentence} {'' if fix else '--fix: ' * bool(drift.remedy)}{drift.remedy}".strip()
            )
        if fix:
            self._fix(found)
        if left := [drift for drift in found if not (fix and drift.mend)]:
            raise CommandError(f"Differences found: {len(left)}." + " Run it with --fix." * (not fix))
        self.stdout.write(f"Differences fixed: {len(found)}." if found else "No differences found.")

    def _fix(self, found: list[Drift]) -> None:
        for drift in found:
            if drift.mend:
                drift.mend()

    def _put_back(self, date: str) -> None:
        outcomes = {name: quarantine.put_back(name) for name in quarantine.held_names(date)}
        for name in (name for name, is_back in outcomes.items() if not is_back):
            self.stdout.write(f"{name} stays: another file has its name now.")
        self.stdout.write(f"Files put back: {sum(outcomes.values())}.")
