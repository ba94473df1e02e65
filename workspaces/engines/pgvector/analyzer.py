"""Text analyzer: turns text into terms for the index and for queries: stems, character bigrams, identifiers.

A word is normalized (NFKC, lower case) and stemmed by its language's Snowball stemmer. Scripts without spaces
become overlapping character bigrams. An identifier (`ERR_42`, `v2.1.7`, `django.db.models`, `src/main.rs`) is
a term of its own in addition to its parts, at the position of the first part; so is each part of `camelCase`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import snowballstemmer

from inference.stop_words import STOP_WORDS
from workspaces.languages import LANGUAGES

_CONTRACTED = re.compile(r"['’](?:s|t|d|m|ll|re|ve)\b", re.IGNORECASE)  # women's, don't, we'll
_TOKEN = re.compile(r"\w+(?:[./:#@+\\-]+\w+)*")
_PART = re.compile(r"[^\W_]+")
# What marks a token as an identifier; a hyphen between letters does not.
_JOINED = re.compile(r"\w[_./:#@+\\]+\w|\d-|-\d")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_NO_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uac00-\ud7af\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_MAX_TERM = 200  # characters; a longer one is a blob, and PostgreSQL's limit is 2,046 bytes
_MAX_POSITION = 16_383  # PostgreSQL's limit for a tsvector


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    position: int  # from 1
    word: str  # the word before stemming
    is_extra: bool = False  # another form of a word that is already counted


def terms(text: str, language: str) -> Iterator[Term]:
    """Yield the terms of a text in reading order, without stop words, which still take up a position."""
    position, stems, stops = 0, stemmer(language), stop_words(language)
    for token in _TOKEN.finditer(_CONTRACTED.sub("", unicodedata.normalize("NFKC", text))):
        if _JOINED.search(token[0]):
            whole = token[0].casefold()[:_MAX_TERM]
            yield Term(whole, min(position + 1, _MAX_POSITION), whole, is_extra=True)
        for part in _PART.findall(token[0]):
            for piece in _pieces(part):
                position = min(position + 1, _MAX_POSITION)
                word = piece.casefold()
                if word not in stops:
                    yield Term(stems(word)[:_MAX_TERM], position, word)
            for piece in _camel_parts(part):
                if piece not in stops:
                    yield Term(stems(piece), position, piece, is_extra=True)


def _camel_parts(part: str) -> Sequence[str]:
    if part.islower() or part[1:].islower() or not part.isascii() or part.isdecimal():
        return ()
    found = [piece.lower() for piece in _CAMEL.findall(part) if len(piece) > 1]
    return found if len(found) > 1 else ()


def _pieces(part: str) -> Iterator[str]:
    """Yield the word itself, or the character bigrams of its stretches in scripts without spaces."""
    done = 0
    for run in _NO_SPACES.finditer(part):
        if before := part[done : run.start()]:
            yield before
        yield from pairs(run[0])
        done = run.end()
    if rest := part[done:]:
        yield rest


def pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(max(1, len(run) - 1))]


@cache
def stop_words(language: str) -> frozenset[str]:
    return STOP_WORDS.get(LANGUAGES[language].lower(), frozenset())


@cache
def stemmer(language: str) -> Callable[[str], str]:
    """Return the language's stemmer. Ukrainian has none, so its words stay as they are."""
    name = LANGUAGES[language].lower()
    if name not in snowballstemmer.algorithms():
        return lambda word: word
    return lru_cache(100_000)(snowballstemmer.stemmer(name).stemWord)
