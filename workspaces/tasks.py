"""Celery tasks of workspaces.

PostgreSQL is the source of truth; the broker only carries reminders, and may lose them.
"""

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.db.advisory_locks import DUMP, is_held
from workspaces.engines.pgvector import maintenance

from . import provision  # noqa: F401 (it registers how workspaces are deleted)
from .models import VectorIndex

_LEISURELY = 6  # broker priority, where lower goes first; the same as for an index that is being built


@shared_task(name="workspaces.look_after_vector_indexes")
def look_after_vector_indexes() -> None:
    """Queue a task for each vector index that must be built, replaced or measured. Runs every few seconds."""
    if is_held(DUMP):
        return
    for row_id in maintenance.due():
        VectorIndex.objects.filter(pk=row_id).update(queued_at=timezone.now())
        try:
            tend_vector_index.apply_async((row_id,), retry=False, priority=_LEISURELY)
        except (OperationalError, RedisError):  # the broker is down or full: the next run tries again
            VectorIndex.objects.filter(pk=row_id).update(queued_at=None)
            return


@shared_task(name="workspaces.tend_vector_index")
def tend_vector_index(row_id: int) -> None:
    maintenance.reconcile(row_id)
