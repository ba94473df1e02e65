"""What a session was about so far, as much of it as a prompt may hold."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

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


# Of each turn's answers the one chosen last, else the newest in the first lane with words (Turn.goes_on_with).
_BEFORE = """
    SELECT now.id, earlier.text, answer.text, answer.grounding
    FROM chat_turn AS now
    CROSS JOIN LATERAL (
        SELECT id, text, created_at FROM chat_turn
        WHERE session_id = now.session_id AND created_at < now.created_at
        ORDER BY created_at DESC LIMIT %s
    ) AS earlier
    LEFT JOIN LATERAL (
        SELECT text, grounding FROM chat_answer
        WHERE turn_id = earlier.id AND status IN ('finished', 'stopped') AND text <> ''
        ORDER BY chosen_at DESC NULLS LAST, lane, created_at DESC LIMIT 1
    ) AS answer ON true
    WHERE now.id = ANY(%s)
    ORDER BY earlier.created_at
"""
# The numbers of passages that are not in this prompt; the model would cite them.
_CITED = re.compile(r" ?\[[1-9]\d{0,2}(?:, ?\d{1,3})*\]")


def histories_before(turns: Collection[Turn]) -> dict[UUID, list[Exchange]]:
    """Return, for each turn, the last exchanges of its session before it, oldest first: in one query."""
    histories: dict[UUID, list[Exchange]] = {turn.pk: [] for turn in turns}
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, [TURNS_MOST, list(histories)])
        for turn_id, question, text, grounding in cursor.fetchall():
            words = _CITED.sub("", text or "") if grounding == Answer.Grounding.FOUND else text or ""
            histories[turn_id].append(Exchange(question, words))
    return histories


def history_before(turn: Turn) -> list[Exchange]:
    return histories_before([turn])[turn.pk]


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
