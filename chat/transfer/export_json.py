"""Writes conversations as JSON in our own format, which chat.transfer.own_format reads (docs/guide/chat_format.md).

The file is written a few turns at a time: the largest conversation takes no more memory than a small one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from accounts.models import User
from chat.answering.branches import Tree
from chat.models import Answer, AnswerPassage, AnswerRating, Session, Turn
from workspaces.access import workspaces_for

from .reading import passages_of, read_answer, read_turns

FORMAT, VERSION = "ragsite-conversations", 1
_WITHHELD = (
    "An answer with isWithheld rests on documents that its reader may not see any more. It has neither words nor "
    "passages here."
)
Row = dict[str, Any]


def sessions_as_json(user: User, sessions: Iterable[Session]) -> Iterator[str]:
    """Yield the text of a file with these conversations, with all branches and versions."""
    yield _head()
    names = _workspace_names(user)
    for number, session in enumerate(sessions):
        tree = Tree.of(session)
        yield from [",\n" if number else "\n", _open(_session(session, tree.end))]
        for place, turn in enumerate(read_turns(user, tree.turns)):
            yield ",\n" if place else "\n"
            yield _json(_turn(turn, names, turn.answers.all()))
        yield "]}"
    yield "\n]}\n"


def answer_as_json(user: User, answer: Answer) -> Iterator[str]:
    """Yield the text of a file with the conversation of one answer: its question, and no other turn or answer."""
    session, found = answer.turn.session, read_answer(user, answer)
    # An id of its own: where one has imported the answer, the whole session may come in, too.
    told = _session(session, answer.turn_id) | {"id": answer.pk}
    turn = _turn(answer.turn, _workspace_names(user), [found]) | {"parentId": None}
    yield from [_head(), "\n", _open(told), "\n", _json(turn)]
    yield "]}\n]}\n"


def _head() -> str:
    facts = {"format": FORMAT, "version": VERSION, "exportedAt": timezone.now(), "note": _WITHHELD}
    return _open(facts, "sessions")


def _open(row: Row, name: str = "turns") -> str:
    """Return the row as JSON that goes on with a list of this name."""
    return f'{_json(row)[:-1]}, "{name}": ['


def _json(row: Row) -> str:
    return json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)


def _workspace_names(user: User) -> Mapping[Any, str]:
    return dict(workspaces_for(user).values_list("pk", "name"))


def _session(session: Session, shown: UUID | None) -> Row:
    return {
        "id": session.pk,
        "title": session.title,
        "isPinned": session.is_pinned,
        "createdAt": session.created_at,
        "updatedAt": session.updated_at,
        "shownTurnId": shown,
    }


def _turn(turn: Turn, names: Mapping[Any, str], answers: Iterable[Answer]) -> Row:
    name = names.get(turn.workspace_id)
    return {
        "id": turn.pk,
        "parentId": turn.parent_id,
        "text": turn.text,
        "workspace": {"id": turn.workspace_id, "name": name} if name else None,
        "filters": turn.filters,
        "createdAt": turn.created_at,
        "shownAt": turn.shown_at,
        "answers": [_answer(each) for each in answers],
    }


def _answer(answer: Answer) -> Row:
    is_withheld = answer.is_withheld  # type: ignore[attr-defined]  # an annotation
    return {
        "id": answer.pk,
        "model": answer.endpoint_name,
        "lane": answer.lane,
        "isVersion": answer.message_id is not None,
        "status": answer.status,
        "grounding": answer.grounding,
        "isWithheld": is_withheld,
        "text": "" if is_withheld else answer.text,
        "error": answer.error,
        "finishReason": answer.trace.get("finish_reason", ""),
        "thinking": answer.trace.get("thinking", ""),  # a withheld answer's trace has none
        "parameters": answer.parameters,
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "cost": answer.cost,
        "createdAt": answer.created_at,
        "startedAt": answer.started_at,
        "firstTokenAt": answer.first_token_at,
        "endedAt": answer.ended_at,
        "chosenAt": answer.chosen_at,
        "passages": [_passage(each) for each in passages_of(answer)],
        "rating": next(map(_rating, answer.ratings.all()), None),
    }


def _passage(passage: AnswerPassage) -> Row:
    return {
        "number": passage.number,
        "documentId": passage.document_id,
        "documentTitle": passage.document_title,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "titlePath": passage.title_path,
        "page": passage.page,
        "isImported": passage.is_imported,
    }


def _rating(rating: AnswerRating) -> Row:
    return {"isGood": rating.is_good, "comment": rating.comment, "at": rating.updated_at}
