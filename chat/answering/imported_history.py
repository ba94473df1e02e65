"""The preface of a session: the earlier messages that a client sends because it keeps the history itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.text import storable

from .history import MAX_TURNS, Exchange


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    instructions: str = ""  # the client's system prompt
    exchanges: Sequence[Exchange] = ()  # oldest first

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that the session stores: at most as many exchanges as a prompt can use."""
        kept = [[storable(each.question), storable(each.answer)] for each in self.exchanges[-MAX_TURNS:]]
        return asdict(ImportedHistory(storable(self.instructions))) | {"exchanges": kept}

    @classmethod
    def from_json(cls, kept: dict[str, Any] | None) -> "ImportedHistory":
        if kept is None:
            return cls()
        return cls(kept["instructions"], [Exchange(*pair) for pair in kept["exchanges"]])
