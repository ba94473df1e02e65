from celery import shared_task

from . import probe
from .models import Endpoint


@shared_task(name="models_registry.check_all")
def check_all() -> None:
    """Check every enabled endpoint, so that people are offered what is well."""
    probe.probe_each(list(Endpoint.objects.filter(is_enabled=True)))
