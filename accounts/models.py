"""Users, their API keys, and the audit log."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or a program. Operators (`is_superuser`) configure the site and see every workspace."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    @property
    def is_operator(self) -> bool:
        return self.is_active and self.is_superuser


class ApiKey(models.Model):
    """A user's key for the REST API. Only its hash is stored; the key itself is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(
        max_length=80, help_text="What uses this key, so that you can revoke the right one."
    )
    prefix = models.CharField(max_length=16, editable=False)  # shown in lists, to distinguish keys
    digest = models.CharField(max_length=64, unique=True, editable=False)  # SHA-256, hexadecimal
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEvent(models.Model):
    """An entry of the audit log: an action that others may ask about later.

    Never changed or deleted by us.
    """

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=60)  # "workspace.create", "document.delete", ...
    subject = models.CharField(max_length=200)  # what the action applied to, in words
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-at",)
        indexes = [models.Index(fields=["-at"])]  # for the admin's list, newest first

    def __str__(self) -> str:
        return f"{self.action}: {self.subject}"


def record(user: User | None, action: str, subject: str, **detail: Any) -> None:
    """Write an audit event in the caller's transaction, so that no action goes unrecorded."""
    AuditEvent.objects.create(user=user, action=action, subject=subject[:200], detail=detail)


def record_each(user: User | None, action: str, deeds: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Write one audit event per subject with its detail, in one statement of the caller's transaction."""
    AuditEvent.objects.bulk_create(
        AuditEvent(user=user, action=action, subject=subject[:200], detail=detail)
        for subject, detail in deeds
    )
