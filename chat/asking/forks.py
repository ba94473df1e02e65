"""Forks a session: a new one begins with a copy of the conversation up to an answer.

The copies keep their passages, so what a user may not see any more is withheld from the fork, too. They cost nothing: the
tokens were paid for in the first session.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat.answering.branches import Tree
from chat.errors import QuestionRefused
from chat.models import Answer, AnswerPassage, Session, Turn

from .sessions import TEMPORARY_TITLE, fitting_title
from .turns import answer_for

_BATCH_SIZE = 500  # rows of one INSERT
# What a copy does not take over. The history of a trace names turns of the first session.
_NOT_COPIED: dict[str, Any] = {
    "lane": 0,
    "message_id": None,
    "continues_id": None,
    "chosen_at": None,
    "fence": 0,
    "lease_until": None,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost": 0,
    "broken_off": [],
    "has_compact_log": True,
    "is_indexed": False,
}


@transaction.atomic
def fork_session(user: User, answer_id: UUID) -> Session:
    """Create a session with the path to this answer, and with the answer that each turn goes on with.

    Raises Http404, and QuestionRefused if the answer has no text to go on from.
    """
    last = answer_for(user, answer_id)
    if not last.has_words:
        raise QuestionRefused(
            "A chat can only be forked from an answer that has ended and has text: choose another one."
        )
    old = last.turn.session
    title = TEMPORARY_TITLE if old.is_temporary else fitting_title(f"Fork · {old.title}")
    until = Session.new_end() if old.is_temporary else None
    settled = Session.Naming.SETTLED  # no model replaces it
    fork = Session.objects.create(
        user=user, title=title, naming=settled, preface=old.preface, temporary_until=until
    )
    turns = _turns_to(last)
    copies = _copy_turns(turns, fork)
    chosen = [last if turn.pk == last.turn_id else turn.goes_on_with() for turn in turns]
    _copy_answers({answer: copy for answer, copy in zip(chosen, copies, strict=True) if answer})
    return fork


def _turns_to(last: Answer) -> list[Turn]:
    path = Tree.of(last.turn.session).path(last.turn_id)
    found = Turn.objects.prefetch_related("answers").in_bulk(path)
    return [found[each] for each in path]


def _copy_turns(turns: Sequence[Turn], fork: Session) -> list[Turn]:
    copies: list[Turn] = []
    for place, turn in enumerate(turns):
        copies.append(
            Turn(
                session=fork,
                parent=copies[-1] if copies else None,
                shown_at=timezone.now() + timedelta(microseconds=place),
                message_id=turn.message_id,
                text=turn.text,
                workspace_id=turn.workspace_id,
                filters=turn.filters,
                created_at=turn.created_at,
            )
        )
    return Turn.objects.bulk_create(copies, _BATCH_SIZE)


def _copy_answers(places: dict[Answer, Turn]) -> None:
    """Copy answers with their passages. places: answer -> the copy of its turn."""
    ids = {answer.pk: uuid4() for answer in places}
    Answer.objects.bulk_create(
        (_copy(each, ids[each.pk], turn) for each, turn in places.items()), _BATCH_SIZE
    )
    passages = AnswerPassage.objects.filter(answer__in=ids).iterator(_BATCH_SIZE)
    AnswerPassage.objects.bulk_create((_of(ids[each.answer_id], each) for each in passages), _BATCH_SIZE)


def _copy(answer: Answer, id: UUID, turn: Turn) -> Answer:
    kept = {field.attname: getattr(answer, field.attname) for field in Answer._meta.concrete_fields}
    trace = {name: value for name, value in answer.trace.items() if name != "history"}
    return Answer(**kept | _NOT_COPIED | {"id": id, "turn_id": turn.pk, "trace": trace})


def _of(answer_id: UUID, passage: AnswerPassage) -> AnswerPassage:
    passage.pk, passage.answer_id = None, answer_id
    return passage
