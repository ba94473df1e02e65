"""What operators ask of the ingestion; the list filters by it and the console counts it."""

from django.db.models import Q

from accounts.state_filter import StateFilter

from .alarm import stuck
from .models import Document

_S = Document.Status


class StateOfDocument(StateFilter):
    title = "state"
    parameter_name = "state"
    model = Document
    states = {
        "waiting": ("Waiting", lambda: Q(status=_S.PENDING) & ~stuck()),
        "working": ("Working", lambda: Q(status=_S.PROCESSING) & ~stuck()),
        "stuck": ("Stuck", stuck),
        "failed": ("Failed", lambda: Q(status=_S.FAILED)),
        "ready": ("Ready", lambda: Q(status=_S.READY)),
    }
