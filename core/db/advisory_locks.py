"""Advisory locks of the database, which all processes of an installation share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

# Any numbers that no other program uses for advisory locks in this database, each once
MIGRATE = 7_245_031_177
BACKUP = 7_245_031_178
PREPARE = 7_245_031_179
DUMP = 7_245_031_180  # while a backup reads all tables: dropping a table, or building an index, would wait for it
OPERATORS = 7_245_031_181  # its number is also in the trigger of migration 0002_keep_an_operator of accounts


@contextmanager
def hold(lock: int, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock inside the block. on_wait: is called before waiting for another process that holds it.

    The lock belongs to a connection of its own: this thread's may go back to the pool meanwhile.
    """
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
            if cursor.fetchone() == (False,):
                on_wait()
                cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])  # a pooled connection would keep it
    finally:
        holder.close()


def is_held(lock: int) -> bool:
    """Tell whether another connection holds the lock.

    The test takes it itself, shared with other tests, until the end of the statement or of the open transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT pg_try_advisory_xact_lock_shared(%s)", [lock])
        row = cursor.fetchone()
    return bool(row and row[0])
