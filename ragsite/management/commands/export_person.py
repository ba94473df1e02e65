from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from ragsite.personal_data.export import Archive, Folder, Zip, export_person, zip_archive


class Command(BaseCommand):
    help = (
        "Write all that Ragsite holds of one person: conversations, ratings, searches, documents, keys by name and "
        "audit events. The archive is private: protect it as you protect the documents."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="NAME")
        parser.add_argument(
            "target", type=Path, metavar="DIR|FILE.zip", help="must not exist, or be an empty folder"
        )

    def handle(self, *args: Any, username: str, target: Path, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}. Capital letters matter.")
        if target.exists() and (target.is_file() or any(target.iterdir())):
            raise CommandError(f"{target} exists. Nothing was written: name a new file or an empty folder.")
        try:
            counts = _write(user, target)
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror or error}.") from None
        told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        self.stdout.write(f"{target} holds {told or 'only the account'}.")


def _write(user: User, target: Path) -> dict[str, int]:
    if target.suffix.lower() != ".zip":
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return export_person(user, Folder(target))
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.touch(mode=0o600)
    with unfinished.open("wb") as file, zip_archive(file) as packed:
        archive: Archive = Zip(packed)
        counts = export_person(user, archive)
    unfinished.rename(target)
    return counts
