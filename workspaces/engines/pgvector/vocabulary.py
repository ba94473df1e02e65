"""What the term table knows: the languages of the chunks, and related forms of words that no chunk has."""

from collections.abc import Mapping, Sequence
from typing import Any

from inference.language.detection import UNKNOWN
from inference.language.related_forms import MIN_LAST_PART, MIN_STEM, are_related

from .lexical import WORDS
from .tables import Tables, execute_many
from .tsquery import AskedWord

MAX_LANGUAGES = 6  # in which a question is analyzed
MAX_WORDS = 8  # unknown words of a question whose forms are looked up
MAX_FORMS = 8  # of one word, the most common ones
_MAX_ROWS = 500  # terms with the same beginning
_PREFIX = 5  # letters that related terms share, or all of a shorter word


def languages(tables: Tables) -> list[str]:
    """Return the detected languages of the chunks, the most common ones first."""
    rows = tables.run(
        "SELECT substr(term, 2) FROM {terms} WHERE term > %s AND term < '!' AND amount > 0 ORDER BY amount DESC LIMIT %s",
        [WORDS, MAX_LANGUAGES],
    )
    return [language for (language,) in rows] or [UNKNOWN]


def related_forms(tables: Tables, unknown: Sequence[AskedWord]) -> dict[AskedWord, dict[str, int]]:
    """Return for each word that has some its related terms, and the number of chunks with each."""
    words = [word for word in unknown if any(map(_can_be_related, word.all_terms))][:MAX_WORDS]
    statements = [
        tables.statement(
            "SELECT term, amount FROM {terms} WHERE amount > 0 AND "
            "(term LIKE ANY(%s) OR (length(term) > %s AND term LIKE ANY(%s))) LIMIT %s",
            [
                [f"{_escape(term[:_PREFIX])}%" for term in word.all_terms],
                MIN_LAST_PART + 2,
                [f"%{_escape(term)}" for term in word.all_terms if len(term) >= MIN_LAST_PART],
                _MAX_ROWS,
            ],
        )
        for word in words
    ]
    found = zip(words, execute_many(statements), strict=True)
    return {word: related for word, rows in found if (related := _closest(word, dict(rows)))}


def _can_be_related(term: str) -> bool:
    return len(term) >= MIN_STEM and term.isalpha()


def _closest(word: AskedWord, amounts: Mapping[str, Any]) -> dict[str, int]:
    fitting = [term for term in amounts if any(are_related(form, term) for form in word.all_terms)]
    return {term: amounts[term] for term in sorted(fitting, key=lambda term: -amounts[term])[:MAX_FORMS]}


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
