import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.models import User
from core.files import discard
from workspaces.models import Workspace

from .document import Document


class Upload(models.Model):
    """An announced file upload: where the client sends the file, and the document that the file became."""

    LIFETIME = timedelta(hours=24)  # an upload without a document is deleted after this time

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=300)  # the user's name of the file
    size_bytes = models.BigIntegerField()  # as announced
    language = models.CharField(max_length=8)  # empty: detected from the text
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    access_level = models.PositiveSmallIntegerField(default=0, db_default=0)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    document = models.ForeignKey(Document, null=True, on_delete=models.CASCADE, related_name="+")
    refusal = models.TextField(blank=True)  # why it became no document, as a sentence

    class Meta:
        indexes = [models.Index(fields=["created_at"])]  # for deleting expired uploads

    def __str__(self) -> str:
        return self.name

    @property
    def is_settled(self) -> bool:
        return self.document_id is not None or bool(self.refusal)

    @property
    def key(self) -> str:
        """Return the storage key of the upload. It is built from the id only: no client chooses a path."""
        return f"uploads/{self.id}"


@receiver(post_delete, sender=Upload)
def _remove_upload(instance: Upload, **_: Any) -> None:
    """Delete the uploaded file after the commit. The document has its own copy."""
    transaction.on_commit(partial(discard, instance.key))
