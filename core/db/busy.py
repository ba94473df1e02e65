from django.db import OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests

from core.errors import Busy


def as_busy(error: BaseException | None) -> Busy | None:
    """Return the error as Busy, also if no database connection got free in time. None: it is another error."""
    if isinstance(error, Busy):
        return error
    is_timeout = isinstance(error, OperationalError) and isinstance(
        error.__cause__, (PoolTimeout, TooManyRequests)
    )
    return Busy() if is_timeout else None
