import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import NameTaken
from accounts.operators import make_operator


class Command(BaseCommand):
    help = (
        "Make a user an operator who can log in: create the user, or restore one that was deactivated, demoted "
        "or has lost the password. Prints the new password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="NAME")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the new password from the first line of standard input, instead of making one.",
        )

    def handle(self, *args: Any, username: str, password_stdin: bool, **options: Any) -> None:
        given = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
        if password_stdin and not given:
            raise CommandError("Standard input has no password. Nothing was changed.")
        try:
            user, password = make_operator(username, given)
        except ValidationError as error:
            raise CommandError(f"{' '.join(error.messages)} Nothing was changed.") from None
        except NameTaken as error:
            raise CommandError(f"{error} Nothing was changed.") from None
        self.stdout.write(f"{user.username} is an operator now.")
        if not given:
            self.stdout.write(f"Password: {password}")
