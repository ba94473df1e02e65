"""The Celery application: `celery -A ragsite worker` and `celery -A ragsite beat`."""

import logging
import sys
from typing import Any

from celery import Celery, Task
from celery.signals import beat_init, task_postrun, worker_init, worker_process_init
from django.db import DatabaseError, close_old_connections, connection

from . import shell

shell.choose_settings()

log = logging.getLogger(__name__)
app = Celery("ragsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_newer_database(**_: Any) -> None:
    """End the process if a newer version has migrated the database."""
    from .errors import StartError  # noqa: PLC0415
    from .release.schema_version import refuse_newer_database as refuse  # noqa: PLC0415 - it needs the apps

    try:
        refuse()
    except StartError as error:
        sys.exit(f"ERROR {error}")
    except DatabaseError:
        log.warning("The database does not answer yet.")
    finally:
        connection.close_pool()  # type: ignore[attr-defined]  # the worker's processes must not inherit it


@worker_process_init.connect
def check_connections(**_: Any) -> None:
    """Enable health checks of pooled connections before each task: the server may have been restarted."""
    connection.settings_dict["CONN_HEALTH_CHECKS"] = True


@task_postrun.connect
def hand_back_connections(task: Task[Any, Any], **_: Any) -> None:
    """Return connections to the pool.

    Celery would close them after each task; a new one costs the server 10 ms.
    """
    if not task.request.is_eager:
        close_old_connections()
