"""Erases one person: the account with all that is theirs alone, and the name in the audit log."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as LoginSession
from django.db.models import Q

from accounts import deletion, removal
from accounts.models import AuditEvent, Deletion, User, record
from accounts.operators import keeping_an_operator
from chat.models import Answer, Session, Turn
from core.db.cascade import delete_rows
from documents.models import Document
from workspaces.models import Workspace

from .events import naming, take_names_out

_BATCH = 5_000  # rows of one statement


@dataclass(slots=True)
class Person:
    """What is known of a person. user: None if the account is gone already."""

    username: str
    user: User | None
    ids: set[UUID] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """Return the names that identify the person, the longest first."""
        user = self.user
        told = {self.username, *((user.email, user.get_full_name()) if user else ())}
        return sorted((name for name in told if name), key=len, reverse=True)


def find_person(username: str) -> Person | None:
    """Return the person with this user name, also if only the audit log knows the name."""
    user = User.objects.filter(username=username).first()
    acted = AuditEvent.objects.filter(actor_name=username, user_id__isnull=False).order_by()
    person = Person(username, user, set(acted.values_list("user_id", flat=True).distinct()))
    if user:
        person.ids = {user.pk}
    is_known = user or person.ids or naming([username]).exists()
    return person if is_known else None


def _acted(person: Person) -> Q:
    return Q(user_id__in=person.ids) | Q(user_id=None, actor_name=person.username)


def what_goes(person: Person) -> dict[str, int]:
    """Return how many rows of each kind the erasure deletes or takes the name out of."""
    goes = removal.owned_by(person.user) if person.user else {}
    if person.user:
        goes["turns"] = Turn.objects.filter(session__user=person.user).count()
        goes["answers"] = Answer.objects.filter(turn__session__user=person.user).count()
    goes["audit events of the person, which lose the name"] = AuditEvent.objects.filter(
        _acted(person)
    ).count()
    goes["audit events about the person, which lose the name"] = naming(person.names).count()
    return {name: count for name, count in goes.items() if count}


def what_stays(person: Person) -> dict[str, str]:
    """Return what stays, with the reason."""
    documents = Document.objects.filter(created_by=person.user) if person.user else Document.objects.none()
    workspaces = Workspace.objects.filter(created_by=person.user) if person.user else Workspace.objects.none()
    return {
        f"{documents.count():,} documents": "they belong to their workspaces; they no longer say who added them, and "
        "their text stays as it is",
        f"{workspaces.count():,} workspaces": "they belong to their members; they no longer say who made them",
        "what the person did, in the audit log": "an auditor's record, under a made-up name",
        "backups and log files": "out of reach of this command; log files are replaced as they grow",
    }


def erase(person: Person) -> Iterator[int]:
    """Erase the person. Yield after each transaction how many rows it changed. Raises LastOperator at once.

    It may be repeated after a kill: the account goes last.
    """
    instead = f"erased-{uuid4().hex[:12]}"
    if person.user:
        _lock_out(person.user)
    yield from _finish_deletions(person.username)
    yield from _rename_actor(person, instead)
    yield from take_names_out(person.names, instead)
    yield from delete_rows(LogEntry.objects.filter(object_id__in=[str(each) for each in person.ids]))
    about = Deletion.objects.filter(kind=User._meta.label, target__in=[str(each) for each in person.ids])
    yield about.update(name=instead)
    yield Deletion.objects.filter(actor_name=person.username).update(actor_name=instead)
    if person.user:
        yield from _end_logins(person.user)
        yield from deletion.parts_of(person.user)
    record(None, "user.erase", instead)


def _finish_deletions(username: str) -> Iterator[int]:
    """Delete now what a worker has not deleted yet of the conversations that the person deleted."""
    begun = Deletion.objects.filter(kind=Session._meta.label, actor_name=username, finished_at=None)
    for each in begun:
        yield from deletion.parts_left(each)


def _lock_out(user: User) -> None:
    with keeping_an_operator():
        User.objects.filter(pk=user.pk).update(is_active=False)


def _rename_actor(person: Person, instead: str) -> Iterator[int]:
    acted = AuditEvent.objects.filter(_acted(person))
    while keys := list(acted.order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        yield AuditEvent.objects.filter(pk__in=keys).update(actor_name=instead, user_id=None)


def _end_logins(user: User) -> Iterator[int]:
    for login in LoginSession.objects.iterator(_BATCH):
        if login.get_decoded().get("_auth_user_id") == str(user.pk):
            login.delete()
            yield 1
