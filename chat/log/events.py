"""The event types of an answer's log.

WebSocket frames, server-sent events, OpenAI chunks and the page's types follow them.

A finished answer without a Delta is valid: with the grounding "nothing_relevant" or "empty" no model was
called, so there is no text and no usage.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypedDict


class SourcePassage(TypedDict):
    number: int  # from 1, as the text cites it: [1]
    document_id: str
    title: str
    title_path: list[str]
    page: int | None
    text: str
    section: int
    start: int  # character offset in the section's text
    end: int


class Event:
    """An event before it has a sequence number in the log."""

    __slots__ = ()
    kind: ClassVar[str]

    @property
    def data(self) -> dict[str, Any]:
        """The fields as the log stores them in JSON, without those that are None."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))  # type: ignore[arg-type]
        return {name: value for name, value in found if value is not None}


@dataclass(frozen=True, slots=True)
class Queued(Event):
    kind = "queued"
    position: int  # how many answers wait before it; logged again when it changes


@dataclass(frozen=True, slots=True)
class Started(Event):
    kind = "started"
    model: str
    fence: int


@dataclass(frozen=True, slots=True)
class Retrieving(Event):
    kind = "retrieving"
    workspace: str  # its name


@dataclass(frozen=True, slots=True)
class Sources(Event):
    kind = "sources"
    grounding: str  # Answer.Grounding
    passages: list[SourcePassage]
    error: str | None = None  # a sentence, only if the grounding is "degraded"


@dataclass(frozen=True, slots=True)
class Thinking(Event):
    """The model thinks. Its thoughts are no part of the answer, of the history or of a summary."""

    kind = "thinking"
    text: str
    takes_back: bool | None = None  # true: all text so far was thinking, too, so the client discards it


@dataclass(frozen=True, slots=True)
class Delta(Event):
    kind = "delta"
    text: str  # the next words, verbatim
    is_old: bool | None = None  # true: the beginning, from the cut answer that this one continues


@dataclass(frozen=True, slots=True)
class UsageCounted(Event):
    kind = "usage"
    input_tokens: int
    output_tokens: int
    is_estimate: bool
    cost: str  # US dollars


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """The text so far is void: the client must discard it and start with empty text."""

    kind = "restarted"
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """A stop request ended the answer. The text so far is kept."""

    kind = "stopped"


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The answer failed. The text so far is kept."""

    kind = "failed"
    error: str  # a sentence for users
    retryable: bool
    is_refusal: bool | None = (
        None  # true: of this question; else the model's server or its configuration failed
    )


@dataclass(frozen=True, slots=True)
class Finished(Event):
    kind = "finished"
    reason: Literal["stop", "length", "filtered"]


EVENTS: dict[str, type[Event]] = {
    each.kind: each
    for each in (
        *(Queued, Started, Retrieving, Sources, Thinking, Delta, UsageCounted),
        *(Restarted, Stopped, Failed, Finished),
    )
}
TERMINAL = frozenset({Finished.kind, Stopped.kind, Failed.kind})


def text_of(events: Iterable[Event]) -> str:
    """Return the text of an answer after these events, without its thinking."""
    text: list[str] = []
    for event in events:
        if isinstance(event, Delta):
            text.append(event.text)
        elif isinstance(event, Thinking) and event.takes_back:
            text.clear()
    return "".join(text)


def read_event(kind: str, data: dict[str, Any]) -> Event:
    """Return the event that a row of the log holds."""
    return EVENTS[kind](**data)


@dataclass(frozen=True, slots=True)
class Logged:
    """A committed event, as it is sent to clients."""

    seq: int  # from 1, without gaps
    kind: str
    data: dict[str, Any]

    @classmethod
    def of(cls, seq: int, event: Event) -> "Logged":
        return cls(seq, event.kind, event.data)

    @property
    def event(self) -> Event:
        return read_event(self.kind, self.data)

    @property
    def is_last(self) -> bool:
        return self.kind in TERMINAL
