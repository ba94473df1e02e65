from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import LastOperator
from ragsite.personal_data.erasure import erase, find_person, what_goes, what_stays


class Command(BaseCommand):
    help = (
        "Erase one person: the account with its conversations, searches, ratings and keys, and the name in the audit "
        "log. Without --yes it only lists what goes and what stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="NAME")
        parser.add_argument("--yes", action="store_true", help="Erase. This cannot be undone.")

    def handle(self, *args: Any, username: str, yes: bool, **options: Any) -> None:
        person = find_person(username)
        if person is None:
            raise CommandError(f"Ragsite knows no {username}. Capital letters matter.")
        if not yes:
            self._list(what_goes(person), what_stays(person))
            return
        try:
            changed = sum(erase(person))
        except LastOperator as refusal:
            raise CommandError(f"{refusal} Nothing was erased.") from None
        self.stdout.write(f"{username} was erased: {changed:,} rows were deleted or lost the name.")

    def _list(self, goes: dict[str, int], stays: dict[str, str]) -> None:
        self.stdout.write("These go:")
        for name, count in goes.items():
            self.stdout.write(f"  {count:,} {name}")
        self.stdout.write("These stay:")
        for name, reason in stays.items():
            self.stdout.write(f"  {name}: {reason}")
        self.stdout.write("Nothing was changed. Repeat the command with --yes to erase.")
