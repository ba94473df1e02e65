"""Stores an imported conversation as a session of its user, once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from uuid import UUID, uuid4

from accounts.models import User
from chat.asking.sessions import title_of
from chat.log.events import Delta, Event, Failed, Finished, Stopped
from chat.models import Answer, AnswerEvent, AnswerPassage, ImportedSession, Session, Turn
from core.text import one_line, storable, uuid_or_none

from .conversations import TICK, Conversation, ImportedAnswer, Passage

_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BATCH = 500  # rows of one statement


def is_here(user: User, origin: str) -> bool:
    """Tell whether the user has this conversation: imported before, or the very one that was exported."""
    found = ImportedSession.objects.filter(user=user, origin=origin)
    found.filter(session__user=None).delete()  # it is being deleted
    kind, _, id = origin.partition(" ")
    own = uuid_or_none(id) if kind == "ragsite" else None
    return found.exists() or (own is not None and Session.objects.filter(pk=own, user=user).exists())


def store(user: User, conversation: Conversation) -> None:
    """Store the conversation with its branches, versions and times, under ids of its own."""
    session = Session.objects.create(
        user=user,
        title=_cut(conversation.title, Session) or title_of(conversation.turns[0].text),
        naming=Session.Naming.OWN,  # no model replaces it
        is_pinned=conversation.is_pinned,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
    )
    ImportedSession.objects.create(session=session, user=user, origin=conversation.origin)
    ids = {turn.key: uuid4() for turn in conversation.turns}
    Turn.objects.bulk_create(_turns(session, conversation, ids), _BATCH)
    given = [
        (_answer(ids[turn.key], each, is_version), each)
        for turn in conversation.turns
        for each, is_version in _versions(turn.answers)
    ]
    Answer.objects.bulk_create([answer for answer, _ in given], _BATCH)
    AnswerEvent.objects.bulk_create((row for answer, _ in given for row in _log(answer)), _BATCH)
    AnswerPassage.objects.bulk_create(
        (_passage(answer, each) for answer, said in given for each in said.passages), _BATCH
    )


def _turns(session: Session, conversation: Conversation, ids: Mapping[str, UUID]) -> Iterator[Turn]:
    last = max(turn.shown_at or turn.at for turn in conversation.turns)
    for turn in conversation.turns:
        yield Turn(
            pk=ids[turn.key],
            session=session,
            parent_id=ids[turn.parent] if turn.parent else None,
            shown_at=last + TICK if turn.key == conversation.shown else turn.shown_at or turn.at,
            message_id=_message_id(turn.key),
            text=storable(turn.text),
            created_at=turn.at,
        )


def _message_id(key: str) -> str:
    return key if _MESSAGE_ID.fullmatch(key) else f"import:{sha256(key.encode()).hexdigest()[:40]}"


def _versions(answers: Iterable[ImportedAnswer]) -> Iterator[tuple[ImportedAnswer, bool]]:
    """Yield each answer, and whether it is a later version of one in the same lane."""
    lanes = set[int]()
    for each in answers:
        yield each, each.lane in lanes
        lanes.add(each.lane)


def _answer(turn_id: UUID, said: ImportedAnswer, is_version: bool) -> Answer:
    """Return the row of an answer. It cost this site nothing."""
    thinking = {"thinking": said.thinking} if said.thinking else {}
    return Answer(
        turn_id=turn_id,
        endpoint_name=_cut(said.model, Answer, "endpoint_name"),
        lane=said.lane,
        message_id=f"import:{uuid4()}" if is_version else None,
        chosen_at=said.chosen_at,
        status=said.status,
        grounding=said.grounding,
        text=storable(said.text),
        error=said.error,
        trace={"finish_reason": said.finish_reason} | thinking,
        created_at=said.at,
        started_at=said.at,
        ended_at=max(said.ended_at, said.at),
        has_compact_log=True,
        is_imported=True,
    )


def _log(answer: Answer) -> Iterator[AnswerEvent]:
    """Yield the log of an answer, which clients may follow like any other."""
    events = [Delta(answer.text)] if answer.text else []
    for seq, event in enumerate([*events, _end(answer)], 1):
        yield AnswerEvent(
            answer=answer, seq=seq, kind=event.kind, data=event.data, at=answer.ended_at or answer.created_at
        )


def _end(answer: Answer) -> Event:
    match answer.status:
        case Answer.Status.FAILED:
            return Failed(answer.error, retryable=False)
        case Answer.Status.STOPPED:
            return Stopped()
        case _:
            return Finished(answer.trace["finish_reason"])


def _passage(answer: Answer, said: Passage) -> AnswerPassage:
    return AnswerPassage(
        answer=answer,
        number=said.number,
        document_title=_cut(said.title, AnswerPassage, "document_title"),
        section=0,
        start=0,
        end=len(said.text),
        text=said.text,
        title_path=said.title_path,
        page=said.page,
        is_imported=True,
    )


def _cut(text: str, model: type[Session | Answer | AnswerPassage], field: str = "title") -> str:
    most: int = getattr(model._meta.get_field(field), "max_length", 0)
    return one_line(text)[:most]
