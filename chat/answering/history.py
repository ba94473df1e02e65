"""The conversation history of a session, limited to what fits a prompt (the sliding window)."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from chat.models import Answer, Session, Turn
from core.db.pool import Query, Rows
from core.db.statements import Plan, statement
from inference.thinking import without_thinking
from inference.tokens import estimate_tokens
from inference.types import ChatMessage

from .branches import Tree
from .withholding import hidden_passages_from

MAX_TURNS = 20  # turns read from the database, so that a turn costs the same however long its session is
MAX_TOKENS = 1_500  # of history in a prompt; a small model on two cores reads 60 to 100 tokens a second


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with its answer: "" if there is none, or not yet."""

    question: str
    answer: str
    turn_id: UUID | None = field(default=None, compare=False)  # None: it comes from a preface
    answer_id: UUID | None = field(default=None, compare=False)
    is_cited: bool = field(default=False, compare=False)  # the answer is based on documents


@dataclass(slots=True)
class History:
    """The conversation before a turn: the last exchanges, oldest first, and the summary of earlier ones."""

    exchanges: list[Exchange] = field(default_factory=list)
    summary: str = ""

    @property
    def may_hold_documents(self) -> bool:
        return bool(self.summary) or any(each.is_cited for each in self.exchanges)


# The path from each turn to the first one, newest turn first: as far as the last turn of the summary if that is on the
# path, else the given number of turns. No turn is older than the one before it. For each turn, take the answer that the
# user chose last, else the newest one in the first lane that has text: the same rule as in Turn.goes_on_with.
_BEFORE = """
    WITH RECURSIVE path AS (
        SELECT now.id AS now_id, before.id, before.text, before.parent_id, before.created_at, 1 AS place,
            last.id AS last_id, last.created_at AS last_at, summary.text AS summary
        FROM chat_turn AS now
        LEFT JOIN chat_turn AS before ON before.id = now.parent_id
        LEFT JOIN (chat_summary AS summary JOIN chat_turn AS last ON last.id = summary.last_turn_id)
            ON summary.session_id = now.session_id
        WHERE now.id = ANY(%(now)s)
        UNION ALL
        SELECT path.now_id, turn.id, turn.text, turn.parent_id, turn.created_at, place + 1, last_id, last_at, summary
        FROM path JOIN chat_turn AS turn ON turn.id = path.parent_id
        WHERE path.id IS DISTINCT FROM last_id AND (place < %(most)s OR path.created_at > last_at)
    ), marked AS (
        SELECT path.*, place <= %(most)s AND id IS DISTINCT FROM last_id AS is_read,
            bool_or(id = last_id) OVER (PARTITION BY now_id) AS has_summary
        FROM path
    )
    SELECT now_id, CASE WHEN has_summary THEN summary END, CASE WHEN is_read THEN marked.id END, marked.text,
        answer.id, answer.text, answer.grounding
    FROM marked
    LEFT JOIN LATERAL (
        SELECT id, text, grounding FROM chat_answer
        WHERE is_read AND turn_id = marked.id AND status IN ('finished', 'stopped') AND text <> ''
        ORDER BY chosen_at DESC NULLS LAST, lane, created_at DESC LIMIT 1
    ) AS answer ON true
    ORDER BY place DESC
"""
# Citations of passages that are not in this prompt. They are removed, because the model would imitate them.
_CITED = re.compile(r" ?\[[1-9]\d{0,2}(?:, ?\d{1,3})*\]")


@statement
def load_histories(turns: Collection[Turn], most: int = MAX_TURNS) -> Plan[dict[UUID, History]]:
    """Return the history before each turn, in one query: the path to it, and nothing of other branches.

    A turn gets the summary only if the summary ends on its path. The exchanges, at most `most`, are those after the
    summary.
    """
    [rows] = yield [history_query(turns, most)]
    return read_histories(rows, turns)


def history_query(turns: Collection[Turn], most: int = MAX_TURNS) -> Query:
    """Return the query of `load_histories`. `read_histories` reads its rows."""
    return _BEFORE, {"most": most, "now": [turn.pk for turn in turns]}


def read_histories(rows: Rows, turns: Collection[Turn]) -> dict[UUID, History]:
    histories = {turn.pk: History() for turn in turns}
    for turn_id, summary, earlier_id, question, answer_id, text, grounding in rows:
        history = histories[turn_id]
        history.summary = summary or ""
        if earlier_id:
            words, is_cited = _words(text or "", grounding), grounding == Answer.Grounding.FOUND
            history.exchanges.append(Exchange(question, words, earlier_id, answer_id, is_cited))
    return histories


def _words(text: str, grounding: str) -> str:
    text = without_thinking(text)  # answers of earlier builds hold it
    return _CITED.sub("", text) if grounding == Answer.Grounding.FOUND else text


def load_exchanges(kept: Iterable[tuple[str, str | None]]) -> list[Exchange]:
    """Return the exchanges of these (turn, answer) ids, in this order, exactly as a prompt holds them."""
    pairs = list(kept)
    turns = Turn.objects.in_bulk([turn for turn, _ in pairs])
    answers = Answer.objects.in_bulk([answer for _, answer in pairs if answer])
    exchanges = []
    for turn_id, answer_id in pairs:
        answer = answers.get(UUID(answer_id)) if answer_id else None
        words = _words(answer.text, answer.grounding) if answer else ""
        turn = turns[UUID(turn_id)]
        is_cited = answer is not None and answer.grounding == Answer.Grounding.FOUND
        exchanges.append(Exchange(turn.text, words, turn.pk, answer.pk if answer else None, is_cited))
    return exchanges


def without_withheld(session: Session, history: History) -> History:
    """Return the history without the answers that the session's user may not see any more.

    The summary is left out if it may hold such an answer. Makes one query, and none if no answer cites a document; three
    if some answers are hidden.
    """
    if not history.may_hold_documents:
        return history
    passages = hidden_passages_from(session.owner).filter(answer__turn__session=session)
    hidden = set(passages.values_list("answer_id", flat=True))
    if not hidden:
        return history
    exchanges = [replace(each, answer="") if each.answer_id in hidden else each for each in history.exchanges]
    others = passages.filter(answer__in=hidden - {each.answer_id for each in exchanges})
    if history.summary and exchanges:  # no summary holds what is in another branch
        others = others.filter(answer__turn__in=Tree.of(session).path(exchanges[0].turn_id))
    return History(exchanges, "" if others.exists() else history.summary)


def load_history(turn: Turn, most: int = MAX_TURNS) -> History:
    return load_histories([turn], most)[turn.pk]


def messages_within(history: Sequence[Exchange], token_budget: int = MAX_TOKENS) -> list[ChatMessage]:
    """Return the newest answered exchanges that fit together, oldest first."""
    token_budget = min(token_budget, MAX_TOKENS)
    messages: list[ChatMessage] = []
    for exchange in reversed([each for each in history if each.answer]):
        pair = as_messages(exchange)
        token_budget -= tokens_of(pair)
        if token_budget < 0:
            break
        messages = pair + messages
    return messages


def as_messages(exchange: Exchange) -> list[ChatMessage]:
    return [ChatMessage("user", exchange.question), ChatMessage("assistant", exchange.answer)]


def tokens_of(messages: Sequence[ChatMessage]) -> int:
    """Return an estimate that is rather too high than too low.

    Each message takes 4 more tokens for its role.
    """
    return sum(4 + estimate_tokens(message.text) for message in messages)
