from typing import Any

from django.core.management.commands import migrate
from django.db import connections

_LOCK = 7_245_031_177  # any number that no other program uses for an advisory lock in this database


class Command(migrate.Command):
    """Migrate while holding an advisory lock, so that processes that start together migrate one after the other."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if cursor.fetchone() == (False,):
                self.stdout.write("Another process migrates this database: waiting for it.")
                cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:  # a pooled connection would keep the lock
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
