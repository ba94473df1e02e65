"""The work of bringing one document into the next index."""

from typing import Self

from django.db import models
from django.utils.functional import cached_property

from workspaces.models import Reindex, Workspace

from .document import Document
from .work import Work, WorkQuerySet


class ReindexItemQuerySet(WorkQuerySet["ReindexItem"]):
    def due(self) -> Self:
        return super().due().filter(reindex__status=Reindex.Status.RUNNING)

    def with_settings(self) -> "ReindexItemQuerySet":
        return self.select_related("document", "reindex__embedder", "reindex__workspace__summarizer")


class ReindexItem(Work):
    """The work of ingesting one document into the index that a reindex builds."""

    reindex = models.ForeignKey(Reindex, on_delete=models.CASCADE, related_name="items")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="reindex_items")
    of_ready_at = models.DateTimeField()  # Document.ready_at of the version that it covers
    language = models.CharField(max_length=8, blank=True)  # as detected in the text

    objects = ReindexItemQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reindex", "document"], name="one_item_per_document")]
        indexes = [models.Index(fields=["reindex", "status", "next_attempt_at"])]  # for due()

    def __str__(self) -> str:
        return f"{self.document_id} for {self.reindex}"

    @cached_property
    def workspace(self) -> Workspace:
        """Return the workspace with the settings of the next index."""
        return self.reindex.target()
