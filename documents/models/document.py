"""What people put in, and its sections."""

import uuid
from typing import Any

from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.models import User
from workspaces.models import Workspace

from .work import Work, WorkQuerySet


def _media_path(document: "Document", filename: str) -> str:
    """Name the stored file by ids only: what people call their files never becomes a path."""
    return f"workspaces/{document.workspace_id}/{document.id}"


class DocumentQuerySet(WorkQuerySet["Document"]):
    def with_settings(self) -> "DocumentQuerySet":
        return self.select_related("workspace__embedder", "workspace__summarizer")


class Document(Work):
    """One thing somebody added."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        TEXT = "text", "Text"
        QA = "qa", "Question and answer"
        SITE = "site", "Website"
        PAGE = "page", "Web page"  # of a website
        FEED = "feed", "Feed"
        POST = "post", "Post"  # of a feed

    WRITTEN = (Kind.TEXT, Kind.QA)  # here, by somebody who may change it here

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FILE)
    # What it was found through: a page's website, a post's feed
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    url = models.URLField(max_length=2000, blank=True)  # where it lives on the web, in canonical form
    # What `manage.py ingest` found it in: a folder of the machine it ran on, and the way down from there
    folder = models.CharField(max_length=300, blank=True)
    path = models.CharField(max_length=500, blank=True)
    title = models.CharField(
        max_length=300
    )  # the file's name, as its owner calls it; of a pair, the question
    file = models.FileField(upload_to=_media_path, max_length=200)
    media_type = models.CharField(max_length=100)  # as found by content, not by name
    size_bytes = models.BigIntegerField()
    content_sha256 = models.CharField(max_length=64)
    language = models.CharField(max_length=2)  # one of the workspace's
    is_language_chosen = models.BooleanField(default=False)  # by somebody; else what reading it finds
    # Of the workspace's fields, by name: values as they are shown, in the form that is compared, and the names
    # of those that were found in the file and not said by anybody.
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    facts = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    found_fields = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    access_level = models.PositiveSmallIntegerField(
        default=0, db_default=0
    )  # into Workspace.access_levels; its parent's
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "title", "content_sha256"],
                name="same_file_once_per_workspace",
                condition=models.Q(parent=None, folder=""),
            ),
            models.UniqueConstraint(
                fields=["workspace", "folder", "path"],
                name="one_document_per_path",
                condition=~models.Q(folder=""),
            ),
            models.UniqueConstraint(
                fields=["parent", "url"],
                name="one_child_per_address",
                condition=models.Q(parent__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-created_at"]),  # the workspace's list
            models.Index(fields=["status", "next_attempt_at"]),  # due()
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def web_address(self) -> str:
        """Where it can be opened on the web, or "". No other scheme ever becomes a link."""
        return self.url if self.url.startswith(("http://", "https://")) else ""


class LiveSections(models.Manager["Section"]):
    """Those of the index that answers now; `Section.every` has those of one being built, too."""

    def get_queryset(self) -> models.QuerySet["Section"]:
        return super().get_queryset().filter(index_number=models.F("document__workspace__index_number"))


class Section(models.Model):
    """A stretch of a document with one place in its structure. Replaced as a whole when it is ingested."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sections")
    index_number = models.PositiveIntegerField(default=0)  # of the workspace's index whose parser found it
    position = models.PositiveIntegerField()  # from 0, in reading order
    text = models.TextField()  # begins with its own heading, if it has one
    title_path = models.JSONField(default=list)  # headings from the outermost in
    page = models.PositiveIntegerField(null=True)  # from 1, where the format has pages

    objects = LiveSections()
    every = models.Manager()  # noqa: DJ012 - it is a manager

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(
                fields=["document", "index_number", "position"], name="one_section_per_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_id}#{self.position}"


@receiver(post_delete, sender=Document)
def _remove_file(instance: Document, **_: Any) -> None:
    """Remove the stored file once the row is really gone, also when the whole workspace was deleted."""
    storage, name = instance.file.storage, instance.file.name
    if name:
        transaction.on_commit(lambda: storage.delete(name))
