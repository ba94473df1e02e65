"""A document on its way into the index that is being built."""

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
    """One document's way into the index that is being built."""

    reindex = models.ForeignKey(Reindex, on_delete=models.CASCADE, related_name="items")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="reindex_items")
    of_ready_at = models.DateTimeField()  # Document.ready_at of the version it is about
    language = models.CharField(max_length=2, blank=True)  # as reading it found

    objects = ReindexItemQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reindex", "document"], name="one_item_per_document")]
        indexes = [models.Index(fields=["reindex", "status", "next_attempt_at"])]  # due()

    def __str__(self) -> str:
        return f"{self.document_id} for {self.reindex}"

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace as it will be."""
        return self.reindex.target()
