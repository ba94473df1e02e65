from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from core.admin.filters import StateFilter
from ragsite.models import CleaningRun


def _late() -> Q:
    """Return the condition of cleanings that should have run twice since their last run."""
    late = Q(pk__in=[])
    for name, every_s in settings.CLEANINGS.items():
        late |= Q(name=name, ran_at__lt=timezone.now() - 2 * timedelta(seconds=every_s))
    return late


class StateOfCleaning(StateFilter):
    title = "state"
    parameter_name = "state"
    model = CleaningRun
    states = {
        "run": ("On time", lambda: Q(error="") & ~_late()),
        "failed": ("Failed", lambda: ~Q(error="")),
        "late": ("Late", lambda: Q(error="") & _late()),
    }
