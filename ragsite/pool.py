"""What a restart or a failover of the database leaves in the pool of connections.

Django can check each connection it takes (CONN_HEALTH_CHECKS), but psycopg_pool 3.3 (`_getconn_with_check_loop`) then
waits 0, 1, 2, 4, ... seconds after each dead one: with five of them, longer than our ten seconds.
"""

import sys
from threading import Thread
from typing import Any

from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError, connection
from django.dispatch import receiver


@receiver(got_request_exception)
def renew(**_: Any) -> None:
    """After a page that failed for its connection, replace the others that died with it: no second page fails."""
    if isinstance(sys.exception(), (OperationalError, InterfaceError)):
        Thread(target=connection.pool.check, daemon=True).start()  # type: ignore[attr-defined]
