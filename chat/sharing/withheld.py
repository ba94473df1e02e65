"""What of a shared conversation is withheld from a reader: their own rights decide, at each opening.

An answer is withheld if it rests on a document that the reader may not see, or was asked of a workspace that they may
not enter. It is also withheld if its prompt held a withheld answer, because it may repeat that; so is then its question.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KT

from accounts.models import User
from chat.answering.withholding import hidden_passages_from
from chat.models import Answer, AnswerPassage, SharedLink
from workspaces.access import workspaces_for

from .policy import current_policy

Reader = User | AnonymousUser


@dataclass(frozen=True, slots=True)
class Withheld:
    """Of all the session, not only of what the link shows."""

    answers: Collection[UUID]
    questions: Collection[UUID]  # turns


def withheld_from(reader: Reader, link: SharedLink, *, own_rights_only: bool = False) -> Withheld:
    """Return what the reader must not see. own_rights_only: also if the link is open to anybody."""
    open_to_anybody = [] if own_rights_only else _workspaces_open_to_anybody(link)
    answers, questions = set(_resting_on_hidden(reader, link, open_to_anybody)), set[UUID]()
    waiting = set(_reads_of(link)) if answers else set()
    while found := {each for each in waiting if not answers.isdisjoint(each.read)}:
        answers |= {each.answer for each in found}
        questions |= {each.turn for each in found}
        waiting -= found
    return Withheld(answers, questions)


def _resting_on_hidden(reader: Reader, link: SharedLink, open_to_anybody: Collection[UUID]) -> Iterator[UUID]:
    passages = AnswerPassage.objects.filter(answer__turn__session=link.session_id)
    hidden = passages.exclude(pk__in=_open_passages(open_to_anybody))
    if isinstance(reader, User):
        # Of a deleted document in a deleted workspace nothing is known any more.
        unknown = Q(document=None, answer__turn__workspace=None)
        hidden = hidden.filter(Q(pk__in=hidden_passages_from(reader)) | unknown)
    yield from hidden.values_list("answer", flat=True)
    elsewhere = Answer.objects.filter(turn__session=link.session_id, turn__workspace__isnull=False)
    entered = Q(turn__workspace__in=workspaces_for(reader)) | Q(turn__workspace__in=open_to_anybody)
    yield from elsewhere.exclude(entered).values_list("pk", flat=True)


def _workspaces_open_to_anybody(link: SharedLink) -> list[UUID]:
    """Return the workspaces that any reader of this link may enter, whatever their own rights."""
    policy = current_policy()
    if link.audience != SharedLink.Audience.ANYBODY or not policy.allows_anybody:
        return []
    return list(policy.open_workspaces.filter(deleted_at=None).values_list("pk", flat=True))


def _open_passages(workspaces: Collection[UUID]) -> QuerySet[AnswerPassage]:
    return AnswerPassage.objects.filter(
        answer__turn__workspace__in=workspaces,
        document__workspace__in=workspaces,
        document__access_level=0,
        document__deleted_at=None,
    )


@dataclass(frozen=True, slots=True)
class _Reads:
    """The earlier answers that the prompt of an answer held, or may have held."""

    answer: UUID
    turn: UUID
    read: frozenset[UUID]


def _reads_of(link: SharedLink) -> Iterator[_Reads]:
    """Yield what each answer of the session has read. If that was not recorded, suppose that it has read all before it."""
    answers = Answer.objects.filter(turn__session=link.session_id).order_by("created_at")
    told = answers.values(
        "pk",
        "turn",
        "continues",
        "status",
        "output_tokens",
        history=F("trace__history"),
        summary=KT("trace__summary"),
        prompt_tokens=KT("trace__prompt_tokens"),
    )
    own, earlier = set(answers.values_list("pk", flat=True)), set[UUID]()
    for row in told:
        read = {UUID(each) for _, each in row["history"] or () if each}
        if row["continues"]:
            read.add(row["continues"])
        if row["summary"] or not read <= own or not _is_recorded(row):
            read |= earlier
        yield _Reads(row["pk"], row["turn"], frozenset(read))
        earlier.add(row["pk"])


def _is_recorded(row: Mapping[str, Any]) -> bool:
    """Tell whether the trace says what was read, or no model was called."""
    was_called = row["output_tokens"] or row["prompt_tokens"] or row["status"] != Answer.Status.FINISHED
    return row["history"] is not None or not was_called
