"""The smallest valid thing of each kind, ready saved. Name what the test is about; the rest is made up."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.core.files.base import ContentFile
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from chat.models import Answer, Session, Turn
from documents.models import Document, Section
from models_registry.models import Endpoint
from workspaces.models import Membership, Role, Workspace
from workspaces.provision import provision_workspace

_numbers = count(1)


def user(**fields: Any) -> User:
    fields.setdefault("username", f"user{next(_numbers)}")
    password = fields.pop("password", None)
    made = User(**fields)
    made.set_password(password) if password else made.set_unusable_password()
    made.save()
    return made


def operator(**fields: Any) -> User:
    return user(is_staff=True, is_superuser=True, **fields)


def embedder(**fields: Any) -> Endpoint:
    """An embedding endpoint; `base_url` points it at a server of the test's."""
    base_url = fields.pop("base_url", "http://127.0.0.1:9/v1")
    defaults = {
        "name": f"embedder {next(_numbers)}",
        "kind": Endpoint.Kind.EMBEDDING,
        "provider": "openai_compat",
        "model": "fake-embedding",
        "options": {"base_url": base_url},
        "dimensions": 3,
        "last_check_ok": True,
    }
    return Endpoint.objects.create(**defaults | fields)


def chat_endpoint(**fields: Any) -> Endpoint:
    """A chat endpoint; `base_url` points it at a server of the test's. Without one it is Quotes."""
    base_url = fields.pop("base_url", None)
    provider = {"provider": "openai_compat", "model": "fake-chat", "options": {"base_url": base_url}}
    defaults = {
        "name": f"model {next(_numbers)}",
        "kind": Endpoint.Kind.CHAT,
        "last_check_ok": True,
        **(provider if base_url else {"provider": "quotes"}),
    }
    return Endpoint.objects.create(**defaults | fields)


def workspace(*, dimensions: int = 3, **fields: Any) -> Workspace:
    fields.setdefault("name", f"workspace {next(_numbers)}")
    fields.setdefault("languages", ["en"])
    fields.setdefault("relevance_floor", 0.22)  # as if calibrated
    made_by = fields.pop("created_by", None)
    fields.setdefault("embedder", None)
    fields["embedder"] = fields["embedder"] or embedder(dimensions=dimensions)
    return provision_workspace(made_by, **fields)


def member(of: Workspace, role: str = Role.VIEWER, **fields: Any) -> User:
    made = user(**fields)
    Membership.objects.create(workspace=of, user=made, role=role)
    return made


def document(of: Workspace, **fields: Any) -> Document:
    """A ready document without sections; `content` stores a file under it."""
    content: bytes | None = fields.pop("content", None)
    defaults = {
        "title": f"document {next(_numbers)}.txt",
        "media_type": "text/plain",
        "size_bytes": len(content or b"some text"),
        "content_sha256": f"{next(_numbers):064x}",
        "language": of.languages[0],
        "status": Document.Status.READY,
        "stage": Document.Stage.DONE,
        "next_attempt_at": None,
    }
    made = Document(workspace=of, **defaults | fields)
    if content is not None:
        made.file.save(made.title, ContentFile(content), save=False)
    made.save()
    Workspace.objects.filter(pk=of.pk).update(
        document_count=F("document_count") + 1,
        size_bytes=F("size_bytes") + made.size_bytes,
        chunk_count=F("chunk_count") + made.chunk_count,
    )
    return made


def section(of: Document, text: str, **fields: Any) -> Section:
    fields.setdefault("position", of.sections.count())
    return Section.objects.create(document=of, text=text, **fields)


def session(of: User, **fields: Any) -> Session:
    return Session.objects.create(user=of, **fields)


def turn(to: Session, question: str = "What is it?", **fields: Any) -> Turn:
    """A question after the last one of the path that was shown last."""
    fields = {
        "message_id": f"message-{next(_numbers)}",
        "parent": to.turns.order_by("-shown_at").first(),
    } | fields
    return to.turns.create(text=question, **fields)


def answer(
    to: Session, question: str = "What is it?", *, workspace: Workspace | None = None, **fields: Any
) -> Answer:
    """A finished answer to a question of its own; `passages` are numbered from 1."""
    passages: Sequence[dict[str, Any]] = fields.pop("passages", ())
    ended = {"status": Answer.Status.FINISHED, "ended_at": timezone.now()}
    made = Answer.objects.create(
        turn=turn(to, question, workspace=workspace), **{"endpoint_name": "a model", **ended} | fields
    )
    for number, passage in enumerate(passages, 1):
        blank = {"document_title": "A document", "section": 0, "start": 0, "end": 4, "text": "Text"}
        made.passages.create(number=number, **blank | passage)
    return made


def answer_beside(other: Answer, **fields: Any) -> Answer:
    """A finished answer to the same turn; in the same lane unless `lane` says another."""
    ended = {"status": Answer.Status.FINISHED, "ended_at": timezone.now()}
    return Answer.objects.create(
        turn=other.turn, **{"endpoint_name": "a model", "lane": other.lane, **ended} | fields
    )


def version(of: Answer, **fields: Any) -> Answer:
    """A later version of an answer."""
    return answer_beside(of, **{"message_id": f"message-{next(_numbers)}"} | fields)
