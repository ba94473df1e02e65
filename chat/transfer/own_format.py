"""Reads a conversation of our own format, which chat.transfer.export_json writes (docs/guide/chat_format.md).

Nothing in the file is believed: ids only say which turn follows which, a document's id leads nowhere, and the passages
are marked as imported.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from chat.models import Answer
from core.text import storable

from .conversations import TICK, Clock, Conversation, ImportedAnswer, ImportedTurn, LeftOut, Passage, texts

_STATUSES = {"finished": Answer.Status.FINISHED, "failed": Answer.Status.FAILED}
_GROUNDINGS = {each.value: each for each in Answer.Grounding if each != Answer.Grounding.DEGRADED}
_REASONS = {"stop", "length", "filtered"}
_MOST_LANES = 4
_MOST_ANSWERS = 40


def is_conversation(raw: Any) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("turns"), list)


def read_conversation(raw: Mapping[str, Any], now: datetime, left_out: LeftOut) -> Conversation | None:
    """Return the conversation, or None if it has no question. Count in `left_out` what is not in it."""
    clock = Clock(now)
    created_at = clock.after(raw.get("createdAt"))
    turns = _read_turns(raw["turns"], created_at, clock, left_out)
    if not turns:
        return None
    return Conversation(
        origin=f"ragsite {_id_of(raw, turns)}",
        title=_string(raw.get("title")),
        created_at=min(created_at, turns[0].at),
        updated_at=clock.after(raw.get("updatedAt"), max(turn.at for turn in turns)),
        turns=turns,
        shown=_string(raw.get("shownTurnId")) or None,
        is_pinned=raw.get("isPinned") is True,
    )


def _id_of(raw: Mapping[str, Any], turns: Sequence[ImportedTurn]) -> str:
    keys = "\n".join(turn.key for turn in turns)
    return _string(raw.get("id"))[:100] or sha256(keys.encode()).hexdigest()


def _read_turns(raw: Sequence[Any], start: datetime, clock: Clock, left_out: LeftOut) -> list[ImportedTurn]:
    """Return the turns in the order of the file: a turn follows only one before it."""
    found: dict[str, ImportedTurn] = {}
    for place, each in enumerate(raw):
        if not isinstance(each, dict) or not _string(each.get("text")).strip():
            left_out["unknown"] += 1
            continue
        parent = found.get(_string(each.get("parentId")))
        left_out["unconnected"] += bool(each.get("parentId")) and parent is None
        at = clock.after(each.get("createdAt"), parent.at + TICK if parent else start)
        key = _string(each.get("id")) or f"turn {place}"
        shown_at = clock.read(each.get("shownAt"))
        turn = ImportedTurn(key, parent.key if parent else None, _string(each["text"]), at, shown_at=shown_at)
        for answer in _list(each.get("answers")):
            _add_answer(turn, answer, clock, left_out)
        found.setdefault(key, turn)
    return list(found.values())


def _add_answer(turn: ImportedTurn, raw: Any, clock: Clock, left_out: LeftOut) -> None:
    answer = raw if isinstance(raw, dict) else {}
    if len(turn.answers) >= _MOST_ANSWERS:
        left_out["versions"] += 1
    elif answer.get("isWithheld"):
        left_out["withheld"] += 1
    elif not answer:
        left_out["unknown"] += 1
    else:
        left_out["ratings"] += bool(answer.get("rating"))
        turn.answers.append(_read_answer(turn, answer, clock))


def _read_answer(turn: ImportedTurn, raw: Mapping[str, Any], clock: Clock) -> ImportedAnswer:
    at = clock.after(raw.get("createdAt"), turn.at)
    grounding = _GROUNDINGS.get(_string(raw.get("grounding")), Answer.Grounding.NONE)
    reason = _string(raw.get("finishReason"))
    return ImportedAnswer(
        text=_string(raw.get("text")),
        model=_string(raw.get("model")),
        at=at,
        ended_at=clock.after(raw.get("endedAt"), at),
        lane=_whole(raw.get("lane"), _MOST_LANES - 1) or 0,
        status=_STATUSES.get(_string(raw.get("status")), Answer.Status.STOPPED),
        error=_string(raw.get("error")),
        grounding=grounding,
        finish_reason=reason if reason in _REASONS else "stop",
        thinking=_string(raw.get("thinking")),
        chosen_at=clock.read(raw.get("chosenAt")),
        passages=_read_passages(raw.get("passages")),
    )


def _read_passages(raw: Any) -> list[Passage]:
    found: dict[int, Passage] = {}
    for each in _list(raw):
        number = _whole(each.get("number"), 999) if isinstance(each, dict) else None
        if number:
            titles = [storable(title) for title in texts(each.get("titlePath"))]
            page = _whole(each.get("page"), 10_000_000)
            text, title = _string(each.get("text")), _string(each.get("documentTitle"))
            found.setdefault(number, Passage(number, title, text, titles, page))
    return list(found.values())


def _string(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any, most: int) -> int | None:
    return value if type(value) is int and 0 <= value <= most else None
