import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ragsite.shell import environment_for_python


class Command(BaseCommand):
    help = "Start all services that no variable replaces. Ctrl-C stops them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--verbose", action="store_true", help="Show every line of every process.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace this process by one without Django: it lives as long as the site, and only watches."""
        flags = ["--verbose"] if options["verbose"] else []
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, [sys.executable, "-m", "ragsite.embedded", *flags], _environment())


def _environment() -> dict[str, str]:
    """Return a clean environment, in which the text of the terminal keeps its own encoding."""
    return {name: value for name, value in environment_for_python().items() if name != "PYTHONUTF8"}
