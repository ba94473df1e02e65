"""Continue as mine: a reader's own session with what they may see of a shared conversation.

What is withheld from the reader is not copied: a sentence stands in its place, for ever. The copied answers keep all
passages that they rest on, so that they are withheld too if the reader loses access later. Only the reader's own rights
count, not that a link is open to anybody.
"""

from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from accounts.models import User
from chat.models import Answer, AnswerPassage, Session, SharedLink, Turn
from workspaces.access import workspaces_for

from .snapshot import Snapshot
from .withheld import Withheld, withheld_from

WITHHELD_QUESTION = "(This question was withheld in the shared conversation.)"
WITHHELD_ANSWER = (
    "This answer was withheld in the shared conversation: it rests on documents that you may not see."
)
_KEPT = (
    "endpoint_id",
    "endpoint_name",
    "lane",
    "parameters",
    "text",
    "grounding",
    "status",
    "error",
    "is_imported",
)


@dataclass(slots=True)
class _Copies:
    turns: list[Turn] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    passages: list[AnswerPassage] = field(default_factory=list)


@transaction.atomic
def copy_conversation(reader: User, link: SharedLink) -> Session:
    """Return a new session of the reader's. link: as `check_reader` allowed it."""
    settled = Session.Naming.SETTLED  # no model replaces it
    session = Session.objects.create(user=reader, title=link.name, naming=settled)
    made = _copy(
        session, Snapshot.from_json(link.snapshot), withheld_from(reader, link, own_rights_only=True)
    )
    Turn.objects.bulk_create(made.turns)
    Answer.objects.bulk_create(made.answers)
    AnswerPassage.objects.bulk_create(made.passages)
    return session


def _copy(session: Session, snapshot: Snapshot, withheld: Withheld) -> _Copies:
    turns = Turn.objects.in_bulk([turn for turn, _ in snapshot.turns])
    answers = Answer.objects.defer("trace").prefetch_related("passages").in_bulk(snapshot.answers)
    entered = set(workspaces_for(session.owner).values_list("pk", flat=True))
    made, read = _Copies(), list[tuple[str, str]]()
    for id, answer_ids in snapshot.turns:
        turn = _copy_turn(turns[id], session, made, withheld, entered)
        before = list(read)
        for each in answer_ids:
            answer = _copy_answer(answers[each], turn, made, is_withheld=each in withheld.answers)
            answer.trace = {"history": before, "summary": ""}  # supposed to have read all before it
            read.append((str(turn.pk), str(answer.pk)))
    return made


def _copy_turn(turn: Turn, session: Session, made: _Copies, withheld: Withheld, entered: set[UUID]) -> Turn:
    is_withheld = turn.pk in withheld.questions
    copied = Turn(
        session=session,
        parent=made.turns[-1] if made.turns else None,
        message_id=str(turn.pk),
        text=WITHHELD_QUESTION if is_withheld else turn.text,
        workspace_id=turn.workspace_id if turn.workspace_id in entered else None,
    )
    made.turns.append(copied)
    return copied


def _copy_answer(answer: Answer, turn: Turn, made: _Copies, *, is_withheld: bool) -> Answer:
    copied = Answer(turn=turn, has_compact_log=True)  # without times: no user waited for it
    for name in _KEPT:
        setattr(copied, name, getattr(answer, name))
    if is_withheld:
        copied.text, copied.error, copied.status = WITHHELD_ANSWER, "", Answer.Status.FINISHED
        copied.grounding = Answer.Grounding.NONE
    else:
        made.passages += [_copy_passage(each, copied) for each in answer.passages.all()]
    made.answers.append(copied)
    return copied


def _copy_passage(passage: AnswerPassage, answer: Answer) -> AnswerPassage:
    passage.pk, passage.answer = None, answer
    passage._state.adding = True
    return passage
