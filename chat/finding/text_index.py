"""The full-text index of conversations: titles, questions, and answers with their questions.

A text is indexed when its user searches, or within a minute by a worker. So a search finds an answer that has just
ended, asking a question costs nothing more, and existing conversations are indexed in batches after an upgrade.

The terms are those of the search in documents (inference.language.analyzer), unstemmed and in the detected language.
A lexeme is `user:term`, and `user<mret` for the ends of long words. Chat completions are not indexed: their client
shows the conversation.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Model, QuerySet

from accounts.models import User
from chat.models import Answer, IndexedText, Session, Turn
from inference.language.analyzer import VERSION, terms
from inference.language.detection import UNKNOWN, detect
from inference.language.letters import lower, normalize
from workspaces.engines.pgvector.tsquery import quote_term

M = TypeVar("M", bound=Model)

BATCH = 100  # texts of one transaction
MIN_COMPOUND = 8  # letters of a word that can be found by its last part
_MAX_POSITIONS = 255  # PostgreSQL's limit for one lexeme


@dataclass(frozen=True, slots=True)
class _Text:
    session: Session
    text: str
    turn: Turn | None = None
    answer: Answer | None = None


def index_texts(user: User | None = None, within_s: float = 60.0) -> bool:
    """Index the texts that are not indexed yet, of this user or of all, for this time. Return whether all are.

    The newest ones come first, and one batch of each kind at least is indexed.
    """
    ends_at = time.monotonic() + within_s
    while sum(index(user) for index in (_index_titles, _index_questions, _index_answers)):
        if time.monotonic() > ends_at:
            return False
    return True


def forget_outdated() -> Iterator[int]:
    """Delete what an earlier version of the analyzer indexed, so that it is indexed again. Yield after each batch."""
    while keys := list(IndexedText.objects.filter(analyzer__lt=VERSION).values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            rows = IndexedText.objects.filter(pk__in=keys)
            Answer.objects.filter(pk__in=rows.exclude(answer=None).values("answer")).update(is_indexed=False)
            Turn.objects.filter(pk__in=rows.filter(answer=None).values("turn")).update(is_indexed=False)
            Session.objects.filter(pk__in=rows.filter(turn=None).values("session")).update(indexed_title="")
            rows.delete()
        yield len(keys)


def owner(user_id: UUID) -> str:
    """Return what the lexemes of this user begin with. Two users may share it, so a search asks for the user, too."""
    return user_id.hex[:6]


def lexeme(user_id: UUID, term: str) -> str:
    """Return the quoted lexeme of a term of this user's texts."""
    return quote_term(f"{owner(user_id)}:{term}")


def ending(user_id: UUID, word: str) -> str:
    """Return the quoted beginning of the lexemes of long words that end with this one."""
    return quote_term(f"{owner(user_id)}<{word[::-1]}")


@transaction.atomic
def _index_titles(user: User | None) -> bool:
    rows = _locked(_of(user, Session.objects.exclude(title=F("indexed_title")), "user"))
    IndexedText.objects.filter(session__in=rows, turn=None).delete()
    _insert([_Text(row, row.title) for row in rows])
    for row in rows:
        Session.objects.filter(pk=row.pk).update(indexed_title=row.title)
    return len(rows) == BATCH


@transaction.atomic
def _index_questions(user: User | None) -> bool:
    turns = Turn.objects.select_related("session").filter(is_indexed=False)
    rows = _locked(_of(user, turns, "session__user"))
    _insert([_Text(row.session, row.text, row) for row in rows])
    return _mark(Turn, rows)


@transaction.atomic
def _index_answers(user: User | None) -> bool:
    ended = Answer.objects.select_related("turn__session").filter(is_indexed=False, ended_at__isnull=False)
    rows = _locked(_of(user, ended, "turn__session__user").defer("trace"))
    _insert(
        [_Text(row.turn.session, f"{row.turn.text}\n\n{row.text}", row.turn, row) for row in rows if row.text]
    )
    return _mark(Answer, rows)


def _of(user: User | None, rows: QuerySet[M], owner: str) -> QuerySet[M]:
    return rows.filter(**{owner: user}) if user else rows


def _locked(rows: QuerySet[M]) -> list[M]:
    return list(rows.order_by("-created_at", "pk").select_for_update(of=("self",))[:BATCH])


def _mark(model: type[M], rows: Sequence[M]) -> bool:
    model._default_manager.filter(pk__in=[row.pk for row in rows]).update(is_indexed=True)
    return len(rows) == BATCH


_INSERT = """
    INSERT INTO chat_indexedtext (user_id, session_id, turn_id, answer_id, words, language, analyzer)
    VALUES (%s, %s, %s, %s, %s::tsvector, %s, %s)
"""


def _insert(texts: Sequence[_Text]) -> None:
    """Index the texts, except those of sessions that are deleted, temporary, or of a chat completions client."""
    listed = (each for each in texts if each.session.keeps_words and each.session.preface is None)
    rows = [_row(each) for each in listed if each.session.user_id]
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)


def _row(text: _Text) -> tuple[Any, ...]:
    session, language = text.session, detect(text.text) or UNKNOWN
    assert session.user_id
    keys = (session.pk, text.turn and text.turn.pk, text.answer and text.answer.pk)
    return session.user_id, *keys, _tsvector(session.user_id, text.text, language), language, VERSION


def _tsvector(user_id: UUID, text: str, language: str) -> str:
    places: dict[str, set[int]] = defaultdict(set)
    for each in _ways_to_read(text, language):
        for term in terms(text, each):
            places[lexeme(user_id, term.text)].add(term.position)
            places[lexeme(user_id, term.word)].add(
                term.position
            )  # a query may be too short to tell its language
            if len(term.word) >= MIN_COMPOUND and term.word.isalpha():
                places[ending(user_id, term.word)].add(term.position)
    marked = (f"{each}:{','.join(map(str, sorted(at)[:_MAX_POSITIONS]))}" for each, at in places.items())
    return " ".join(marked)


def _ways_to_read(text: str, language: str) -> set[str]:
    """Return the languages to analyze the text in: without a language, too, if that gives other letters."""

    def letters(language: str) -> str:
        return lower(normalize(text, language), language)

    return {language} if letters(language) == letters(UNKNOWN) else {language, UNKNOWN}
