"""The Celery application: `celery -A ragsite worker` and `celery -A ragsite beat`."""

import os
from typing import Any

from celery import Celery, Task
from celery.signals import task_postrun, worker_process_init
from django.db import close_old_connections, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")

app = Celery("ragsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


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
