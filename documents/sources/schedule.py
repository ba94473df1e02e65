"""Starts the visits of websites and feeds by their schedules, and stops visits."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User, record
from documents.models import Document, Source

_S = Document.Status
_OVERDUE = timedelta(minutes=5)  # visits begin within a minute


def start_due_visits() -> Iterator[UUID]:
    """Start the visits that are due, and yield their documents' ids. Skip a source that is being visited."""
    now = timezone.now()
    due = Source.objects.filter(next_visit_at__lte=now, document__status__in=(_S.READY, _S.FAILED))
    for source in due.select_related("document").order_by("next_visit_at"):
        period = source.period
        # In one transaction: a visit that is rescheduled but not started would be missed, perhaps for a week
        with transaction.atomic():
            Source.objects.filter(pk=source.pk).update(next_visit_at=now + period if period else None)
            is_due = period and _make_due(source.document)
        if is_due:
            yield source.document_id


def overdue_visits() -> QuerySet[Source]:
    """Return the sources whose scheduled visit should have begun some minutes ago."""
    late = timezone.now() - _OVERDUE
    return Source.objects.filter(next_visit_at__lte=late, document__status__in=(_S.READY, _S.FAILED))


def _make_due(document: Document) -> bool:
    rested = Document.objects.filter(pk=document.pk, status__in=(_S.READY, _S.FAILED))
    return bool(rested.restart())


def stop_visit(document: Document, user: User | None) -> bool:
    """Stop a visit that runs or waits. Keep the pages that were read. Return False if there is none.

    The worker of the visit finds at its next write that it has lost its claim.
    """
    working = Document.objects.filter(pk=document.pk, status__in=(_S.PENDING, _S.PROCESSING))
    with transaction.atomic():
        stopped = working.update(
            status=_S.READY, stage=Document.Stage.DONE, error="", lease_until=None, next_attempt_at=None,
            queued_at=None, updated_at=timezone.now(),
        )  # fmt: skip
        if not stopped:
            return False
        Source.objects.filter(pk=document.pk).update(is_under_way=False)
        record(user, "document.stop", document.title, id=str(document.pk))
    return True
