import uuid

from django.db import models

from accounts.models import User
from workspaces.models import Workspace


class Search(models.Model):
    """A search that a user ran without asking for an answer, with its trace. Deleted after some days."""

    class Outcome(models.TextChoices):
        FOUND = "found", "Passages found"
        NOTHING_RELEVANT = "nothing_relevant", "Nothing relevant found"
        EMPTY = "empty", "The workspace is empty"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="searches")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="searches")
    question = models.TextField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    error = models.TextField(blank=True)  # a sentence for people
    trace = models.JSONField(default=dict)  # retrieval.Trace
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "searches"
        indexes = [models.Index(fields=["created_at"])]  # for forget_in_parts()

    def __str__(self) -> str:
        return f"{self.pk}: {self.outcome}"
