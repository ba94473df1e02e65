"""Searches the conversations of one user: titles, questions and answers.

A text is found if it has all words of the query; if there is none, a session whose texts have them together; then
words that no text has stand for similar ones. An answer that is withheld from its user is not read, so it is neither
found nor quoted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.contrib.postgres.aggregates import BoolOr
from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import User
from chat.answering.withholding import hidden_passages_from
from chat.models import IndexedText, Session, Turn
from inference.language.detection import UNKNOWN

from .search_query import SearchQuery, SoughtWord
from .snippets import Snippet, cut_snippet, mark_words, words_in
from .text_index import index_texts

CHECKED_AT_ONCE = 60  # sessions
INDEXING_S = 0.5  # that a search may spend on texts which no worker has indexed yet
# A loose index scan: it reads one row for each language, however many texts there are.
_LANGUAGES = """
    WITH RECURSIVE found AS (
        (SELECT language FROM chat_indexedtext WHERE user_id = %(user)s ORDER BY language LIMIT 1)
        UNION ALL
        SELECT (SELECT language FROM chat_indexedtext
                WHERE user_id = %(user)s AND language > found.language ORDER BY language LIMIT 1)
        FROM found WHERE found.language IS NOT NULL
    )
    SELECT language FROM found WHERE language IS NOT NULL
"""


class _Fits(Func):
    """A tsvector @@ a tsquery."""

    template, arg_joiner, output_field = "%(expressions)s", " @@ ", BooleanField()


@dataclass(frozen=True, slots=True)
class FoundSession:
    session: Session
    title: Snippet
    turn_id: UUID | None = None  # the newest turn that has the words; None: only the title has them
    snippet: Snippet = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    sessions: Sequence[FoundSession] = ()
    has_more: bool = False
    is_complete: bool = True  # False: older texts are still being indexed


def search_conversations(
    user: User, text: str, *, first: int = 0, limit: int = 20, tag: str = ""
) -> SearchResult:
    """Return the user's sessions that fit, those with the words in their title first, then the newest.

    first: how many of them to leave out. tag: only sessions with this tag; "": all.
    """
    is_complete = index_texts(user, within_s=INDEXING_S)
    search = _Search(user, tag)
    query = SearchQuery.of(text, search.languages())
    found = search.sessions(query, first, limit + 1)
    if not found and not first:
        query = replace(query, words=tuple(map(search.mark_unknown, query.words)))
        found = search.sessions(query, first, limit + 1)
    return SearchResult(search.present(found[:limit], query), len(found) > limit, is_complete)


def words_of_hit(user: User, turn: Turn, text: str) -> list[str]:
    """Return the words of this search as a found turn has them, so that its page can mark them.

    turn: as the page shows it, without the texts of answers that are withheld.
    """
    texts = [turn.text, *(answer.text for answer in turn.answers.all())]
    query = SearchQuery.of(text, _Search(user).languages())
    words = [word for word in query.words if not words_in("\n".join(texts), replace(query, words=(word,)))]
    similar = [replace(word, is_unknown=True) if word in words else word for word in query.words]
    query = replace(query, words=tuple(similar))
    return sorted(set().union(*(words_in(each, query) for each in texts)))


@dataclass(frozen=True, slots=True)
class _Search:
    user: User
    tag: str = ""

    def languages(self) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(_LANGUAGES, {"user": self.user.pk})
            return sorted({UNKNOWN, *(language for (language,) in cursor.fetchall())})

    def sessions(self, query: SearchQuery, first: int, limit: int) -> list[UUID]:
        """Return the ids of the sessions that have a text with all words, or else all words in several texts."""
        if not (tsquery := query.tsquery(self.user.pk)):
            return []
        found = self._having([tsquery], first, limit)
        if found or len(query.words) < 2 or query.required or query.excluded:
            return found
        return self._having([self._word(each, query) for each in query.words], first, limit)

    def mark_unknown(self, word: SoughtWord) -> SoughtWord:
        return replace(word, is_unknown=not self._having([word.tsquery(self.user.pk, ())], 0, 1))

    def _word(self, word: SoughtWord, query: SearchQuery) -> str:
        return word.tsquery(self.user.pk, query.languages)

    def _having(self, tsqueries: Sequence[str], first: int, limit: int) -> list[UUID]:
        """Return the ids of the sessions with a text for each query that the user may read, in their order.

        The permission is checked for the best sessions, then for the next ones, until there are enough: PostgreSQL
        would look for it in all passages of all users.
        """
        ranked, found = self._ranked(tsqueries), list[UUID]()
        for at in range(0, len(ranked), CHECKED_AT_ONCE):
            if len(found) >= first + limit:
                break
            part = ranked[at : at + CHECKED_AT_ONCE]
            readable = [
                set(self._readable(each, part).values_list("session", flat=True)) for each in tsqueries
            ]
            found += [each for each in part if all(each in having for having in readable)]
        return found[first : first + limit]

    def _ranked(self, tsqueries: Sequence[str]) -> list[UUID]:
        """Return the ids of the sessions with a text for each query, whether the user may read it or not."""
        texts, *others = map(self._texts, tsqueries)
        for other in others:
            texts = texts.filter(session__in=other.values("session"))
        groups = texts.order_by().values("session").annotate(in_title=BoolOr(Q(turn=None)))
        ordered = groups.order_by("-in_title", "-session__updated_at", "session_id")
        return [id for (id,) in ordered.values_list("session")]

    def _texts(self, tsquery: str) -> QuerySet[IndexedText]:
        # In a subquery the planner does not look into it. For hundreds of similar words it expects to find nearly every
        # text, and then reads them all instead of the index.
        fits = _Fits(F("words"), RawSQL("(SELECT %s::tsquery)", [tsquery]))
        found = IndexedText.objects.filter(fits, session__user=self.user)
        return found.filter(session__tags__name__iexact=self.tag) if self.tag else found

    def _readable(self, tsquery: str, sessions: Collection[UUID]) -> QuerySet[IndexedText]:
        """Return the texts of these sessions that fit and that the user may read."""
        hidden = hidden_passages_from(self.user).filter(answer=OuterRef("answer"))
        return self._texts(tsquery).filter(Q(answer=None) | ~Exists(hidden), session__in=sessions)

    def present(self, found: Sequence[UUID], query: SearchQuery) -> list[FoundSession]:
        """Return what the list shows of these sessions, in this order."""
        sessions = Session.objects.prefetch_related("tags").in_bulk(found)
        hits = self._newest_hits(found, query)
        return [_present(sessions[each], hits.get(each), query) for each in found if each in sessions]

    def _newest_hits(self, found: Sequence[UUID], query: SearchQuery) -> Mapping[UUID, IndexedText]:
        """Return the text of each session to quote: of the newest turn that has the words, its question if it has them."""
        hits = self._of_turns(query.tsquery(self.user.pk), found)
        if missing := [each for each in found if each not in hits]:
            hits |= self._of_turns(" | ".join(self._word(each, query) for each in query.words), missing)
        return hits

    def _of_turns(self, tsquery: str, found: Sequence[UUID]) -> dict[UUID, IndexedText]:
        if not tsquery:
            return {}
        newest_first = (
            "session_id",
            "-turn__created_at",
            F("answer__created_at").desc(nulls_first=True),  # the question itself, if it has the words
        )
        texts = self._readable(tsquery, found).exclude(turn=None)
        chosen = texts.order_by(*newest_first).distinct("session_id")
        read = chosen.select_related("turn", "answer").defer("words", "answer__trace")
        return {each.session_id: each for each in read}


def _present(session: Session, hit: IndexedText | None, query: SearchQuery) -> FoundSession:
    title = mark_words(str(session), query)
    if hit is None or hit.turn is None:
        return FoundSession(session, title)
    text = hit.answer.text if hit.answer else hit.turn.text
    return FoundSession(session, title, hit.turn.pk, cut_snippet(text, query))
