"""The lexical leg: BM25 on plain PostgreSQL, with exact scores for the few chunks that can be among the best.

Each chunk stores its terms (`words`, with positions, under a GIN index), the weight of each term (`weights`,
a sparse vector whose dimensions are hashes of terms) and its length. The term table stores the document
frequency: how many live chunks have each term, updated in the transaction that publishes or forgets. A weight
is tf / (tf + k), where `k` depends on the mean length at the time of indexing. The weights rank the
candidates with one operation each. Because k is stored, the best candidates are rescored with the current
document frequencies and mean length: so a score is never stale.

The common terms of a question would make every third chunk a candidate. Therefore the candidates are, while
they are few: chunks with a rare term; chunks that repeat a common term (indexed as separate terms, `use²`);
chunks with two common terms. docs/adr/0016-bm25.md has the measurements.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from .analyzer import terms
from .filter_plan import Within
from .tables import Rows, Tables, TableStatement
from .tsquery import LexicalQuery, Word, quote_term

K1, B = 1.2, 0.75  # Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009
CANDIDATES = 1000  # for single terms, and as many again for pairs
MAX_PAIRS = 8
SCORED = 2  # how many times the limit are rescored exactly
MAX_TERMS = 40  # per question, the rarest ones
# Times -> mark; no other term ends like this, because normalizing turns the marks into digits.
_REPEATED = {2: "²", 3: "³", 4: "⁴"}
_DIMENSIONS = 1_000_000_000  # the maximum of a sparsevec
CHUNKS, WORDS = "", " "  # rows of the term table: the number of live chunks, and of words in them

COLUMNS: LiteralString = (
    "words tsvector NOT NULL, weights sparsevec NOT NULL, length integer NOT NULL, k real NOT NULL"
)

Run = Callable[..., Rows]  # Tables.run


@dataclass(frozen=True, slots=True)
class Indexed:
    """The index data of a chunk's text, in PostgreSQL's text forms."""

    words: str  # tsvector
    weights: str  # sparsevec
    length: int  # in words, without stop words
    k: float  # the k that the weights were computed with


def index_texts(texts: Sequence[str], languages: Sequence[str], mean_length: float | None) -> list[Indexed]:
    """Return the index data of texts, analyzed in each language: documents mix languages, and detection errs.

    mean_length: the mean length of the chunks that exist already, or None.
    """
    found = [_places(text, languages) for text in texts]
    lengths = [len(set().union(*places.values())) for places in found]
    mean = mean_length or sum(lengths) / max(len(lengths), 1)
    return [
        _index_terms(places, length, saturation(length, mean))
        for places, length in zip(found, lengths, strict=True)
    ]


def saturation(length: float, mean_length: float) -> float:
    """Return BM25's k: the term frequency at which a term gets half of its maximum weight."""
    return K1 * (1 - B + B * length / max(mean_length, 1))


def _places(text: str, languages: Sequence[str]) -> dict[str, set[int]]:
    places: dict[str, set[int]] = defaultdict(set)
    for language in languages:
        for term in terms(text, language):
            places[term.text].add(term.position)
    return places


def _index_terms(places: Mapping[str, set[int]], length: int, k: float) -> Indexed:
    marked = [f"{quote_term(term)}:{','.join(map(str, sorted(each)[:255]))}" for term, each in places.items()]
    for times, mark in _REPEATED.items():
        marked += [quote_term(term + mark) for term, each in places.items() if len(each) >= times]
    weights = {term: len(each) / (len(each) + k) for term, each in places.items()}
    return Indexed(" ".join(marked), _sparse(weights), length, k)


def _sparse(values: Mapping[str, float]) -> str:
    """Return a sparsevec. Terms of a question and a chunk collide in a dimension once in a million times."""
    dimensions = {zlib.crc32(term.encode()) % _DIMENSIONS + 1: value for term, value in values.items()}
    return (
        f"{{{','.join(f'{dimension}:{value:.7g}' for dimension, value in dimensions.items())}}}/{_DIMENSIONS}"
    )


# --- document frequencies --------------------------------------------------------------------------


def create(run: Run) -> None:
    run("CREATE INDEX ON {table} USING gin (words) WHERE live")
    # Stored out of line, each score would need an extra lookup.
    run("ALTER TABLE {table} ALTER weights SET STORAGE MAIN")
    run(
        'CREATE TABLE {terms} (term text COLLATE "C" PRIMARY KEY, amount bigint NOT NULL) WITH (fillfactor = 70)'
    )


def recount(run: Run, document_id: UUID, sign: int) -> None:
    """Add (1) or subtract (-1) the document's live chunks in the term table.

    ORDER BY term locks the rows in the same order everywhere, CHUNKS first, so that no deadlock can occur.
    """
    run(
        """WITH mine AS (SELECT words, length FROM {table} WHERE document_id = %s AND live)
        INSERT INTO {terms} AS known
        SELECT term, %s * amount FROM (
            SELECT %s, count(*) FROM mine UNION ALL SELECT %s, sum(length) FROM mine
            UNION ALL SELECT lexeme, count(*) FROM mine, unnest(words) GROUP BY lexeme
        ) change (term, amount) WHERE amount > 0 ORDER BY term
        ON CONFLICT (term) DO UPDATE SET amount = known.amount + excluded.amount""",
        [document_id, sign, CHUNKS, WORDS],
    )


def mean_length(run: Run) -> float | None:
    """Return the mean number of words of a live chunk; None: there are no chunks."""
    amounts: dict[str, int] = dict(
        run("SELECT term, amount FROM {terms} WHERE term = ANY(%s)", [[CHUNKS, WORDS]])
    )
    return amounts[WORDS] / amounts[CHUNKS] if amounts.get(CHUNKS) else None


# --- searching -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    candidates: str  # tsquery
    worths: Mapping[Word, float]  # word -> its inverse document frequency
    total: float  # of all words of the question, including those that no chunk has
    mean_length: float


def amounts(tables: Tables, question: LexicalQuery) -> TableStatement:
    """Return the statement that counts the chunks, and the chunks with each term of the question."""
    asked = set().union(*question.words)
    marked = {term + mark for term in asked for mark in _REPEATED.values()}
    return tables.statement(
        "SELECT term, amount FROM {terms} WHERE term = ANY(%s)", [[*asked, *marked, CHUNKS, WORDS]]
    )


def plan(rows: Rows, question: LexicalQuery, *, share: float) -> Plan | None:
    """Return the query plan; None: no live chunk has any of the words.

    rows: the result of `amounts`. share: the share of chunks that a filter leaves. The smaller it is, the
    more candidates are needed, because the best of the filtered chunks may not be among the best of all. How
    many chunks a phrase leaves is unknown.
    """
    amounts = {term: amount for term, amount in rows if amount > 0}
    known = sorted(set().union(*question.words) & amounts.keys(), key=lambda term: (amounts[term], term))
    if not known:
        return None
    del known[MAX_TERMS:]
    chunks = amounts[CHUNKS]
    # The most common form of a word across languages determines its rarity.
    having = {
        word: max(amounts[term] for term in word & set(known)) for word in question.words if word & set(known)
    }
    worths = {word: math.log(1 + (chunks - amount + 0.5) / (amount + 0.5)) for word, amount in having.items()}
    is_open = share and not question.required
    chosen = _candidates(known, amounts, CANDIDATES / share) if is_open else map(quote_term, known)
    unknown = sum(1 for word in question.words if not word & amounts.keys())
    total = sum(worths.values()) + unknown * math.log(1 + (chunks + 0.5) / 0.5)
    return Plan(" | ".join(chosen), worths, total, amounts.get(WORDS, 0) / chunks)


def _candidates(known: Sequence[str], amounts: Mapping[str, int], most: float) -> Iterable[str]:
    """Return the terms and pairs whose chunks are scored, as parts of a tsquery.

    known: rarest first. most: the limit for single terms.
    """
    left = most
    rare: list[str] = []
    common: list[str] = []
    for term in known:
        (rare if amounts[term] <= left else common).append(term)
        left -= amounts[term] if amounts[term] <= left else 0
    repeated = []
    for term in common:
        for mark in _REPEATED.values():
            if 0 < (amount := amounts.get(term + mark, 0)) <= left:
                repeated.append(term + mark)
                left -= amount
                break
    chosen = [*map(quote_term, rare + repeated), *_pairs(common, amounts, left + most)]
    return chosen or [quote_term(known[0])]


def _pairs(common: Sequence[str], amounts: Mapping[str, int], left: float) -> Iterator[str]:
    """Yield pairs of terms, the rarest pair first, assuming that terms are independent."""
    together = {
        pair: amounts[pair[0]] * amounts[pair[1]] / amounts[CHUNKS] for pair in combinations(common, 2)
    }
    for pair, amount in sorted(together.items(), key=lambda each: each[1])[:MAX_PAIRS]:
        if amount > left:
            return
        left -= amount
        yield f"{quote_term(pair[0])} & {quote_term(pair[1])}"


def search(
    tables: Tables, question: LexicalQuery, found: Plan, limit: int, within: Within, fields: sql.SQL
) -> TableStatement:
    """Return the statement for the best by BM25: ranks candidates by weight, then scores the best exactly."""
    # If a filter leaves few chunks, all are scored: faster than a lookup of candidates among them.
    candidates = sql.SQL("AND words @@ {}::tsquery").format(sql.Literal(found.candidates))
    return tables.statement(
        """SELECT {fields}, score, {coverage} FROM (
            SELECT id AS best, {score} AS score FROM (
                SELECT id, weights, drift FROM (
                    SELECT id, weights, {drift} AS drift, {rough_score} AS rough FROM {within}
                    {candidates} {restriction} OFFSET 0) each
                WHERE rough > 0 ORDER BY rough DESC, id LIMIT %s) candidate
            ORDER BY score DESC, id LIMIT %s) ranked
        JOIN {table} ON id = best ORDER BY score DESC, id""",
        [*within.params, limit * SCORED, limit],
        fields=fields,
        coverage=_coverage(found),
        score=_score(found),
        drift=_drift(found),
        within=within.source,
        candidates=sql.SQL("") if within.is_narrow else candidates,
        rough_score=_rough_score(found),
        restriction=restriction(question),
    )


def _rough_score(found: Plan) -> sql.Composed:
    """Return the SQL that ranks a row by its weights."""
    worths = {term: worth for word, worth in found.worths.items() for term in word}
    return sql.SQL("inner_product(weights, {}::sparsevec)").format(sql.Literal(_sparse(worths)))


def _drift(found: Plan) -> sql.Composed:
    """Return the SQL of the factor between a row's current k and its stored k."""
    return sql.SQL("(({least} + {slope} * length) / k)").format(
        least=sql.Literal(K1 * (1 - B)), slope=sql.Literal(K1 * B / max(found.mean_length, 1))
    )


def _score(found: Plan) -> sql.Composed:
    """Return the SQL of a row's BM25 score, from `weights` and `drift`.

    Since w = tf / (tf + k), tf / (tf + drift k) = 1 / (1 + drift (1 / w - 1)): one lookup per weight.
    """
    return sql.SQL(" + ").join(
        sql.SQL("{worth} * coalesce(1 / (1 + drift * (1 / nullif({weight}, 0) - 1)), 0)").format(
            worth=sql.Literal(worth * (K1 + 1)), weight=_weight(word)
        )
        for word, worth in found.worths.items()
    )


def _coverage(found: Plan) -> sql.Composed:
    """Return the SQL of the share of the question's words in a row, weighted by rarity, 0 to 1."""
    parts = (
        sql.SQL("CASE WHEN {} > 0 THEN {} ELSE 0 END").format(_weight(word), sql.Literal(worth / found.total))
        for word, worth in found.worths.items()
    )
    return sql.SQL(" + ").join(parts)


def restriction(question: LexicalQuery) -> sql.Composed:
    """Return an additional condition: the row contains the quoted phrases, and nothing excluded."""
    parts = (
        [sql.SQL("AND words @@ {}::tsquery").format(sql.Literal(question.required))]
        if question.required
        else []
    )
    if question.excluded:
        parts.append(sql.SQL("AND NOT words @@ {}::tsquery").format(sql.Literal(question.excluded)))
    return sql.SQL(" ").join(parts)


def _weight(word: Word) -> sql.Composed:
    """Return the SQL of a row's weight of the word: the maximum over the languages."""
    each = [
        sql.SQL("inner_product(weights, {}::sparsevec)").format(sql.Literal(_sparse({term: 1})))
        for term in sorted(word)
    ]
    return sql.SQL("greatest({})").format(sql.SQL(", ").join(each)) if len(each) > 1 else each[0]
