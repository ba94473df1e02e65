from django.db.models import Q

from core.admin.filters import StateFilter

from .models import Deletion


class StateOfDeletion(StateFilter):
    title = "state"
    parameter_name = "state"
    model = Deletion
    states = {
        "running": ("Under way", lambda: Q(finished_at=None, error="")),
        "troubled": ("Put off after an error", lambda: Q(finished_at=None) & ~Q(error="")),
        "done": ("Done", lambda: Q(finished_at__isnull=False)),
    }
