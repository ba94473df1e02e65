"""The ingestion states that operators see: the admin lists show and filter by them, and the console counts them."""

from django.db.models import Q
from django.utils.html import format_html

from core.admin.filters import StateFilter
from documents.ingestion.health import stuck

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
        "waits": ("Waiting for a model", lambda: Q(status=_S.FAILED, waits_for__isnull=False)),
        "failed": ("Failed", lambda: Q(status=_S.FAILED)),
        "ready": ("Ready", lambda: Q(status=_S.READY)),
    }


def status_badge(document: Document, *, is_stuck: bool) -> str:
    """Return the document's state as an HTML badge. is_stuck: the value of `health.is_stuck` for it."""
    if is_stuck:
        return format_html('<span class="state failing">{}</span>', "Stuck")
    tones = {_S.READY: "well", _S.FAILED: "failing", _S.PROCESSING: "working"}
    tone = tones.get(_S(document.status), "waiting")
    return format_html('<span class="state {}">{}</span>', tone, document.get_status_display())
