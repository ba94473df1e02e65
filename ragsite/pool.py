"""Repairs the connection pool after a restart or a failover of the database.

Django can check each connection that it takes (CONN_HEALTH_CHECKS), but then psycopg_pool 3.3
(`_getconn_with_check_loop`) waits 0, 1, 2, 4, ... seconds after each dead one: with five dead connections,
longer than our ten seconds.
"""

import sys
from threading import Thread
from typing import Any

from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError, connection
from django.dispatch import receiver
from psycopg_pool import PoolTimeout


@receiver(got_request_exception)
def renew(**_: Any) -> None:
    """Replace the dead connections after a request that failed on one, so that no second page fails."""
    error = sys.exception()
    if isinstance(error, (OperationalError, InterfaceError)) and not isinstance(error.__cause__, PoolTimeout):
        Thread(target=connection.pool.check, daemon=True).start()  # type: ignore[attr-defined]
