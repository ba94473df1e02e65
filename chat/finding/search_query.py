"""Translates what a user types into a tsquery over their own texts: all words, "phrases" and -exclusions.

The last word may be the beginning of one, because people see results while they type. A word that no text has stands
for those that differ by a typing error, that begin with it, or that are long and end with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import regex

from inference.language.letters import unaccented
from inference.language.stems import stem
from workspaces.engines.pgvector.tsquery import AskedWord, LexicalQuery

from .text_index import ending, lexeme, owner
from .typing_errors import nearby_words

MAX_WORDS = 32
_MIN_BEGINNING = 2  # letters of the beginning of a word
_MIN_LAST_PART = 5  # letters of the last part of a long word
_QUOTED = regex.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class SoughtWord:
    terms: frozenset[str]
    word: str  # before stemming
    is_beginning: bool = False  # texts may go on after it
    is_unknown: bool = False  # no text has it: look for words like it

    @property
    def similar(self) -> set[str]:
        return nearby_words(self.word) if self.is_unknown else set()

    def tsquery(self, user_id: UUID, languages: Sequence[str]) -> str:
        found = [lexeme(user_id, term) for term in sorted(self.terms)]
        if self.is_beginning or (self.is_unknown and len(self.word) >= _MIN_LAST_PART):
            found.append(f"{lexeme(user_id, self.word)}:*")
        if self.is_unknown:
            stems = {stem(word, language) for word in self.similar for language in languages}
            found += [lexeme(user_id, term) for term in sorted(stems)]
            if len(self.word) >= _MIN_LAST_PART:
                found.append(f"{ending(user_id, self.word)}:*")
        return f"({' | '.join(found)})"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    words: tuple[SoughtWord, ...]
    required: str = ""  # tsquery of the phrases, without the user
    excluded: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()  # those that the texts are analyzed in

    @classmethod
    def of(cls, text: str, languages: Sequence[str]) -> "SearchQuery":
        asked = LexicalQuery.of(text, languages)
        words = [word for word in asked.words if not word.is_extra] or list(asked.words)
        is_open = text[-1:].isalnum()  # no space or quotation mark follows the last word yet
        last = words[-1].word if words and is_open else ""
        return cls(
            tuple(_sought(each, each.word == last) for each in words[:MAX_WORDS]),
            asked.required,
            tuple(each.query for each in asked.excluded),
            tuple(languages),
        )

    def tsquery(self, user_id: UUID) -> str:
        """Return the query for the texts of this user that have all words; "" if there is none."""
        parts = [each.tsquery(user_id, self.languages) for each in self.words]
        if self.required:
            parts.append(f"({_of_user(self.required, user_id)})")
        if not parts:
            return ""
        return " & ".join([*parts, *(f"!({_of_user(each, user_id)})" for each in self.excluded)])


def _sought(asked: AskedWord, is_last: bool) -> SoughtWord:
    word = asked.word or min(asked.terms)
    bare = {unaccented(word)} if word.isalpha() else set[str]()
    return SoughtWord(asked.all_terms | bare, word, is_last and len(word) >= _MIN_BEGINNING)


def _of_user(query: str, user_id: UUID) -> str:
    """Put the user before each term of a tsquery."""
    return _QUOTED.sub(rf"'{owner(user_id)}:\1'", query)
