"""Text analyzer: turns text into terms for the index, for questions and for Quotes.

A word is a run of letters, digits and combining marks (Unicode Standard Annex 29). It is normalized
(letters.py) and stemmed. Scripts without spaces become overlapping bigrams: of characters, or of grapheme
clusters where vowels are marks.

A word may have extra terms, at the position of its first part: without its accents; an identifier whole
(`ERR_42`, `v2.1.7`, `django.db.models`, `src/main.rs`, `C++`, `.NET`, `-jar`); each part of `camelCase`; a
hyphenated word in one (`e-mail`); a number without its separators (`12 000`); a stop word in capitals (`IT`); one
Chinese character. Stop words are terms too, but are marked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from .letters import NO_SPACES, lower, normalize, unaccented
from .stems import stem
from .stop_words import stop_words

_WORD = r"[\p{L}\p{N}_][\p{L}\p{N}\p{M}_]*"
_TOKEN = regex.compile(
    rf"(?P<sign>(?<![^\s(\[])(?:--?|[.#@$])(?=\p{{L}}))?(?P<word>{_WORD}(?:[./:#@+\\-]+{_WORD})*)(?P<end>\+\+|#(?!\w))?"
    r"|(?P<picture>\p{Extended_Pictographic})"
)
_LINE_END = regex.compile(r"(?<=\p{L})-[ \t]*\r?\n\s*(?=\p{Ll})")  # main-(line end)tenance
_PART = regex.compile(r"[\p{L}\p{N}\p{M}]+")
# What marks a token as an identifier; a hyphen between letters does not.
_JOINED = regex.compile(r"\w[_./:#@+\\]+\w|\d-|-\d")
_CAMEL = regex.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_HYPHENATED = regex.compile(r"[\p{L}\p{M}]+(?:-[\p{L}\p{M}]+)+")
_GROUPED = regex.compile(
    r"\d{1,3}(?P<by>[ .,'’])\d{3}(?:(?P=by)\d{3})*(?!\d)"  # 12 000, 12.000, 1,234,567
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"  # 1,00,000 in India
    r"|[A-Z]{2}\d{2}(?: [\dA-Z]{4}){2,7}(?: [\dA-Z]{1,3}(?!\w))?"  # an IBAN
    r"|\d{2,5}(?:[ /-]\d{2,6}){2,8}(?!\d)"  # numbers of telephones and cards
)
_STRETCH = regex.compile(rf"[{NO_SPACES}]\p{{M}}*[{NO_SPACES}\p{{M}}]*")  # bigrams are made of it
_CLUSTER = regex.compile(r"\P{M}\p{M}*|\p{M}+")
_HAN = regex.compile(r"\p{Han}")
VERSION = 3  # raise it after every change of the terms of a text: chunks are then analyzed again
_MAX_TERM = 200  # characters; a longer one is a blob, and PostgreSQL's limit is 2,046 bytes
MAX_POSITION = 16_383  # PostgreSQL's limit for a tsvector


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    position: int  # from 1
    word: str  # the word before stemming
    is_extra: bool = False  # another form of a word that is already counted
    is_stop: bool = False  # a stop word
    is_unaccented: bool = False  # an extra without accents


def terms(text: str, language: str) -> Iterator[Term]:
    """Yield the terms of a text in reading order, each word before its extra terms.

    language: an ISO 639 code; of a language without stemmer or stop words, the words are terms as they are.
    """
    text = normalize(_LINE_END.sub("-", text), language)
    has_capitals_for_names = not text.isupper() or " " not in text.strip()
    position, follows_a_word = 0, False
    for token, number in _tokens(text):
        if token["picture"]:
            position = _next(position)
            yield Term(token[0], position, token[0])
            continue
        yield from _whole_terms(token, number, _next(position), language)
        for piece, has_spaces in _pieces(token["word"]):
            position = _next(position)
            yield from (_word_terms if has_spaces else _bigram_terms)(piece, position, language)
            if has_spaces and has_capitals_for_names and _is_name(piece, language, follows_a_word):
                yield Term(_cut(piece), position, piece, is_extra=True)
            follows_a_word = True
        follows_a_word = text[token.end() : token.end() + 1] == " "


def _tokens(text: str) -> "Iterator[tuple[regex.Match[str], str]]":
    """Yield each token, and the number in groups of digits that begins with it; "": none does."""
    grouped_until = 0
    for token in _TOKEN.finditer(text):
        can_begin = token["word"] and token.start() >= grouped_until
        number = _GROUPED.match(text, token.start("word")) if can_begin else None
        grouped_until = number.end() if number else grouped_until
        yield token, number[0] if number else ""


def _next(position: int) -> int:
    return min(position + 1, MAX_POSITION)


def _whole_terms(token: "regex.Match[str]", number: str, position: int, language: str) -> Iterator[Term]:
    """Yield what a token is as a whole: an identifier, a hyphenated word, a number without separators."""
    word = token["word"]
    if (token["sign"] or token["end"] or _JOINED.search(word)) and (whole := _cut(token[0].casefold())):
        yield Term(whole, position, whole, is_extra=True)
    if _HYPHENATED.fullmatch(word):
        joined = lower(word.replace("-", ""), language)
        yield Term(_cut(stem(joined, language)), position, joined, is_extra=True)
    if number:
        digits = regex.sub(r"\W", "", number).casefold()
        yield Term(_cut(digits), position, digits, is_extra=True)


def _word_terms(piece: str, position: int, language: str) -> Iterator[Term]:
    word, stemmed, bare, is_stop = _analyze(piece, language)
    yield Term(stemmed, position, word, is_stop=is_stop)
    if bare:
        yield Term(bare, position, word, is_extra=True, is_stop=is_stop, is_unaccented=True)
    for part in _camel_parts(piece):
        yield Term(_cut(stem(part, language)), position, part, True, part in stop_words(language))


def _bigram_terms(bigram: str, position: int, language: str) -> Iterator[Term]:
    yield Term(_cut(bigram), position, bigram, is_stop=bigram in stop_words(language))
    for sign in _HAN.findall(bigram) if len(bigram) > 1 else ():
        yield Term(_cut(sign), position, sign, is_extra=True)


@lru_cache(200_000)
def _analyze(piece: str, language: str) -> tuple[str, str, str, bool]:
    """Return the word, its stem, the stem of the word without accents if it is another one, and if it is a stop word."""
    word = lower(piece, language)
    stemmed, bare = _cut(stem(word, language)), _cut(stem(unaccented(word), language))
    if bare == stemmed:
        bare = unaccented(stemmed)  # the Serbian stemmer changes the script
    return word, stemmed, "" if bare == stemmed else bare, word in stop_words(language)


def _cut(term: str) -> str:
    return term[:_MAX_TERM]


def _is_name(piece: str, language: str, follows_a_word: bool) -> bool:
    """Tell whether a stop word is written as a name: IT, WHO, US; in English also `the Who`."""
    if len(piece) < 2 or not piece[0].isupper() or lower(piece, language) not in stop_words(language):
        return False
    return piece.isupper() or (language == "en" and follows_a_word)


def _camel_parts(piece: str) -> Sequence[str]:
    if piece.islower() or piece[1:].islower() or not piece.isascii() or piece.isdecimal():
        return ()
    found = [part.lower() for part in _CAMEL.findall(piece) if len(part) > 1]
    return found if len(found) > 1 else ()


def _pieces(word: str) -> Iterator[tuple[str, bool]]:
    """Yield each part with True, and each bigram of a stretch in a script without spaces with False."""
    for part in _PART.findall(word):
        done = 0
        for stretch in _STRETCH.finditer(part):
            if before := part[done : stretch.start()]:
                yield before, True
            for bigram in _bigrams(stretch[0]):
                yield bigram, False
            done = stretch.end()
        if rest := part[done:]:
            yield rest, True


def _bigrams(stretch: str) -> list[str]:
    """Return the overlapping bigrams of grapheme clusters; of a single cluster, itself."""
    clusters = _CLUSTER.findall(stretch)
    return ["".join(clusters[at : at + 2]) for at in range(max(1, len(clusters) - 1))]
