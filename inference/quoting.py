"""Extractive question answering: selects the sentences of the passages that best answer a question.

A sentence scores the rarity of the question's words in it (inverse document frequency over all sentences,
Robertson and Spärck Jones 1976). Words in its context count less: the sentence before it explains what "it"
is. Longer sentences and sentences of lower-ranked passages score less. Words are compared by their Snowball
stems, scripts without spaces by character bigrams.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import snowballstemmer

from .sentences import Kind, split
from .stop_words import STOP_WORDS, language_of
from .types import Quotable

MAX_QUOTES = 3
_CONTEXT = 0.4  # weight of a word in the title, the heading or the sentence before
_RANK_LOSS = 0.04  # share of the worth that is lost per rank of the passage
_LENGTH_PULL = 0.15  # 0: length does not matter, 1: only density matters
_WORTH_ADDING = 0.6  # share of the best quote's worth that a further quote needs
_MIN_COVERAGE = 0.25  # share of the question's weight that the best quote must cover; less is a coincidence
_MIN_COVERAGE_OF_PAIRS = 0.15  # bigrams cross word boundaries, so fewer of them match
_SAME = 0.8  # share of the shorter sentence's words; from here on two sentences are duplicates

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NO_SPACES = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
# Grammatical characters without content: Chinese particles and question words, Japanese hiragana.
_CJK_FUNCTION = re.compile(
    "[的了是在和与與及或也都而着著过過吗嗎呢吧啊个個这這那哪谁誰什么麼怎几幾多少为為被把从從到对對于於之其\u3040-\u309f]"
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
    rank: int  # of the passage, from 0


def best_quotes(question: str, passages: Sequence[Quotable]) -> list[Quote]:
    """Return up to three quotes, best passage first, in reading order within each. Empty if none matches."""
    terms_of = _reader(" ".join([question, *(passage.text for passage in passages)]))
    asked = terms_of(question)
    quotes = [quote for rank, passage in enumerate(passages) for quote in _quotes_of(passage, rank, terms_of)]
    rarity = _rarity(asked, [quote.terms for quote in quotes])
    length = sum(len(quote.text) for quote in quotes) / (len(quotes) or 1)
    worth = {
        quote: _worth(quote, rarity, length) for quote in quotes if (quote.terms | quote.context) & asked
    }
    ranked = sorted(worth, key=worth.__getitem__, reverse=True)
    least = _MIN_COVERAGE_OF_PAIRS if _NO_SPACES.search(question) else _MIN_COVERAGE
    if not ranked or _coverage(ranked[0], rarity) < least:
        return []
    chosen = _distinct(quote for quote in ranked if worth[quote] >= _WORTH_ADDING * worth[ranked[0]])
    order = list(dict.fromkeys(quote.number for quote in chosen))
    return sorted(chosen, key=lambda quote: (order.index(quote.number), quote.position))


def _quotes_of(passage: Quotable, rank: int, terms_of: Callable[[str], Terms]) -> Iterator[Quote]:
    title, before = terms_of(passage.title), Terms()
    for position, sentence in enumerate(split(passage.text)):
        terms = terms_of(sentence.text)
        if sentence.kind != "heading":
            context = title | before | terms_of(sentence.heading)
            yield Quote(passage.number, position, sentence.text, sentence.kind, terms, context, rank)
        before = terms


def _rarity(asked: Terms, sentences: list[Terms]) -> dict[str, float]:
    counts = Counter(term for terms in sentences for term in terms & asked)
    return {
        term: math.log(1 + (len(sentences) - counts[term] + 0.5) / (counts[term] + 0.5)) for term in asked
    }


def _worth(quote: Quote, rarity: dict[str, float], mean_length: float) -> float:
    length = 1 - _LENGTH_PULL + _LENGTH_PULL * len(quote.text) / mean_length
    return _weight(quote, rarity) / length * (1 - _RANK_LOSS * quote.rank)


def _weight(quote: Quote, rarity: dict[str, float]) -> float:
    own = sum(rarity[term] for term in quote.terms & rarity.keys())
    near = sum(rarity[term] for term in (quote.context - quote.terms) & rarity.keys())
    return own + _CONTEXT * near


def _coverage(quote: Quote, rarity: dict[str, float]) -> float:
    return _weight(quote, rarity) / sum(rarity.values())


def _distinct(quotes: Iterable[Quote]) -> list[Quote]:
    chosen: list[Quote] = []
    for quote in quotes:
        if len(chosen) < MAX_QUOTES and not any(_is_same(quote, other) for other in chosen):
            chosen.append(quote)
    return chosen


def _is_same(one: Quote, other: Quote) -> bool:
    """Tell whether two quotes are near-duplicates.

    Chunks overlap, so a sentence may come twice, once cut off.
    """
    return len(one.terms & other.terms) >= _SAME * min(len(one.terms), len(other.terms))


def _reader(sample: str) -> Callable[[str], Terms]:
    """Return a function that extracts a text's terms, in the language of the sample."""
    language = language_of(_WORD.findall(sample.lower()))
    stem = cache(snowballstemmer.stemmer(language).stemWord)

    def terms_of(text: str) -> Terms:
        text = text.lower()
        runs = _CJK_FUNCTION.sub(" ", text)
        pairs = {run[at : at + 2] for run in _NO_SPACES.findall(runs) for at in range(max(1, len(run) - 1))}
        words = _WORD.findall(_NO_SPACES.sub(" ", text))
        return frozenset(pairs | {stem(word) for word in words if word not in STOP_WORDS[language]})

    return terms_of
