"""Which turns and answers a shared link shows: those that were on the screen when it was made or updated.

A snapshot holds ids and no words. Turns and ended answers never change, so the link shows the path as it was, and
nothing is left of it when its session is deleted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from chat.answering.branches import Tree
from chat.asking.sessions import title_of
from chat.errors import SharingRefused
from chat.models import Answer, Session

Row = tuple[UUID, tuple[UUID, ...]]  # a turn and its answers


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The turns in order, each with its answers; and the workspaces that they asked, also if one is deleted since."""

    turns: tuple[Row, ...]
    workspaces: frozenset[UUID]

    @property
    def answers(self) -> set[UUID]:
        return {answer for _, answers in self.turns for answer in answers}

    def as_json(self) -> dict[str, Any]:
        turns = [[str(turn), [str(each) for each in answers]] for turn, answers in self.turns]
        return {"turns": turns, "workspaces": sorted(map(str, self.workspaces))}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Snapshot":
        turns = tuple((UUID(turn), tuple(map(UUID, answers))) for turn, answers in kept["turns"])
        return cls(turns, frozenset(map(UUID, kept["workspaces"])))


def take_snapshot(session: Session, last_turn: UUID | None = None) -> Snapshot:
    """Return the path on the screen, or the path to this turn, with the version of each answer that is in front.

    An answer that is being written, and the questions after the last answer, are left out. Raises Http404 for a turn of
    another session, and SharingRefused if there is no answer.
    """
    tree = Tree.of(session)
    if last_turn:
        tree.check(last_turn)
    path = tree.path(last_turn)
    answers = _answers_in_front(path)
    answered = [place for place, turn in enumerate(path, 1) if turn in answers]
    if not answered:
        raise SharingRefused("There is no answer to share yet: wait until the first one has ended.")
    shown = path[: answered[-1]]
    asked = session.turns.filter(pk__in=shown, workspace__isnull=False).order_by()
    workspaces = asked.values_list("workspace", flat=True).distinct()
    return Snapshot(tuple((turn, answers.get(turn, ())) for turn in shown), frozenset(workspaces))


def _answers_in_front(turns: Iterable[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    """Return the answers of these turns, for each lane the version that was chosen or written last."""
    ended = Answer.objects.filter(turn__in=turns, status__in=Answer.ENDED)
    rows = ended.order_by("turn", "lane").values_list("turn", "lane", "pk", "chosen_at", "created_at")
    return {turn: tuple(_fronts(each)) for turn, each in groupby(rows, key=lambda row: row[0])}


def _fronts(rows: Iterable[tuple[Any, ...]]) -> Iterator[UUID]:
    for _, versions in groupby(rows, key=lambda row: row[1]):
        yield max(versions, key=lambda row: row[3] or row[4])[2]


def default_name(session: Session, snapshot: Snapshot) -> str:
    """Return the beginning of the first question. The session's own title may repeat an answer."""
    return title_of(session.turns.get(pk=snapshot.turns[0][0]).text)
