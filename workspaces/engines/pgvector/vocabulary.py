"""What the term table knows: the languages of the chunks, and related forms of words that no chunk has."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from inference.language.detection import UNKNOWN
from inference.language.related_forms import FormsToLookUp, are_related, forms_to_look_up

from .lexical import WORDS
from .tables import Tables, TableStatement, execute_many
from .tsquery import AskedWord

MAX_LANGUAGES = 6  # in which a question is analyzed
MAX_WORDS = 8  # unknown words of a question whose forms are looked up
MAX_FORMS = 8  # of one word, the most common ones
_MAX_ROWS = 500  # terms looked up for one word, the most common ones


def languages(tables: Tables) -> list[str]:
    """Return the detected languages of the chunks, the most common ones first."""
    rows = tables.run(
        "SELECT substr(term, 2) FROM {terms} WHERE term > %s AND term < '!' AND amount > 0 ORDER BY amount DESC LIMIT %s",
        [WORDS, MAX_LANGUAGES],
    )
    return [language for (language,) in rows] or [UNKNOWN]


def related_forms(tables: Tables, unknown: Sequence[AskedWord]) -> dict[AskedWord, dict[str, int]]:
    """Return for each word that has some its related terms, and the number of chunks with each."""
    places = {word: each for word in unknown if (each := _places(word))}
    words = list(places)[:MAX_WORDS]
    results = execute_many([_look_up(tables, places[word]) for word in words])
    found = zip(words, results, strict=True)
    return {word: related for word, rows in found if (related := _closest(word, dict(rows)))}


def _places(word: AskedWord) -> list[FormsToLookUp]:
    return [found for term in sorted(word.forms) if (found := forms_to_look_up(term))]


def _look_up(tables: Tables, places: Sequence[FormsToLookUp]) -> TableStatement:
    """Return the statement for the most common terms in these places.

    The patterns need no escapes, because they have letters only. Each is a condition of its own: no index serves
    LIKE ANY.
    """
    whole = sorted(set().union(*(each.whole for each in places)))
    begin = [f"{each.begins}%" for each in places]
    end = [f"{each.ends[::-1]}%" for each in places if each.ends]
    return tables.statement(
        "SELECT term, amount FROM {terms} WHERE amount > 0 AND (term = ANY(%s) OR {patterns}) "
        "ORDER BY amount DESC LIMIT %s",
        [whole, *begin, *end, _MAX_ROWS],
        patterns=sql.SQL(" OR ").join(
            [sql.SQL("term LIKE %s")] * len(begin) + [sql.SQL("reverse(term) LIKE %s")] * len(end)
        ),
    )


def _closest(word: AskedWord, amounts: Mapping[str, Any]) -> dict[str, int]:
    fitting = [term for term in amounts if any(are_related(form, term) for form in word.forms)]
    return {term: amounts[term] for term in sorted(fitting, key=lambda term: -amounts[term])[:MAX_FORMS]}
