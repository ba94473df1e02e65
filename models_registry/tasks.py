from celery import shared_task

from . import probe
from .models import Endpoint


@shared_task(name="models_registry.check_all")
def check_all() -> None:
    """Probe every enabled endpoint, so that users are offered healthy ones."""
    probe.probe_each(list(Endpoint.objects.filter(is_enabled=True)), are_pings=True)
