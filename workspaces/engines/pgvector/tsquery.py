"""Translates a question into tsquery: its words, its "quoted phrases" and its -excluded words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inference.language.analyzer import Term, terms
from inference.language.detection import detect
from workspaces.engines.query_parser import parse_query

Word = frozenset[str]  # the terms of a word, one per language of the workspace


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A word of a question."""

    terms: Word
    bare: Word = frozenset()  # its terms without accents, for texts that have none of `terms`
    times: int = 1  # how often the question has it
    is_extra: bool = False  # another form of words that are in the question, too: no text needs to have it
    word: str = ""  # before stemming

    @property
    def all_terms(self) -> Word:
        return self.terms | self.bare

    @property
    def forms(self) -> Word:
        """The forms to compare with other terms. A stemmer may leave less of this form than of others."""
        return self.all_terms | {self.word} if self.word else self.all_terms


@dataclass(frozen=True, slots=True)
class Exclusion:
    query: str  # tsquery of what no row may have
    signed: str  # the term with its minus; if a row has it, it is no exclusion


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    words: tuple[AskedWord, ...]
    required: str  # tsquery of its phrases; "": none
    excluded: tuple[Exclusion, ...]

    @classmethod
    def of(cls, text: str, languages: Sequence[str]) -> "LexicalQuery":
        query = parse_query(text)
        phrases = list(filter(None, (_phrase(each, languages) for each in query.phrases)))
        excluded = tuple(
            Exclusion(found, f"-{each.casefold()}")
            for each in query.excluded
            if (found := _phrase(each, languages))
        )
        options = tuple(AskedWord(Word({each.signed}), is_extra=True) for each in excluded)
        return cls(
            words=_words(query.asked, languages) + options,
            required=(" & " if query.needs_all_phrases else " | ").join(phrases),
            excluded=excluded,
        )


def quote_term(term: str) -> str:
    """Quote a term for tsvector and tsquery."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def _words(text: str, languages: Sequence[str]) -> tuple[AskedWord, ...]:
    """Return each word once, without the stop words of the question's language, unless it has no other words."""
    analyzed = {language: list(terms(text, language)) for language in languages}
    own = detect(text, languages)
    stops = {term.word for term in analyzed.get(own or "", ()) if term.is_stop and not term.is_extra}
    words = _by_word(list(analyzed.values()))
    if not any(key not in stops and not asked.is_extra for key, asked in words.items()):
        stops = set()
    return tuple(asked for key, asked in words.items() if key not in stops)


def _by_word(analyzed: Sequence[Sequence[Term]]) -> dict[str, AskedWord]:
    """Return the words in the order of the question. An extra term is a word of its own."""
    main: dict[str, set[str]] = {}
    bare: dict[str, set[str]] = {}
    extra: dict[str, set[str]] = {}
    times: Counter[str] = Counter()
    for found in analyzed:
        for term in found:
            if term.is_extra and len(term.text) == 1:
                continue  # one character of a longer word: only a question of one character is about it
            into = bare if term.is_unaccented else extra if term.is_extra else main
            into.setdefault(term.word, set()).add(term.text)
        times |= Counter(term.word for term in found if not term.is_extra)
    words = {
        word: AskedWord(Word(each), Word(bare.get(word, ())), times[word], word=word)
        for word, each in main.items()
    }
    return words | {
        word: AskedWord(Word(each), is_extra=True) for word, each in extra.items() if word not in words
    }


def _phrase(text: str, languages: Sequence[str]) -> str:
    """Return a tsquery that matches the words as a phrase, in any of the languages; "" if it has no words."""
    sides = {side for language in languages if (side := _side_by_side(list(terms(text, language))))}
    return f"({' | '.join(sorted(sides))})" if sides else ""


def _side_by_side(found: Sequence[Term]) -> str:
    """Return the identifiers whole, and the words with their distances; stop words only if there is no other word."""
    if len({term.position for term in found}) == 1:  # one word: its whole identifier, if it has one
        return quote_term(found[0].text)
    main = [term for term in found if not term.is_extra]
    main = [term for term in main if not term.is_stop] or main
    query = ""
    for before, term in zip([None, *main], main, strict=False):
        query += (f" <{term.position - before.position}> " if before else "") + quote_term(term.text)
    return query
