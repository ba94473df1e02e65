from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.identity.api_key import issue
from accounts.models import User


class Command(BaseCommand):
    help = "Create an API key for a user and print it. It cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user's name, as they log in")
        parser.add_argument("--name", required=True, help="what will use the key, e.g. 'nightly import'")

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        owner = User.objects.filter(username=user, is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no active user named {user}. Create one in the admin first.")
        self.stdout.write(issue(owner, name[:80])[1])
