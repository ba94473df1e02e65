"""Extractive question answering: selects the sentences of the passages that best answer a question.

A sentence scores the rarity of the question's words in it (inverse document frequency over all sentences,
Robertson and Spärck Jones 1976). Words in its context count less: the sentence before it explains what "it"
is. Longer sentences and sentences of lower-ranked passages score less. Words are compared as in search
(language.analyzer), in the language of each passage. A word that no passage has may have a form there that no
stemmer knows (language.related_forms).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

from .language.analyzer import terms
from .language.detection import detect
from .language.letters import NO_SPACES
from .language.related_forms import are_related
from .sentences import Kind, Sentence, split, without_targets
from .types import Quotable

MAX_QUOTES = 3
_CONTEXT = 0.4  # weight of a word in the title, the heading or the sentence before
_RANK_LOSS = 0.04  # share of the worth that is lost per rank of the passage
_LENGTH_PULL = 0.15  # 0: length does not matter, 1: only density matters
_WORTH_ADDING = 0.6  # share of the best quote's worth that a further quote needs
_MIN_COVERAGE = 0.25  # share of the question's weight that the best quote must cover; less is a coincidence
_MIN_COVERAGE_OF_PAIRS = 0.15  # bigrams cross word boundaries, so fewer of them match
_SAME = 0.8  # share of the shorter sentence's words; from here on two sentences are duplicates
_DETECTABLE = 12  # characters of a question from which on its language can be detected

_NO_SPACES = regex.compile(f"[{NO_SPACES}]")
# Grammatical characters without content: Chinese particles and question words, Japanese hiragana.
_GRAMMAR = regex.compile(
    "[的了是在和與与及或也都而着著过過吗嗎呢吧啊个個这這那哪谁誰什么麼怎几幾多少为為被把從从到對对於于之其\u3040-\u309f]"
)

Terms = frozenset[str]


@dataclass(frozen=True, slots=True)
class Quote:
    number: int  # of the passage
    position: int  # of the sentence in the passage
    text: str
    kind: Kind
    terms: Terms
    context: Terms  # terms of the title, the heading and the sentence before
    heading: str  # of a row: the first row of its table
    rank: int  # of the passage, from 0
    code: str = ""  # the block that this sentence announces


Weights = Mapping[str, float]  # word of the question -> its rarity


def best_quotes(question: str, passages: Sequence[Quotable]) -> list[Quote]:
    """Return up to three quotes, best passage first, in reading order within each. Empty if none matches."""
    languages = [detect(passage.text) or "" for passage in passages]
    quotes = [
        quote
        for rank, (passage, language) in enumerate(zip(passages, languages, strict=True))
        for quote in _quotes_of(passage, rank, language)
    ]
    asked = _ask(question, dict.fromkeys(languages), quotes)
    rarity = _rarity(asked, quotes)
    length = sum(len(quote.text) for quote in quotes) / (len(quotes) or 1)
    worth = {quote: worth for quote in quotes if (worth := _worth(quote, asked, rarity, length))}
    ranked = sorted(worth, key=worth.__getitem__, reverse=True)
    least = _MIN_COVERAGE_OF_PAIRS if _NO_SPACES.search(question) else _MIN_COVERAGE
    if not ranked or _weight(ranked[0], asked, rarity) < least * sum(rarity.values()):
        return []
    chosen = _distinct(quote for quote in ranked if worth[quote] >= _WORTH_ADDING * worth[ranked[0]])
    order = list(dict.fromkeys(quote.number for quote in chosen))
    return sorted(chosen, key=lambda quote: (order.index(quote.number), quote.position))


def other_language(question: str, passages: Sequence[Quotable]) -> tuple[str, str] | None:
    """Return the languages of the question and of the passages, if they differ."""
    if len(question) < _DETECTABLE or not (asked := detect(question)):
        return None
    found = {language for passage in passages if (language := detect(passage.text))}
    return None if asked in found or len(found) != 1 else (asked, found.pop())


# --- sentences ------------------------------------------------------------------------------------


def _quotes_of(passage: Quotable, rank: int, language: str) -> Iterator[Quote]:
    title, before = _terms(passage.title, language), Terms()
    sentences = _split(passage)
    for position, (sentence, following) in enumerate(pairwise([*sentences, Sentence("")])):
        is_code = sentence.kind == "code"
        own = _terms(sentence.text if is_code else without_targets(sentence.text), language)
        if sentence.kind != "heading":
            is_announced = following.kind == "code" and not is_code and sentence.text.endswith((":", "："))
            context = title | before | _terms(sentence.heading, language)
            yield Quote(
                passage.number, position, sentence.text, sentence.kind, own, context, sentence.heading, rank,
                code=following.text if is_announced else "",
            )  # fmt: skip
        before = own


def _split(passage: Quotable) -> list[Sentence]:
    """Return the sentences of a passage. A question with its answer is one: its answer, below the question."""
    question, _, answer = passage.text.partition("\n\n")
    if (
        answer.strip()
        and question == passage.title
        and question.rstrip().endswith(("?", "？", "؟", ";", "՞"))
    ):
        return [Sentence(answer.strip(), "answer", question)]
    return split(passage.text)


def _terms(text: str, language: str) -> Terms:
    return frozenset(term.text for term in terms(_GRAMMAR.sub(" ", text), language) if not term.is_stop)


# --- the question's words -------------------------------------------------------------------------


def _ask(question: str, languages: Iterable[str], quotes: Sequence[Quote]) -> dict[str, Terms]:
    """Return for each word of the question the terms that stand for it in the passages; none: they lack it."""
    known = Terms().union(*(quote.terms | quote.context for quote in quotes))
    own = detect(question) if len(question) >= _DETECTABLE else None
    forms: dict[str, set[str]] = {}
    bare: dict[str, set[str]] = {}
    ignored: set[str] = set()
    for language in dict.fromkeys([*languages, *([own] if own else [])]):
        for term in terms(_GRAMMAR.sub(" ", question), language):
            if term.is_stop:
                ignored.add(term.word)
            elif term.is_unaccented:
                bare.setdefault(term.word, set()).add(term.text)
            elif not term.is_extra or (term.text in known and not _NO_SPACES.match(term.text)):
                forms.setdefault(term.word, set()).add(term.text)
    return {
        word: Terms(each & known or bare.get(word, set()) & known or _related({*each, word}, known))
        for word, each in forms.items()
        if word not in ignored
    }


def _related(forms: Iterable[str], known: Terms) -> set[str]:
    return {term for form in forms for term in known if are_related(form, term)}


def _rarity(asked: Mapping[str, Terms], quotes: Sequence[Quote]) -> dict[str, float]:
    counts = Counter(word for quote in quotes for word, each in asked.items() if each & quote.terms)
    return {word: math.log(1 + (len(quotes) - counts[word] + 0.5) / (counts[word] + 0.5)) for word in asked}


# --- ranking --------------------------------------------------------------------------------------


def _worth(quote: Quote, asked: Mapping[str, Terms], rarity: Weights, mean_length: float) -> float:
    length = 1 - _LENGTH_PULL + _LENGTH_PULL * len(quote.text) / mean_length
    return _weight(quote, asked, rarity) / length * (1 - _RANK_LOSS * quote.rank)


def _weight(quote: Quote, asked: Mapping[str, Terms], rarity: Weights) -> float:
    own = {word for word, each in asked.items() if each & quote.terms}
    near = {word for word, each in asked.items() if each & quote.context} - own
    return sum(rarity[word] for word in own) + _CONTEXT * sum(rarity[word] for word in near)


def _distinct(quotes: Iterable[Quote]) -> list[Quote]:
    chosen: list[Quote] = []
    for quote in quotes:
        if len(chosen) < MAX_QUOTES and not any(_is_same(quote, other) for other in chosen):
            chosen.append(quote)
    return chosen


def _is_same(one: Quote, other: Quote) -> bool:
    """Tell whether two quotes are near-duplicates, or one has the other as its code.

    Chunks overlap, so a sentence may come twice, once cut off.
    """
    if one.text == other.code or other.text == one.code:
        return True
    return len(one.terms & other.terms) >= _SAME * min(len(one.terms), len(other.terms))
