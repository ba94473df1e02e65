"""Cuts the part of a text that has the words of a query, and marks them. It makes no HTML: a template does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from inference.language.analyzer import terms
from inference.language.letters import NO_SPACES

from .search_query import SearchQuery

SNIPPET_CHARACTERS = 150
_BEFORE = 40  # characters before the first marked word
_READ = 40_000  # characters of a text; a match behind them gets no marks
_SYNTAX = regex.compile(r"[*`#|>]+|(?<![\p{L}\p{N}])_+|_+(?![\p{L}\p{N}])|\[\d+\]|-{3,}|\s+")  # of Markdown
_WORD = regex.compile(rf"(?V1)[{NO_SPACES}]+|[[\p{{L}}\p{{N}}\p{{M}}]--[{NO_SPACES}]]+")
_HAS_NO_SPACES = regex.compile(rf"[{NO_SPACES}]")

Snippet = Sequence[tuple[str, bool]]  # the parts of a text in order, and whether each is one of the words
_Span = tuple[int, int]


def mark_words(text: str, query: SearchQuery) -> Snippet:
    """Return the whole text with the words of the query marked."""
    return _parts(text, _Matcher.of(query).spans(text))


def cut_snippet(text: str, query: SearchQuery) -> Snippet:
    """Return the part of the text around as many words of the query as fit in a line or two."""
    plain = regex.sub(r"\s+", " ", _SYNTAX.sub(" ", text[:_READ])).strip()
    spans = _Matcher.of(query).spans(plain)
    start = _best_start(plain, spans)
    begin = _at_word(plain, max(0, start - _BEFORE)) if start > _BEFORE else 0
    end = begin + SNIPPET_CHARACTERS
    inside = [(a - begin, b - begin) for a, b in spans if a >= begin and b <= end]
    cut = plain[begin:end]
    if end < len(plain):
        cut = cut[: max(cut.rfind(" "), *(b for _, b in inside), SNIPPET_CHARACTERS // 2)] + "…"
    parts = _parts(cut, inside)
    return [("…", False), *parts] if begin else parts


def words_in(text: str, query: SearchQuery) -> set[str]:
    """Return the words of the query as this text has them."""
    return {text[begin:end] for begin, end in _Matcher.of(query).spans(text[:_READ])}


@dataclass(frozen=True, slots=True)
class _Matcher:
    terms: frozenset[str]
    beginnings: tuple[str, ...]
    endings: tuple[str, ...]
    languages: tuple[str, ...]

    @classmethod
    def of(cls, query: SearchQuery) -> "_Matcher":
        similar = {term for word in query.words for term in word.similar}
        unknown = [word.word for word in query.words if word.is_unknown and len(word.word) > 4]
        beginnings = [word.word for word in query.words if word.is_beginning]
        exact = {term for word in query.words for term in word.terms}
        return cls(frozenset(exact | similar), tuple(beginnings + unknown), tuple(unknown), query.languages)

    def spans(self, text: str) -> list[_Span]:
        """Return where the words are, in order, without overlaps."""
        found = sorted(span for word in _WORD.finditer(text) for span in self._in_word(word))
        merged: list[_Span] = []
        for begin, end in found:
            if merged and begin <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return merged

    def _in_word(self, word: "regex.Match[str]") -> Iterator[_Span]:
        if _HAS_NO_SPACES.match(word[0]):
            for term in self.terms:
                at = word[0].find(term)
                while at >= 0:
                    yield word.start() + at, word.start() + at + len(term)
                    at = word[0].find(term, at + 1)
        elif self._fits(word[0]):
            yield word.span()

    def _fits(self, word: str) -> bool:
        forms = _forms(word, self.languages)
        return bool(forms & self.terms) or any(
            form.startswith(self.beginnings) or form.endswith(self.endings) for form in forms
        )


@lru_cache(50_000)
def _forms(word: str, languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        form for language in languages for term in terms(word, language) for form in (term.text, term.word)
    )


def _best_start(text: str, spans: Sequence[_Span]) -> int:
    """Return where to begin so that most different words are inside."""

    def inside(begin: int) -> int:
        within = begin + SNIPPET_CHARACTERS - _BEFORE
        return len({text[a:b].casefold() for a, b in spans if begin <= a and b <= within})

    return max((begin for begin, _ in spans[:50]), key=inside, default=0)


def _at_word(text: str, at: int) -> int:
    """Return the start of the word after this place, unless it is far."""
    space = text.find(" ", at, at + _BEFORE)
    return space + 1 if space >= 0 else at


def _parts(text: str, spans: Sequence[_Span]) -> list[tuple[str, bool]]:
    parts, done = [], 0
    for begin, end in spans:
        parts += [(text[done:begin], False), (text[begin:end], True)]
        done = end
    return [(part, is_marked) for part, is_marked in [*parts, (text[done:], False)] if part]
