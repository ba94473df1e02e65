"""Users, their API keys, and the audit log."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or a program. Operators (`is_superuser`) configure the site and see every workspace."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Such as Europe/Berlin. "": the one of the browser (accounts.identity.time_zone)
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")

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


class Deletion(models.Model):
    """The deletion of something big, which a worker does in parts (accounts/deletion.py)."""

    kind = models.CharField(max_length=60)  # the label of the model, such as "accounts.User"
    target = models.CharField(max_length=40)  # the primary key of the row
    name = models.CharField(max_length=200)  # of what is deleted, in words
    actor_name = models.CharField(max_length=150, blank=True)  # the user who asked for it
    requested_at = models.DateTimeField(auto_now_add=True)
    total = models.PositiveBigIntegerField(
        null=True
    )  # rows, with all that depend on it; null: not counted yet
    done = models.PositiveBigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True)  # when the last part was deleted
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # why the last part was put off
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)  # the fencing token: it grows with each claim

    class Meta:
        ordering = ("-requested_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "target"],
                name="one_deletion_at_a_time",
                condition=models.Q(finished_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"deletion of {self.name}"

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.kind)


class AuditEvent(models.Model):
    """An entry of the audit log: an action that others may ask about later.

    It outlives the account of the user who acted: it keeps the name at that time, and the id.
    """

    at = models.DateTimeField(auto_now_add=True)
    # Without a constraint, so that it keeps the id of a deleted user, and that deleting one costs no update.
    user = models.ForeignKey(
        User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True, db_default="")
    action = models.CharField(max_length=60)  # "workspace.create", "document.delete", ...
    subject = models.CharField(max_length=200)  # what the action applied to, in words
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-at",)
        indexes = [
            models.Index(fields=["-at"]),  # for the admin's list, newest first
            models.Index(fields=["action", "-at"], name="events_of_action"),  # for its filter
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.subject}"


def record(user: User | None, action: str, subject: str, **detail: Any) -> None:
    """Write an audit event in the caller's transaction, so that no action goes unrecorded."""
    AuditEvent.objects.create(**_actor(user), action=action, subject=subject[:200], detail=detail)


def record_each(user: User | None, action: str, deeds: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Write one audit event per subject with its detail, in one statement of the caller's transaction."""
    AuditEvent.objects.bulk_create(
        AuditEvent(**_actor(user), action=action, subject=subject[:200], detail=detail)
        for subject, detail in deeds
    )


def _actor(user: User | None) -> dict[str, Any]:
    return {"user": user, "actor_name": user.username if user else ""}
