"""`manage.py replay_answer`: checks whether an answer would get the same prompt today."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from chat.answering.replay import replay
from chat.errors import CannotReplay
from chat.models import Answer


class Command(BaseCommand):
    help = "Search for an answer's passages again and compare the prompts. Exits with 1 if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("answer", type=UUID, metavar="ID", help="the answer's id")
        parser.add_argument("--prompt", action="store_true", help="print the prompt as it would be sent now")

    def handle(self, *, answer: UUID, prompt: bool, **_: Any) -> None:
        kept = {"turn__session__user__isnull": False, "turn__session__temporary_until": None}
        answers = Answer.objects.filter(**kept)
        found = answers.select_related("turn__session__user", "endpoint").filter(pk=answer).first()
        if found is None:
            raise CommandError(f"There is no answer with the id {answer}.")
        try:
            replayed = replay(found)
        except CannotReplay as problem:
            raise CommandError(str(problem)) from problem
        if prompt:
            self.stdout.write("\n\n".join(f"# {each['role']}\n{each['text']}" for each in replayed.prompt))
        if replayed.is_same:
            self.stdout.write(f"The prompt is the same, byte for byte: {replayed.size:,} bytes.")
            return
        self.stdout.write("\n".join(("The prompt differs.", *replayed.differences, *replayed.causes)))
        raise CommandError("The prompt is not the same.", returncode=1)
