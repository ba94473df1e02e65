from typing import Any

from django.core.management.base import BaseCommand

from ragsite.embedded import seed
from ragsite.embedded.own_endpoints import keep_endpoints


class Command(BaseCommand):
    help = "Create the first operator, and the endpoints of the bundled models, which follow the settings."

    def handle(self, *args: Any, **options: Any) -> None:
        if problem := seed.first_operator():
            self.stderr.write(problem)
        keep_endpoints()
