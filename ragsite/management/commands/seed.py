from typing import Any

from django.core.management.base import BaseCommand

from ragsite.embedded import seed


class Command(BaseCommand):
    help = "Create the first operator and the endpoints of the bundled models, if they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := seed.first_operator():
            self.stderr.write(problem)
        seed.endpoints()
