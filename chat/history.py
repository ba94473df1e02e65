"""What a session was about so far, as much of it as a prompt may hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Prefetch

from inference.tokens import estimate_tokens
from inference.types import ChatMessage

from .models import Answer, Turn

TURNS_MOST = 20  # looked at; the cost of a turn does not grow with its session
TOKENS_MOST = 1_500  # in a prompt; a small model on two cores reads 60 to 100 a second


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, and what was answered: "" when there was no answer, or not yet."""

    question: str
    answer: str


def history_before(turn: Turn) -> list[Exchange]:
    """Return the last exchanges of a session before this turn, oldest first."""
    earlier = Turn.objects.filter(session_id=turn.session_id, created_at__lt=turn.created_at)
    answers = Prefetch("answers", Answer.objects.only("turn_id", "status", "text"))  # not their traces
    turns = list(earlier.order_by("-created_at").prefetch_related(answers)[:TURNS_MOST])
    return [Exchange(each.text, _words(each)) for each in reversed(turns)]


def _words(turn: Turn) -> str:
    """Return the turn's first answer with words in it: a stopped one counts, a failed one does not."""
    kept = (Answer.Status.FINISHED, Answer.Status.STOPPED)
    return next((each.text for each in turn.answers.all() if each.status in kept and each.text), "")


def messages_within(history: Sequence[Exchange], token_budget: int) -> list[ChatMessage]:
    """Return the newest answered exchanges that fit together, oldest first."""
    token_budget = min(token_budget, TOKENS_MOST)
    messages: list[ChatMessage] = []
    for exchange in reversed([each for each in history if each.answer]):
        pair = [ChatMessage("user", exchange.question), ChatMessage("assistant", exchange.answer)]
        token_budget -= tokens_of(pair)
        if token_budget < 0:
            break
        messages = pair + messages
    return messages


def tokens_of(messages: Sequence[ChatMessage]) -> int:
    """Return an estimate, on the long side; each message takes some tokens for its role."""
    return sum(4 + estimate_tokens(message.text) for message in messages)
