"""The branches of a session: an edited question is another version of a turn, with a path of its own below it.

The path on the screen begins with a first turn and ends with the turn that was shown last (`Turn.shown_at`): the newest
one, or the end of the branch that the user has chosen since. So it is the same after a reload and on another device.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import Http404

from chat.models import Session, Turn

_NO_TURN = "There is no such question in this conversation."


@dataclass(frozen=True, slots=True)
class _Node:
    id: UUID
    parent: UUID | None
    created_at: datetime
    shown_at: datetime


class Tree:
    """The turns of one session, without their texts."""

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._children: dict[UUID | None, list[_Node]] = defaultdict(list)
        for node in sorted(nodes, key=lambda node: node.created_at):
            self._children[node.parent].append(node)

    @classmethod
    def of(cls, session: Session) -> "Tree":
        rows = session.turns.order_by().values_list("pk", "parent_id", "created_at", "shown_at")
        return cls([_Node(*row) for row in rows])

    @property
    def end(self) -> UUID | None:
        """The end of the path that was shown last; None: there is no turn."""
        return max(self._nodes.values(), key=lambda node: node.shown_at).id if self._nodes else None

    def path(self, end: UUID | None = None) -> list[UUID]:
        """Return the turns from the first one to this one, or to the one that was shown last."""
        path, end = [], end or self.end
        while end:
            path.append(end)
            end = self._nodes[end].parent
        return path[::-1]

    @property
    def turns(self) -> list[UUID]:
        """All turns, each after the one that it follows."""
        return [node.id for node in sorted(self._nodes.values(), key=lambda node: node.created_at)]

    def check(self, turn_id: UUID) -> None:
        """Raise Http404 if the turn is not in this session."""
        if turn_id not in self._nodes:
            raise Http404(_NO_TURN)

    def versions(self, turn_id: UUID) -> list[UUID]:
        """Return the versions of the same question, this one included, oldest first."""
        return [node.id for node in self._children[self._nodes[turn_id].parent]]

    def end_below(self, turn_id: UUID) -> UUID:
        """Return the turn below this one, or itself, that was shown last. Raises Http404 for an unknown turn."""
        self.check(turn_id)
        found, waiting = self._nodes[turn_id], [turn_id]
        while waiting:
            below = self._children[waiting.pop()]
            found = max([found, *below], key=lambda node: node.shown_at)
            waiting += [node.id for node in below]
        return found.id


def versions_of(turn: Turn) -> list[UUID]:
    """Return what `Tree.versions` returns. It reads only these turns, so it costs the same however long the session is."""
    same = Turn.objects.filter(session_id=turn.session_id, parent_id=turn.parent_id)
    return list(same.order_by("created_at").values_list("pk", flat=True))
