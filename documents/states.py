"""What operators ask of the ingestion; the list filters by it and the console counts it."""

from django.db.models import Q
from django.utils import timezone

from accounts.state_filter import StateFilter

from .models import Document

_S = Document.Status


def _stuck() -> Q:
    """Its worker is gone, or nobody took it for a while after its time: recovery has not come round."""
    overdue = timezone.now() - 2 * Document.LEASE
    return Q(status=_S.PROCESSING, lease_until__lt=overdue) | Q(
        status=_S.PENDING, next_attempt_at__lt=overdue
    )


def is_stuck(document: Document) -> bool:
    """Say the same of one document."""
    overdue = timezone.now() - 2 * Document.LEASE
    since = {_S.PROCESSING: document.lease_until, _S.PENDING: document.next_attempt_at}.get(
        _S(document.status)
    )
    return since is not None and since < overdue


class StateOfDocument(StateFilter):
    title = "state"
    parameter_name = "state"
    model = Document
    states = {
        "waiting": ("Waiting", lambda: Q(status=_S.PENDING) & ~_stuck()),
        "working": ("Working", lambda: Q(status=_S.PROCESSING) & ~_stuck()),
        "stuck": ("Stuck", _stuck),
        "failed": ("Failed", lambda: Q(status=_S.FAILED)),
        "ready": ("Ready", lambda: Q(status=_S.READY)),
    }
