"""Conversations as an import reads them, whatever the format of the file, and what was left out of them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chat.models import Answer

TICK = timedelta(microseconds=1)  # keeps the order of messages with the same time
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)  # an earlier time is none

# What an import may leave out, by kind. The rows of imports hold the kinds; pages and replies show these words.
WORDS = {
    "pictures": ("picture", "pictures"),
    "recordings": ("voice recording", "voice recordings"),
    "files": ("attached file", "attached files"),
    "tools": ("step of a tool", "steps of tools"),
    "hidden": ("hidden message", "hidden messages"),
    "empty": ("empty message", "empty messages"),
    "unknown": ("message of an unknown kind", "messages of unknown kinds"),
    "unconnected": ("message without a way to the first one", "messages without a way to the first one"),
    "before_question": ("answer before the first question", "answers before the first question"),
    "versions": ("version beyond those that a question can have", "versions beyond those that a question can have"),
    "withheld": ("answer that was withheld at the export", "answers that were withheld at the export"),
    "ratings": ("rating, which is about a model of another site", "ratings, which are about models of another site"),
    "empty_conversations": ("conversation without a question", "conversations without a question"),
    "large_conversations": ("conversation that is too large", "conversations that are too large"),
    "unreadable_conversations": (
        "entry that is no conversation of a known kind", "entries that are no conversations of a known kind",
    ),
}  # fmt: skip
LeftOut = Counter[str]


def describe(left_out: dict[str, int]) -> list[str]:
    """Return a line for each kind, in a fixed order: "2 pictures"."""
    return [
        f"{left_out[kind]:,} {words[left_out[kind] != 1]}"
        for kind, words in WORDS.items()
        if left_out.get(kind)
    ]


@dataclass(slots=True)
class Passage:
    number: int
    title: str
    text: str
    title_path: list[str] = field(default_factory=list)
    page: int | None = None


@dataclass(slots=True)
class ImportedAnswer:
    text: str
    model: str
    at: datetime
    ended_at: datetime
    lane: int = 0
    status: str = Answer.Status.FINISHED
    error: str = ""
    grounding: str = Answer.Grounding.NONE
    finish_reason: str = "stop"
    thinking: str = ""
    chosen_at: datetime | None = None
    passages: list[Passage] = field(default_factory=list)


@dataclass(slots=True)
class ImportedTurn:
    key: str  # unique in the conversation
    parent: str | None  # the key of an earlier turn in the list
    text: str
    at: datetime
    answers: list[ImportedAnswer] = field(default_factory=list)
    shown_at: datetime | None = None  # when it was the end of the path; None: when it was asked


@dataclass(slots=True)
class Conversation:
    origin: str  # the kind of the file, and the id in it
    title: str
    created_at: datetime
    updated_at: datetime
    turns: list[ImportedTurn]  # each after the one that it follows
    shown: str | None = None  # the key of the turn that ends the path on the screen
    is_pinned: bool = False


class Clock:
    """Reads times, and gives what has none the time of what is before it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def read(self, value: Any) -> datetime | None:
        """Return the time of seconds since 1970 or of an ISO 8601 text; None for anything else.

        A time in the future becomes now: what is asked next comes after it.
        """
        try:
            if isinstance(value, str):
                at = datetime.fromisoformat(value)
                at = at if at.tzinfo else at.replace(tzinfo=UTC)
            else:
                at = datetime.fromtimestamp(float(value), UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            return None
        return min(at, self.now) if at >= _FIRST else None

    def after(self, value: Any, *before: datetime | None) -> datetime:
        """Return the time, or the latest of `before` if it is unknown or earlier; now if all are unknown."""
        known = [at for at in (self.read(value), *before) if at]
        return max(known, default=self.now)


def texts(values: Any) -> Iterator[str]:
    """Yield the texts of a list that may hold anything."""
    if isinstance(values, list):
        yield from (each for each in values if isinstance(each, str))
