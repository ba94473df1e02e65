"""Chunks in PostgreSQL: one table per index of a workspace, in a schema of their own.

A batch is staged with `live = false`, where no search sees it, and published by one update, so that a
searcher finds a document's old chunks or its new ones, never none and never a mix. The key on
(document, live, ordinal) makes a double impossible. A second table has one row per document: its vector, and
what is known of it beside its text, so that changing that touches no chunk and no vector's place in an index.

A batch comes in by COPY, into a temporary table, because a repetition replaces what it staged before
(benchmarks/results/ingest.md has what COPY saves). What the words of a text become: lexical.py.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple
from typing import Any, LiteralString
from uuid import UUID

from django.db import connection, transaction
from psycopg import sql

from inference.types import Vector
from workspaces.models import Metric, Workspace

from . import lexical
from .contract import (
    ANYWHERE,
    NO_FACTS,
    Facts,
    FoundChunk,
    FoundDocument,
    Incomplete,
    NewChunk,
    Where,
    WrongDimensions,
)
from .question import Question
from .where import restriction

SCHEMA = "chunks"
MAX_INDEXED_DIMENSIONS = 4000  # of a halfvec in an HNSW index (pgvector README, "HNSW")
MAX_DIMENSIONS = 16_000  # of a halfvec column
EF_SEARCH = 100  # candidates HNSW keeps; recall .99 on 100,000 chunks (docs/adr/0004-halfvec-hnsw.md)

# metric -> (operator, operator class, similarity from the operator's distance `d`)
_METRICS = {
    Metric.COSINE: ("<=>", "halfvec_cosine_ops", "1 - d"),
    Metric.L2: ("<->", "halfvec_l2_ops", "-d"),
    Metric.INNER_PRODUCT: ("<#>", "halfvec_ip_ops", "-d"),  # pgvector gives the negative product
}
_COLUMNS = (
    *("document_id", "ordinal", "text", "content_hash", "section", "start", "stop", "language", "title_path"),
    *("page", "metadata", "embedding", "words", "weights", "length", "k"),
)
# Kept by each session, for every workspace: making one for each batch costs more than filling it, and leaves
# dead rows in the catalogue.
_INCOMING: LiteralString = """CREATE TEMP TABLE IF NOT EXISTS incoming_chunks (
    document_id uuid, ordinal integer, text text, content_hash bytea, section integer, start integer, stop integer,
    language text, title_path text[], page integer, metadata jsonb, embedding halfvec, words tsvector,
    weights sparsevec, length integer, k real
) ON COMMIT DELETE ROWS"""
_COLUMN_LIST = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
_FIELDS = sql.SQL("id, document_id, ordinal, text, section, start, stop, title_path, page")


def _literal(vector: Vector) -> str:
    """Return pgvector's text form. Five digits hold all of a half float's eleven bits."""
    return f"[{','.join(f'{value:.5g}' for value in vector)}]"


def _told(facts: Facts) -> tuple[str, int]:
    return json.dumps(dict(facts.metadata), allow_nan=False), facts.access_level


class PgVector:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        number = f"_{workspace.index_number}" if workspace.index_number else ""
        self.names = tuple(f"{kind}_{workspace.id.hex}{number}" for kind in "wdt")  # of its tables
        self.table, self.documents, self.terms = (sql.Identifier(SCHEMA, name) for name in self.names)
        self._tables = {"table": self.table, "documents": self.documents, "terms": self.terms}
        operator, self.operator_class, self.similarity = _METRICS[Metric(workspace.metric)]
        self.operator = sql.SQL(operator)

    # --- life ---------------------------------------------------------------------------------

    def create(self) -> None:
        w = self.workspace
        if not 0 < w.dimensions <= MAX_DIMENSIONS:
            raise WrongDimensions(
                f"pgvector keeps vectors of 1 to {MAX_DIMENSIONS:,} dimensions, not {w.dimensions:,}."
            )
        self._run("CREATE SCHEMA IF NOT EXISTS {schema}", schema=sql.Identifier(SCHEMA))
        self._run(
            """CREATE TABLE {table} (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                document_id uuid NOT NULL,
                live boolean NOT NULL DEFAULT false,
                ordinal integer NOT NULL,
                text text NOT NULL,
                content_hash bytea NOT NULL,
                section integer NOT NULL,
                start integer NOT NULL,
                stop integer NOT NULL,
                language text NOT NULL,
                title_path text[] NOT NULL,
                page integer,
                metadata jsonb NOT NULL,
                embedding halfvec({dimensions}) NOT NULL,
                {lexical},
                UNIQUE (document_id, live, ordinal)
            )""",
            dimensions=sql.Literal(w.dimensions),
            lexical=sql.SQL(lexical.COLUMNS),
        )
        lexical.create(self._run)
        self._run(
            "CREATE TABLE {documents} (document_id uuid PRIMARY KEY, embedding halfvec({dimensions}) NOT NULL, "
            "metadata jsonb NOT NULL, access_level integer NOT NULL)",
            dimensions=sql.Literal(w.dimensions),
        )
        if self.has_vector_index:
            ops = sql.SQL(self.operator_class)
            self._run("CREATE INDEX ON {table} USING hnsw (embedding {ops}) WHERE live", ops=ops)
            self._run("CREATE INDEX ON {documents} USING hnsw (embedding {ops})", ops=ops)

    @property
    def has_vector_index(self) -> bool:
        """Without one, search is exact: right at any size, slow beyond some 100,000 chunks."""
        return self.workspace.is_indexed and self.workspace.dimensions <= MAX_INDEXED_DIMENSIONS

    def drop(self) -> None:
        self._run("DROP TABLE IF EXISTS {table}, {documents}, {terms}")

    # --- in -----------------------------------------------------------------------------------

    def embedded_hashes(self, document_id: UUID) -> set[bytes]:
        rows = self._run("SELECT DISTINCT content_hash FROM {table} WHERE document_id = %s", [document_id])
        return {bytes(row[0]) for row in rows}

    def embeddings(self, document_id: UUID, hashes: Collection[bytes]) -> dict[bytes, Vector]:
        kept = self._embeddings(document_id, hashes)
        return {content_hash: json.loads(vector) for content_hash, vector in kept.items()}

    def stage(self, document_id: UUID, chunks: Sequence[NewChunk], vectors: Sequence[Vector | None]) -> None:
        for vector in vectors:
            self._check_dimensions(vector)
        pairs = list(zip(chunks, vectors, strict=True))
        # Read before anything is written: this batch may replace the very rows it copies from.
        kept = self._embeddings(
            document_id, [chunk.content_hash for chunk, vector in pairs if vector is None]
        )
        languages, mean_length = self.workspace.languages, lexical.mean_length(self._run)
        words = lexical.indexed([chunk.text for chunk in chunks], languages, mean_length)
        rows = [
            self._row(
                document_id, chunk, kept[chunk.content_hash] if vector is None else _literal(vector), each
            )
            for (chunk, vector), each in zip(pairs, words, strict=True)
        ]
        with transaction.atomic():
            self._run(_INCOMING)
            self._copy(rows)
            self._run(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming_chunks "
                "ON CONFLICT (document_id, live, ordinal) DO UPDATE SET {changes}",
                changes=sql.SQL(", ").join(
                    sql.SQL("{name} = excluded.{name}").format(name=sql.Identifier(name))
                    for name in _COLUMNS[2:]
                ),
            )
            self._run("DELETE FROM incoming_chunks")  # there may be another batch in this transaction

    def _copy(self, rows: Iterable[tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor:
            query = sql.SQL("COPY incoming_chunks ({columns}) FROM STDIN").format(columns=_COLUMN_LIST)
            with cursor.copy(query.as_string(cursor.connection)) as copy:
                for row in rows:
                    copy.write_row(row)

    def _check_dimensions(self, vector: Vector | None) -> None:
        if vector is not None and len(vector) != self.workspace.dimensions:
            raise WrongDimensions(
                f"The embedding model returned {len(vector)} dimensions, but this workspace was made for "
                f"{self.workspace.dimensions}. Choose the model it was made with, or have a new index built."
            )

    def _embeddings(self, document_id: UUID, hashes: Collection[bytes]) -> dict[bytes, str]:
        """Return the vectors that these texts have already, in pgvector's text form."""
        if not hashes:
            return {}
        rows = self._run(
            "SELECT DISTINCT ON (content_hash) content_hash, embedding::text FROM {table} "
            "WHERE document_id = %s AND content_hash = ANY(%s)",
            [document_id, list(hashes)],
        )
        return {bytes(content_hash): vector for content_hash, vector in rows}

    @staticmethod
    def _row(document_id: UUID, chunk: NewChunk, vector: str, words: lexical.Indexed) -> tuple[Any, ...]:
        """Return the values of _COLUMNS."""
        place = (chunk.section, chunk.start, chunk.end, chunk.language, list(chunk.title_path), chunk.page)
        metadata = json.dumps(chunk.metadata)
        return (
            document_id,
            chunk.ordinal,
            chunk.text,
            chunk.content_hash,
            *place,
            metadata,
            vector,
            *astuple(words),
        )

    def publish(
        self, document_id: UUID, chunk_count: int, summary: Vector | None = None, facts: Facts = NO_FACTS
    ) -> None:
        self._check_dimensions(summary)
        with transaction.atomic():
            lexical.recount(self._run, document_id, -1)
            self._run(
                "DELETE FROM {table} WHERE document_id = %s AND (live OR ordinal >= %s)",
                [document_id, chunk_count],
            )
            staged = self._run(
                "WITH shown AS (UPDATE {table} SET live = true WHERE document_id = %s RETURNING 1) "
                "SELECT count(*) FROM shown",
                [document_id],
            )[0][0]
            if staged != chunk_count:
                raise Incomplete(f"{staged} of {chunk_count} chunks are staged: nothing was published.")
            lexical.recount(self._run, document_id, +1)
            self._run(
                "INSERT INTO {documents} (document_id, embedding, metadata, access_level) "
                "SELECT document_id, coalesce(%s::halfvec, avg(embedding)), %s::jsonb, %s FROM {table} "
                "WHERE document_id = %s GROUP BY document_id ON CONFLICT (document_id) DO UPDATE SET "
                "embedding = excluded.embedding, metadata = excluded.metadata, access_level = excluded.access_level",
                [None if summary is None else _literal(summary), *_told(facts), document_id],
            )

    def describe(self, document_id: UUID, facts: Facts) -> None:
        self._run(
            "UPDATE {documents} SET metadata = %s::jsonb, access_level = %s WHERE document_id = %s",
            [*_told(facts), document_id],
        )

    def forget(self, document_id: UUID) -> None:
        lexical.recount(self._run, document_id, -1)
        self._run("DELETE FROM {table} WHERE document_id = %s", [document_id])
        self._run("DELETE FROM {documents} WHERE document_id = %s", [document_id])

    # --- out ----------------------------------------------------------------------------------

    def _check_question(self, vector: Vector) -> None:
        if len(vector) != self.workspace.dimensions:
            raise WrongDimensions(
                f"The question's embedding has {len(vector)} dimensions, the workspace {self.workspace.dimensions}."
            )

    def search_dense(
        self, vector: Vector, limit: int, where: Where = ANYWHERE, question: str = ""
    ) -> list[FoundChunk]:
        self._check_question(vector)
        chosen, params = restriction(where, self.documents)
        asked = Question.of(question, self.workspace.languages)
        with transaction.atomic():
            # Without iterative scan a filter leaves HNSW with a handful of its candidates, or none.
            self._run("SET LOCAL hnsw.iterative_scan = strict_order")
            self._run("SET LOCAL hnsw.ef_search = {ef}", ef=sql.Literal(max(EF_SEARCH, min(limit, 1000))))
            rows = self._run(
                """SELECT {fields}, {similarity} FROM (
                    SELECT *, embedding {operator} %s::halfvec AS d FROM {table}
                    WHERE live {chosen} {restriction} ORDER BY d LIMIT %s) nearest
                ORDER BY d""",
                [_literal(vector), *params, limit],
                fields=_FIELDS,
                operator=self.operator,
                similarity=sql.SQL(self.similarity),
                chosen=chosen,
                restriction=lexical.restriction(asked),
            )
        return [_found(row) for row in rows]

    def search_lexical(self, question: str, limit: int, where: Where = ANYWHERE) -> list[FoundChunk]:
        asked = Question.of(question, self.workspace.languages)
        plan = lexical.plan(self._run, asked, is_filtered=where != ANYWHERE or bool(asked.required))
        if plan is None:
            return []
        chosen, params = restriction(where, self.documents)
        rows = self._run(
            """SELECT {fields}, score, {coverage} FROM (
                SELECT id AS best, {score} AS score FROM (
                    SELECT id, weights, {drift} AS drift FROM {table}
                    WHERE live AND words @@ %s::tsquery {chosen} {restriction}
                    ORDER BY {rough_score} DESC, id LIMIT %s) candidate
                ORDER BY score DESC, id LIMIT %s) ranked
            JOIN {table} ON id = best ORDER BY score DESC, id""",
            [plan.candidates, *params, limit * lexical.SCORED, limit],
            fields=_FIELDS,
            coverage=lexical.coverage(plan),
            score=lexical.score(plan),
            drift=lexical.drift(plan),
            rough_score=lexical.rough_score(plan),
            chosen=chosen,
            restriction=lexical.restriction(asked),
        )
        return [_found(row) for row in rows]

    def search_documents(self, vector: Vector, limit: int, where: Where = ANYWHERE) -> list[FoundDocument]:
        self._check_question(vector)
        chosen, params = restriction(where, self.documents)
        with transaction.atomic():
            self._run("SET LOCAL hnsw.iterative_scan = strict_order")
            self._run("SET LOCAL hnsw.ef_search = {ef}", ef=sql.Literal(max(EF_SEARCH, min(limit, 1000))))
            rows = self._run(
                """SELECT document_id, {similarity} FROM (
                    SELECT document_id, embedding {operator} %s::halfvec AS d FROM {documents}
                    WHERE true {chosen} ORDER BY d LIMIT %s) nearest
                ORDER BY d""",
                [_literal(vector), *params, limit],
                operator=self.operator,
                similarity=sql.SQL(self.similarity),
                chosen=chosen,
            )
        return [FoundDocument(document_id, float(score)) for document_id, score in rows]

    def chunks(self, document_id: UUID, limit: int) -> list[FoundChunk]:
        rows = self._run(
            "SELECT {fields}, 0 FROM {table} WHERE live AND document_id = %s ORDER BY ordinal LIMIT %s",
            [document_id, limit],
            fields=_FIELDS,
        )
        return [_found(row) for row in rows]

    def count(self) -> int:
        return int(self._run("SELECT count(*) FROM {table} WHERE live")[0][0])

    def counts(self) -> dict[UUID, int]:
        return dict(
            self._run("SELECT document_id, count(*) FILTER (WHERE live) FROM {table} GROUP BY document_id")
        )

    # --- SQL ----------------------------------------------------------------------------------

    def _run(
        self, query: LiteralString, params: Sequence[Any] = (), **parts: sql.Composable
    ) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            composed = sql.SQL(query).format(**self._tables, columns=_COLUMN_LIST, **parts)
            cursor.execute(composed.as_string(cursor.connection), params or None)
            return cursor.fetchall() if cursor.description else []


def tables() -> set[str]:
    """Return the name of every table there is in the schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA])
        return {name for (name,) in cursor.fetchall()}


def drop_tables(names: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for name in names:
            statement = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(SCHEMA, name))
            cursor.execute(statement.as_string(cursor.connection))


def _found(row: tuple[Any, ...]) -> FoundChunk:
    id, document_id, ordinal, text, section, start, stop, title_path, page, score, *coverage = row
    place = (section, start, stop, tuple(title_path), page)
    return FoundChunk(id, document_id, ordinal, text, *place, float(score), sum(coverage))
