"""Deletes what accounts no longer need. Each function yields after each small transaction how many rows it deleted."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone

from core.db.cascade import delete_rows

from .models import AuditEvent, Deletion

DELETIONS_KEPT = timedelta(days=90)
ADMIN_LOG_KEPT = timedelta(days=90)  # Django's own list of recent actions; the audit log has them all


def clear_logins() -> Iterator[int]:
    yield from delete_rows(Session.objects.filter(expire_date__lt=timezone.now()))


def clear_audit_log() -> Iterator[int]:
    if days := settings.AUDIT_KEPT_DAYS:
        yield from delete_rows(AuditEvent.objects.filter(at__lt=timezone.now() - timedelta(days=days)))


def clear_deletions() -> Iterator[int]:
    yield from delete_rows(Deletion.objects.filter(finished_at__lt=timezone.now() - DELETIONS_KEPT))


def clear_admin_log() -> Iterator[int]:
    yield from delete_rows(LogEntry.objects.filter(action_time__lt=timezone.now() - ADMIN_LOG_KEPT))
