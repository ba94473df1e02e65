"""Translates a question into tsquery: its words, its "quoted phrases" and its -excluded words."""

from collections.abc import Sequence
from dataclasses import dataclass

from workspaces.engines.query_parser import parse_query

from .analyzer import Term, terms

Word = frozenset[str]  # a word's terms, one per language of the workspace


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    words: tuple[Word, ...]
    required: str  # tsquery of its phrases; "": none
    excluded: str  # tsquery of the excluded words; "": none

    @classmethod
    def of(cls, text: str, languages: Sequence[str]) -> "LexicalQuery":
        query = parse_query(text)
        return cls(
            words=_words(query.asked, languages),
            required=" & ".join(filter(None, (_phrase(each, languages) for each in query.phrases))),
            excluded=" | ".join(filter(None, (_phrase(each, languages) for each in query.excluded))),
        )


def quote_term(term: str) -> str:
    """Quote a term for tsvector and tsquery."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def _words(text: str, languages: Sequence[str]) -> tuple[Word, ...]:
    """Return each word once. A stop word of any of the languages is left out."""
    found = [{term.word: term.text for term in terms(text, language)} for language in languages]
    said = [word for word in (found[0] if found else ()) if all(word in each for each in found)]
    return tuple(dict.fromkeys(frozenset(each[word] for each in found) for word in said))


def _phrase(text: str, languages: Sequence[str]) -> str:
    """Return a tsquery that matches the words as a phrase, in any of the languages; "" if no words remain."""
    sides = {side for language in languages if (side := _side_by_side(list(terms(text, language))))}
    return f"({' | '.join(sorted(sides))})" if sides else ""


def _side_by_side(found: Sequence[Term]) -> str:
    """Return the identifiers whole, and the words with their distances."""
    if len({term.position for term in found}) == 1:  # one word: its whole identifier, if it has one
        return quote_term(found[0].text)
    main = [term for term in found if not term.is_extra]
    query = ""
    for before, term in zip([None, *main], main, strict=False):
        query += (f" <{term.position - before.position}> " if before else "") + quote_term(term.text)
    return query
