"""What workers do for workspaces. Postgres is the truth; the broker only carries reminders, and may lose them."""

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from workspaces.engines.pgvector import maintenance

from .models import VectorIndex

_LEISURELY = 6  # of the broker, where the lowest goes first: as an index that is built beside another


@shared_task(name="workspaces.look_after_vector_indexes")
def look_after_vector_indexes() -> None:
    """Ask for a worker where a vector index should be another one, or be measured. Runs every few seconds."""
    for row_id in maintenance.due():
        VectorIndex.objects.filter(pk=row_id).update(queued_at=timezone.now())
        try:
            tend_vector_index.apply_async((row_id,), retry=False, priority=_LEISURELY)
        except OperationalError:  # the broker is away: the next round asks again
            VectorIndex.objects.filter(pk=row_id).update(queued_at=None)
            return


@shared_task(name="workspaces.tend_vector_index")
def tend_vector_index(row_id: int) -> None:
    maintenance.reconcile(row_id)
