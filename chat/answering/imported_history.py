"""What was said before a session began, as told by a client that keeps its own history."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.text import storable

from .history import MAX_TURNS, Exchange


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    instructions: str = ""  # how to answer, from whoever made the client
    exchanges: Sequence[Exchange] = ()  # oldest first

    def as_json(self) -> dict[str, Any]:
        """Return what the session keeps: as many exchanges as a prompt looks at."""
        kept = [[storable(each.question), storable(each.answer)] for each in self.exchanges[-MAX_TURNS:]]
        return asdict(ImportedHistory(storable(self.instructions))) | {"exchanges": kept}

    @classmethod
    def from_json(cls, kept: dict[str, Any] | None) -> "ImportedHistory":
        if kept is None:
            return cls()
        return cls(kept["instructions"], [Exchange(*pair) for pair in kept["exchanges"]])
