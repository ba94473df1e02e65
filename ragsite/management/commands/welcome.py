from typing import Any

from django.core.management.base import BaseCommand

from models_registry import probe
from models_registry.models import Endpoint
from ragsite.embedded import seed


class Command(BaseCommand):
    help = "Check the models and bring the demo workspace up to date. Runs after each start."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        probe.probe_each(list(Endpoint.objects.filter(is_enabled=True)))
        for endpoint in Endpoint.objects.filter(is_enabled=True, last_check_ok=False):
            self.stdout.write(f"{endpoint.name} is not healthy: {endpoint.last_error}")
        if problem := seed.first_operator():
            self.stdout.write(problem)
        if sentence := seed.demo():
            self.stdout.write(sentence)
