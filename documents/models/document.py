"""Documents, and the sections of their text."""

import uuid
from functools import partial
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Coalesce
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.models import User
from core.files import discard
from workspaces.models import Workspace

from .work import Work, WorkQuerySet


def _media_path(document: "Document", filename: str) -> str:
    """Return a storage path built from ids only: a user's file name never becomes part of a path."""
    return f"workspaces/{document.workspace_id}/{document.id}"


class DocumentQuerySet(WorkQuerySet["Document"]):
    def with_settings(self) -> "DocumentQuerySet":
        return self.select_related("workspace__embedder", "workspace__summarizer")

    def being_deleted(self, workspace: Workspace) -> "DocumentQuerySet":
        return self.filter(workspace=workspace, deleted_at__isnull=False).order_by()


_Documents = models.Manager.from_queryset(DocumentQuerySet)


class LiveDocuments(_Documents["Document"]):
    """Selects all documents but those that are being deleted. `Document.every` adds these."""

    def get_queryset(self) -> DocumentQuerySet:
        return DocumentQuerySet(self.model, using=self._db).filter(deleted_at=None)


class Document(Work):
    """A file, text, pair, website or feed that a user added, or a page or post that a visit found."""

    class Kind(models.TextChoices):
        FILE = "file", "File"
        TEXT = "text", "Text"
        QA = "qa", "Question and answer"
        SITE = "site", "Website"
        PAGE = "page", "Web page"  # of a website
        FEED = "feed", "Feed"
        POST = "post", "Post"  # of a feed

    WRITTEN = (Kind.TEXT, Kind.QA)  # typed into Ragsite, and editable there

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FILE)
    # The source it was found through: the website of a page, or the feed of a post
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    url = models.URLField(max_length=2000, blank=True)  # its web address, in canonical form
    # Where `manage.py ingest` found it: a folder of the machine it ran on, and the path inside that folder
    folder = models.CharField(max_length=300, blank=True)
    path = models.CharField(max_length=500, blank=True)
    # The user's name of the file; for a pair, the question
    title = models.CharField(max_length=300)
    file = models.FileField(upload_to=_media_path, max_length=200)
    media_type = models.CharField(max_length=100)  # detected from the content, not from the name
    size_bytes = models.BigIntegerField()
    content_sha256 = models.CharField(max_length=64)
    language = models.CharField(
        max_length=8
    )  # one of the workspace's languages, or AUTO until it is detected
    is_language_chosen = models.BooleanField(default=False)  # by a user; else detected in the text
    # By name of the workspace's fields: `metadata` holds the values as pages show them, `facts` the same
    # values in the form that filters compare. `found_fields` names the fields whose values come from the file
    # and not from a user.
    metadata = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    facts = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    found_fields = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    # An index into Workspace.access_levels. A page or post has the level of its source.
    access_level = models.PositiveSmallIntegerField(default=0, db_default=0)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # When a user deleted it with so much that a worker does it in parts. It is out of reach at once, like the
    # documents found through it, which have the same value.
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LiveDocuments()
    every = DocumentQuerySet.as_manager()

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
            models.Index(  # fair_share: the users who wait, and the next document of each
                "workspace",
                Coalesce("created_by", "workspace"),
                "next_attempt_at",
                name="waiting_by_user",
                condition=models.Q(status="pending"),
            ),
            models.Index(  # where_for(): what searches leave out
                "workspace", name="being_deleted", condition=models.Q(deleted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def web_address(self) -> str:
        """Return its http or https address, or "". A URL with another scheme must never become a link."""
        return self.url if self.url.startswith(("http://", "https://")) else ""

    def reading_languages(self, workspace: Workspace) -> list[str]:
        """Return the languages that its text may be in: the chosen one, else those of the workspace.

        workspace: as it is, or as a next index will have it.
        """
        languages: list[str] = [self.language] if self.is_language_chosen else workspace.languages
        return languages


class LiveSections(models.Manager["Section"]):
    """Selects the sections of the index that answers now. `Section.every` adds those of a running reindex."""

    def get_queryset(self) -> models.QuerySet["Section"]:
        return (
            super()
            .get_queryset()
            .filter(index_number=models.F("document__workspace__index_number"), document__deleted_at=None)
        )


class Section(models.Model):
    """A stretch of a document with one place in its structure. Ingestion replaces all of a document's."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="sections")
    index_number = models.PositiveIntegerField(default=0)  # the workspace's index that the section belongs to
    position = models.PositiveIntegerField()  # from 0, in reading order
    text = models.TextField()  # starts with the section's heading, if it has one
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
    """Delete the stored file after the commit that deletes the row, alone or with its workspace."""
    if name := instance.file.name:
        transaction.on_commit(partial(discard, name))
