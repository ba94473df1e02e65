"""Recognises that the database, the message server or the disk ran out, and says so in a sentence for people.

Nothing is half done then: a transaction is rolled back, and the same request succeeds once the service is back.
"""

import errno
from collections.abc import Iterator

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests
from redis.exceptions import RedisError

from core.errors import Busy

READ_ONLY = "The database is read-only at the moment, so nothing can be saved. What was saved stays."
DATABASE_FULL = "The disk of the database is full, so nothing can be saved. What was saved stays."
DATABASE_MEMORY = "The database has no memory left for this. What was saved stays."
NO_CONNECTION = "The database has no free connection at the moment."
NO_DATABASE = "The database does not answer at the moment. What was saved stays."
NO_BROKER = "The message server (Valkey) does not answer at the moment. What was saved stays."
BROKER_FULL = "The message server (Valkey) is full. What was saved stays."
FILES_FULL = "There is no space left for files on the server. Nothing was stored."
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (psycopg.errors.ReadOnlySqlTransaction, READ_ONLY),
    (psycopg.errors.DiskFull, DATABASE_FULL),
    (psycopg.errors.OutOfMemory, DATABASE_MEMORY),
    (psycopg.errors.TooManyConnections, NO_CONNECTION),
)
_FULL = ("OOM", "MISCONF", "READONLY")  # how replies of a server begin that takes no writes


class ServiceOut(Busy):
    """A service that everything needs is full, read-only or away. Nothing was started and nothing is lost."""

    retry_after_s = 30


def as_busy(error: BaseException | None) -> Busy | None:
    """Return the error as Busy if a service ran out or no connection got free in time. None: another error."""
    if isinstance(error, Busy):
        return error
    if isinstance(error, OperationalError) and isinstance(error.__cause__, (PoolTimeout, TooManyRequests)):
        return Busy()
    sentence = outage_of(error)
    return ServiceOut(f"{sentence} Try again later; if it lasts, tell your operator.") if sentence else None


def outage_of(error: BaseException | None) -> str:
    """Return what ran out, as a sentence, or "" for any other error."""
    for each in _chain(error):
        for kind, sentence in _SENTENCES:
            if isinstance(each, kind):
                return sentence
        if isinstance(each, RedisError):
            return _of_broker(each)
        if isinstance(each, OSError) and each.errno in _NO_SPACE:
            return FILES_FULL
    return NO_DATABASE if _lost_database(error) else ""


def is_database_out(error: DatabaseError | InterfaceError) -> bool:
    """Return whether the database cannot do this now, but can do it later."""
    return isinstance(error, (OperationalError, InterfaceError)) or bool(outage_of(error))


def _of_broker(error: RedisError) -> str:
    return BROKER_FULL if str(error).startswith(_FULL) or "maxmemory" in str(error) else NO_BROKER


def _lost_database(error: BaseException | None) -> bool:
    """Return whether the connection was refused, lost, or ended by the server (SQLSTATE 08 and 57P)."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(("08", "57P", "53"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1
