"""Every address of the project, each filled in with something that exists."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.identity.api_key import issue
from accounts.models import AuditEvent, Deletion, User
from chat.models import (
    Answer,
    AnswerPassage,
    AnswerRating,
    Import,
    Session,
    SharedLink,
    SharingPolicy,
    TemporaryUsage,
    Turn,
)
from chat.sharing.snapshot import take_snapshot
from chat.sharing.tokens import token_of
from documents.models import BatchEntry, Document, LedgerEntry, Search, Upload
from documents.sources.service import add_website
from ragsite.models import CleaningRun
from tests import factories
from workspaces.models import Membership, Role

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Address:
    name: str  # "admin:index"
    pattern: URLPattern
    arguments: tuple[str, ...]  # the names in its path

    @property
    def is_admin(self) -> bool:
        return self.name.startswith("admin:")

    def path(self, values: dict[str, Any]) -> str:
        """Fill it in. An argument the world does not know fails the test: teach World about it."""
        return reverse(self.name, kwargs={name: values[name] for name in self.arguments})


def addresses() -> list[Address]:
    return [address for address in _walk(get_resolver(), "") if address.name]


def _walk(resolver: URLResolver, namespace: str) -> Iterator[Address]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from _walk(each, inner)
        else:
            name = f"{namespace}{each.name}" if each.name else ""
            yield Address(name, each, tuple(each.pattern.converters) or tuple(each.pattern.regex.groupindex))


def unnamed() -> list[URLPattern]:
    return [address.pattern for address in _walk(get_resolver(), "") if not address.name]


@dataclass
class World:
    """One workspace with its people, a document, and its manager's session with an answer."""

    manager: User = field(default_factory=factories.user)

    def __post_init__(self) -> None:
        self.workspace = factories.workspace(created_by=self.manager)
        self.field = self.workspace.fields.create(name="department", label="Department")
        self.viewer = factories.member(self.workspace, Role.VIEWER)
        self.stranger = factories.user()
        for user in (self.viewer, self.stranger):  # so that nothing but the workspace stops them
            user.user_permissions.add(Permission.objects.get(codename="add_workspace"))
        self.document = factories.document(self.workspace, content=b"some text")
        factories.section(self.document, "some text")
        LedgerEntry.objects.create(document=self.document, attempt=1, stage=Document.Stage.EXTRACT)
        BatchEntry.objects.create(
            document=self.document, attempt=1, ordinal=0, chunk_count=1, embedded_count=1, took_ms=1
        )
        elsewhere = factories.workspace()
        self.source = add_website(elsewhere, None, "https://example.org/", ask_worker=False).source
        self.upload = Upload.objects.create(
            workspace=self.workspace, name="a.txt", size_bytes=9, language="en", created_by=self.manager
        )
        self.session = Session.objects.create(user=self.manager, title="secret title")
        self.folder = self.manager.folders.create(name="secret folder", position=0)
        turn = Turn.objects.create(
            session=self.session, message_id="m", text="secret question", workspace=self.workspace
        )
        self.answer = Answer.objects.create(
            turn=turn, endpoint_name="small", status=Answer.Status.FINISHED, text="secret answer"
        )
        AnswerPassage.objects.create(
            answer=self.answer, number=1, document=self.document, document_title="t", section=0, start=0, end=4,
            text="some",
        )  # fmt: skip
        self.brought = Import.objects.create(user=self.manager, name="secret.json", size_bytes=9)
        self.search = Search.objects.create(
            workspace=self.workspace, user=self.manager, question="secret question", outcome="empty"
        )
        self.rating = AnswerRating.objects.create(answer=self.answer, user=self.manager, is_good=True)
        self.link = SharedLink.objects.create(
            session=self.session, name="secret title", snapshot=take_snapshot(self.session).as_json(),
            taken_at=timezone.now(), ends_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        self.policy = SharingPolicy.objects.create(pk=1)
        self.usage = TemporaryUsage.objects.create(
            user=self.manager, endpoint_name="small", input_tokens=1, output_tokens=1, cost=0,
            asked_at=timezone.now(),
        )  # fmt: skip
        self.key = issue(self.manager, "key")[0]
        self.cleaning = CleaningRun.objects.create(name="logins", ran_at=timezone.now())
        self.deletion = Deletion.objects.create(kind="accounts.User", target="1", name="ada")

    def values(self) -> dict[str, Any]:
        membership = Membership.objects.get(workspace=self.workspace, user=self.viewer)
        return {
            "workspace_id": self.workspace.pk,
            "document_id": self.document.pk,
            "upload_id": self.upload.pk,
            "membership_id": membership.pk,
            "session_id": self.session.pk,
            "folder_id": self.folder.pk,
            "answer_id": self.answer.pk,
            "link_id": self.link.pk,
            "token": token_of(self.link.pk),
            "turn_id": self.answer.turn_id,
            "search_id": self.search.pk,
            "import_id": self.brought.pk,
            "number": 1,
            "kind": "file",
            "field": self.field.name,
            "name": "small",
            "rest": "embeddings",
            "endpoint_id": self.workspace.embedder.pk,
            # the admin's
            "app_label": "accounts",
            "content_type_id": 1,
            "url": "somewhere/",
        }

    def path(self, address: Address, **instead: Any) -> str:
        """Return its path, filled in with `instead` where that has a value."""
        values = self.values() | instead
        if address.is_admin:
            # The admin's pages of one row know their model; the two that do not are about a user.
            admin = getattr(address.pattern.callback, "model_admin", None)
            row = self._row_of(admin.model if admin else User)
            values |= dict.fromkeys(("object_id", "id"), row.pk)
        return address.path(values)

    def _row_of(self, model: type[Model]) -> Model:
        rows = (
            self.manager, self.key, self.deletion, self.cleaning, AuditEvent.objects.first(), self.workspace.embedder, self.workspace,
            self.document, self.source, self.session, self.answer, self.rating,
            self.link, self.policy, self.usage, self.brought,
        )  # fmt: skip
        return next(row for row in rows if isinstance(row, model))
