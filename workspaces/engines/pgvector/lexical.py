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

A word counts as often as the question has it (BM25's query term frequency). A word that no chunk has counts by
its related forms (vocabulary.py), but less.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from inference.language.analyzer import MAX_POSITION, terms
from inference.language.detection import AUTO, UNKNOWN, detect

from .filter_plan import Within
from .tables import Rows, Tables, TableStatement
from .tsquery import AskedWord, LexicalQuery, Word, quote_term

K1, B = 1.2, 0.75  # Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009
NAME_WEIGHT = (
    1.0  # how many times a word of the document's name counts in each of its chunks (docs/adr/0031-names.md)
)
_GAP = 10  # positions between a text and its document's name, so that no phrase reaches over both
CANDIDATES = 1000  # for single terms, and as many again for pairs
MAX_PAIRS = 8
SCORED = 2  # how many times the limit are rescored exactly
MAX_WORDS = 64  # per question, those that weigh most
RELATED_WORTH = 0.5  # of a word that only other forms match: related ones, or its own without accents
# Times -> mark; no other term ends like this, because normalizing turns the marks into digits.
_REPEATED = {2: "²", 3: "³", 4: "⁴"}
_DIMENSIONS = 1_000_000_000  # the maximum of a sparsevec
CHUNKS, WORDS = "", " "  # rows of the term table: the number of live chunks, and of words in them
LANGUAGE = " {}"  # a term of each chunk whose language was detected

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


def index_texts(
    texts: Sequence[str], names: Sequence[str], languages: Sequence[str], mean_length: float | None
) -> list[Indexed]:
    """Return the index data of texts, analyzed in each language: documents mix languages, and detection errs.

    names: for each text the name of its document, which is a field of its own: its words count NAME_WEIGHT times
    each, and add nothing to the length. languages: AUTO stands for the language of each text. mean_length: the
    mean length of the chunks that exist already, or None.
    """
    found = [_analyze(text, name, languages) for text, name in zip(texts, names, strict=True)]
    mean = mean_length or sum(each.length for each in found) / max(len(found), 1)
    return [_index_terms(each, saturation(each.length, mean)) for each in found]


def saturation(length: float, mean_length: float) -> float:
    """Return BM25's k: the term frequency at which a term gets half of its maximum weight."""
    return K1 * (1 - B + B * length / max(mean_length, 1))


@dataclass(frozen=True, slots=True)
class _Analyzed:
    places: Mapping[str, set[int]]  # term -> positions
    length: int  # positions of words that are no stop words
    stops: set[str]  # terms of stop words: their repetition says nothing
    name: Mapping[str, set[int]]  # term of the document's name -> positions, behind those of the text


def _analyze(text: str, name: str, languages: Sequence[str]) -> _Analyzed:
    places: dict[str, set[int]] = defaultdict(set)
    counted: set[int] = set()
    stops: set[str] = set()
    if AUTO in languages:
        languages = [detect(text) or UNKNOWN]
        places[LANGUAGE.format(languages[0])] = set()
    for language in languages:
        for term in terms(text, language):
            places[term.text].add(term.position)
            if term.is_stop:
                stops.add(term.text)
            else:
                counted.add(term.position)
    return _Analyzed(places, len(counted), stops, _analyze_name(name, languages, max(counted, default=0)))


def _analyze_name(name: str, languages: Sequence[str], last: int) -> Mapping[str, set[int]]:
    places: dict[str, set[int]] = defaultdict(set)
    for language in languages:
        for term in terms(name, language):
            if not term.is_stop:
                places[term.text].add(min(last + _GAP + term.position, MAX_POSITION))
    return places


def _index_terms(found: _Analyzed, k: float) -> Indexed:
    places = found.places
    everywhere = {
        term: {*places.get(term, ()), *found.name.get(term, ())}
        for term in dict.fromkeys((*places, *found.name))
    }
    marked = [quote_term(term) + _positions(each) for term, each in everywhere.items()]
    for times, mark in _REPEATED.items():
        repeated = (term for term, each in places.items() if len(each) >= times and term not in found.stops)
        marked += [quote_term(term + mark) for term in repeated]
    counts = {
        term: len(places.get(term, ())) + NAME_WEIGHT * (term in found.name)
        for term, each in everywhere.items()
        if each
    }
    weights = {term: count / (count + k) for term, count in counts.items() if count}
    return Indexed(" ".join(marked), _sparse(weights), found.length, k)


def _positions(places: Collection[int]) -> str:
    return f":{','.join(map(str, sorted(places)[:255]))}" if places else ""


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
    run("CREATE INDEX ON {terms} (reverse(term))")  # for the last parts of compounds (vocabulary.py)


def forget_unused(run: Run, limit: int) -> int:
    """Delete terms that no live chunk has any more. Return how many; a locked one is in use again.

    A term that comes back meanwhile is inserted again with its own amount.
    """
    gone = run(
        """DELETE FROM {terms} WHERE term IN (
            SELECT term FROM {terms} WHERE amount = 0 AND term <> ALL(%s) LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING term""",
        [[CHUNKS, WORDS], limit],
    )
    return len(gone)


def recount(run: Run, document_id: UUID, sign: int) -> None:
    """Add (1) or subtract (-1) the document's live chunks in the term table."""
    _recount(run, sql.SQL("document_id = {}").format(sql.Literal(document_id)), sign)


def recount_chunks(run: Run, ids: Sequence[int], sign: int) -> None:
    """Add (1) or subtract (-1) these chunks in the term table, if they are live."""
    _recount(run, sql.SQL("id = ANY({})").format(sql.Literal(list(ids))), sign)


def _recount(run: Run, these: sql.Composed, sign: int) -> None:
    """Add or subtract chunks.

    ORDER BY term locks the rows in the same order everywhere, CHUNKS first, so that no deadlock can occur.
    """
    run(
        """WITH mine AS (SELECT words, length FROM {table} WHERE {these} AND live)
        INSERT INTO {terms} AS known
        SELECT term, %s * amount FROM (
            SELECT %s, count(*) FROM mine UNION ALL SELECT %s, sum(length) FROM mine
            UNION ALL SELECT lexeme, count(*) FROM mine, unnest(words) GROUP BY lexeme
        ) change (term, amount) WHERE amount > 0 ORDER BY term
        ON CONFLICT (term) DO UPDATE SET amount = known.amount + excluded.amount""",
        [sign, CHUNKS, WORDS],
        these=these,
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
    worths: Mapping[Word, float]  # word -> its inverse document frequency, times how often it is asked
    total: float  # of all words of the question, including those that no chunk has
    mean_length: float


def amounts(tables: Tables, question: LexicalQuery) -> TableStatement:
    """Return the statement that counts the chunks, and the chunks with each term of the question."""
    asked = set().union(*(word.all_terms for word in question.words))
    marked = {term + mark for term in asked for mark in _REPEATED.values()}
    return tables.statement(
        "SELECT term, amount FROM {terms} WHERE term = ANY(%s)", [[*asked, *marked, CHUNKS, WORDS]]
    )


def unknown_words(rows: Rows, question: LexicalQuery) -> list[AskedWord]:
    """Return the words that no chunk has, from the result of `amounts`."""
    known = {term for term, amount in rows if amount > 0}
    return [word for word in question.words if not word.is_extra and not word.all_terms & known]


def plan(
    rows: Rows, question: LexicalQuery, related: Mapping[AskedWord, Mapping[str, int]], *, share: float
) -> Plan | None:
    """Return the query plan; None: no live chunk has any of the words.

    rows: the result of `amounts`. related: the related forms of unknown words, and how many chunks have each.
    share: the share of chunks that a filter leaves. The smaller it is, the more candidates are needed, because
    the best of the filtered chunks may not be among the best of all. How many chunks a phrase leaves is unknown.
    """
    amounts = {term: amount for term, amount in rows if amount > 0}
    for forms in related.values():
        amounts |= forms
    worths, total = _weigh(question, amounts, related)
    if not worths:
        return None
    heaviest = dict(sorted(worths.items(), key=lambda each: -each[1])[:MAX_WORDS])
    terms = sorted(set().union(*heaviest), key=lambda term: (amounts[term], term))
    is_open = share and not question.required
    chosen = _candidates(terms, amounts, CANDIDATES / share) if is_open else map(quote_term, terms)
    return Plan(" | ".join(chosen), heaviest, total, amounts.get(WORDS, 0) / amounts[CHUNKS])


def _weigh(
    question: LexicalQuery, amounts: Mapping[str, int], related: Mapping[AskedWord, Mapping[str, int]]
) -> tuple[dict[Word, float], float]:
    """Return what each word that some chunk has is worth, and what all words of the question are worth."""
    worths: dict[Word, float] = defaultdict(float)
    total = 0.0
    for word in question.words:
        known = Word(word.terms & amounts.keys() or word.bare & amounts.keys() or related.get(word, {}))
        # The most common form of a word across languages determines its rarity.
        most = max((amounts[term] for term in known), default=0)
        rarity = _rarity(amounts.get(CHUNKS, 0), most) * word.times
        if known:
            worths[known] += rarity * (1 if known <= word.terms else RELATED_WORTH)
        total += rarity if known or not word.is_extra else 0
    return worths, total


def _rarity(chunks: int, amount: int) -> float:
    """Return the inverse document frequency of BM25."""
    return math.log(1 + (chunks - amount + 0.5) / (amount + 0.5))


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
        restriction=restriction(tables, question),
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


def restriction(tables: Tables, question: LexicalQuery) -> sql.Composed:
    """Return an additional condition: the row contains the quoted phrases, and nothing excluded."""
    parts = (
        [sql.SQL("AND words @@ {}::tsquery").format(sql.Literal(question.required))]
        if question.required
        else []
    )
    for each in question.excluded:
        # A row with "-jar" makes the minus of a question a part of a word, and nothing is excluded.
        text: LiteralString = "AND (EXISTS (SELECT FROM {terms} WHERE term = {signed} AND amount > 0) OR NOT words @@ {unwanted}::tsquery)"
        signed, unwanted = sql.Literal(each.signed), sql.Literal(each.query)
        parts.append(tables.statement(text, signed=signed, unwanted=unwanted).query)
    return sql.SQL(" ").join(parts)


def _weight(word: Word) -> sql.Composed:
    """Return the SQL of a row's weight of the word: the maximum over the languages."""
    each = [
        sql.SQL("inner_product(weights, {}::sparsevec)").format(sql.Literal(_sparse({term: 1})))
        for term in sorted(word)
    ]
    return sql.SQL("greatest({})").format(sql.SQL(", ").join(each)) if len(each) > 1 else each[0]
