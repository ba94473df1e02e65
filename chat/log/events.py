"""What an answer's log may hold, and what followers see. One table for the runner, the socket and SSE.

kind        data
queued      {"position": int}                                how many wait before it, from 0; again when that changed
started     {"model": str, "fence": int}
retrieving  {"workspace": str}
sources     {"grounding": str, "passages": [{"number", "document_id", "title", "title_path", "page", "text",
             "section", "start", "end"}], "error": str}      error: in words, only when grounding is "degraded"
delta       {"text": str}                                    the next words, verbatim
usage       {"input_tokens": int, "output_tokens": int, "is_estimate": bool, "cost": str}   US dollars
restarted   {"reason": str}                                  what was shown is void: begin with empty text
stopped     {}                                               the words so far are kept
failed      {"error": str, "retryable": bool}                in words, for people; the words so far are kept
finished    {"reason": "stop" | "length" | "filtered"}

A finished answer without a delta is no mistake: with the grounding "nothing_relevant" or "empty" no model was
asked, so there is no text and no usage.
"""

from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"finished", "stopped", "failed"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event before it has a place in the log."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Logged:
    """An event that is committed."""

    seq: int  # from 1, without a gap
    kind: str
    data: dict[str, Any]

    @property
    def is_last(self) -> bool:
        return self.kind in TERMINAL
