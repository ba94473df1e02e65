"""The pgvector engine: chunks in PostgreSQL, one table per index of a workspace, in a schema of their own.

A batch is staged with `live = false`, where no search sees it, and published by one UPDATE. So a search sees
a document's old chunks or its new ones, never none and never a mix. The unique key (document, live, ordinal)
makes duplicates impossible. A second table has one row per document with its vector and its metadata, so that
changing metadata touches no chunk and no vector index of the chunks.

A batch is copied (COPY) into a temporary table first, because a repeated batch replaces what it staged before
(benchmarks/results/ingest.md has what COPY saves). lexical.py turns the words of a text into terms.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, LiteralString
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from psycopg import sql

from inference.language.detection import AUTO
from inference.types import Vector
from workspaces.engines.contract import (
    ANYWHERE,
    NO_METADATA,
    FoundChunk,
    FoundDocument,
    IndexedMetadata,
    NewChunk,
    Where,
)
from workspaces.errors import Incomplete, WrongDimensions
from workspaces.models import Workspace

from . import dense, lexical, reanalysis, vocabulary
from .ann_index import AnnIndex
from .filter_plan import Within, exactly, look, of_documents, within
from .tables import SCHEMA, Rows, Tables, TableStatement, drop_table, execute_many, literal, table_names
from .tsquery import LexicalQuery

MAX_DIMENSIONS = 16_000  # limit of a halfvec column

_COLUMNS = (
    *("document_id", "ordinal", "text", "content_hash", "section", "start", "stop", "title_path"),
    *("page", "embedding", "words", "weights", "length", "k"),
)
# Each session keeps one table for all workspaces: creating one per batch takes longer than filling it, and
# leaves dead rows in the catalogue.
_INCOMING: LiteralString = """CREATE TEMP TABLE IF NOT EXISTS incoming_chunks (
    document_id uuid, ordinal integer, text text, content_hash bytea, section integer, start integer, stop integer,
    title_path text[], page integer, embedding halfvec, words tsvector,
    weights sparsevec, length integer, k real
) ON COMMIT DELETE ROWS"""
_COLUMN_LIST = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
_FIELDS = sql.SQL("id, document_id, ordinal, text, section, start, stop, title_path, page")


def _facts_values(facts: IndexedMetadata) -> tuple[str, int]:
    return json.dumps(dict(facts.metadata), allow_nan=False), facts.access_level


class PgVector:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.tables = Tables(workspace)
        self._run = self.tables.run

    # --- lifecycle ----------------------------------------------------------------------------

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
                title_path text[] NOT NULL,
                page integer,
                embedding halfvec({dimensions}) STORAGE MAIN NOT NULL,
                {lexical},
                UNIQUE (document_id, live, ordinal)
            )""",
            dimensions=sql.Literal(w.dimensions),
            lexical=sql.SQL(lexical.COLUMNS),
        )
        lexical.create(self._run)
        reanalysis.mark_as_current(self.tables)
        self._run(
            "CREATE TABLE {documents} (document_id uuid PRIMARY KEY, embedding halfvec({dimensions}) NOT NULL, "
            "chunks integer NOT NULL, metadata jsonb NOT NULL, access_level integer NOT NULL)",
            dimensions=sql.Literal(w.dimensions),
        )

    def drop(self) -> None:
        AnnIndex(self.tables).give_up()
        self._run("DROP TABLE IF EXISTS {table}, {documents}, {terms}")

    # --- indexing -----------------------------------------------------------------------------

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
        # Read before anything is written: this batch may replace the rows that it copies from.
        kept = self._embeddings(
            document_id, [chunk.content_hash for chunk, vector in pairs if vector is None]
        )
        languages, mean_length = self.workspace.languages, lexical.mean_length(self._run)
        texts, names = [chunk.text for chunk in chunks], [chunk.name for chunk in chunks]
        words = lexical.index_texts(texts, names, languages, mean_length)
        rows = [
            self._row(
                document_id, chunk, kept[chunk.content_hash] if vector is None else literal(vector), each
            )
            for (chunk, vector), each in zip(pairs, words, strict=True)
        ]
        with transaction.atomic():
            self._run(_INCOMING)
            self._copy(rows)
            self._run(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming_chunks "
                "ON CONFLICT (document_id, live, ordinal) DO UPDATE SET {changes}",
                columns=_COLUMN_LIST,
                changes=sql.SQL(", ").join(
                    sql.SQL("{name} = excluded.{name}").format(name=sql.Identifier(name))
                    for name in _COLUMNS[2:]
                ),
            )
            self._run("DELETE FROM incoming_chunks")  # the same transaction may stage another batch

    def _copy(self, rows: Iterable[tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor:
            query = sql.SQL("COPY incoming_chunks ({columns}) FROM STDIN").format(columns=_COLUMN_LIST)
            with cursor.copy(query.as_string(cursor.connection)) as copy:
                for row in rows:
                    copy.write_row(row)

    def _check_dimensions(self, vector: Vector | None) -> None:
        if vector is not None and len(vector) != self.workspace.dimensions:
            raise WrongDimensions(
                f"The embedding model returned {len(vector)} dimensions, but this workspace was created with "
                f"{self.workspace.dimensions}. Choose the model that it was created with, or build a new "
                "index."
            )

    def _embeddings(self, document_id: UUID, hashes: Collection[bytes]) -> dict[bytes, str]:
        """Return the vectors that these texts already have, in pgvector's text form."""
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
        """Return a row of _COLUMNS."""
        place = (chunk.section, chunk.start, chunk.end, list(chunk.title_path), chunk.page)
        return (
            document_id,
            chunk.ordinal,
            chunk.text,
            chunk.content_hash,
            *place,
            vector,
            *astuple(words),
        )

    def rename(self, document_id: UUID, name: str) -> None:
        reanalysis.rename(self.workspace, document_id, name)

    def publish(
        self,
        document_id: UUID,
        chunk_count: int,
        summary: Vector | None = None,
        facts: IndexedMetadata = NO_METADATA,
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
                "INSERT INTO {documents} (document_id, embedding, chunks, metadata, access_level) "
                "SELECT document_id, coalesce(%s::halfvec, avg(embedding)), count(*), %s::jsonb, %s FROM {table} "
                "WHERE document_id = %s GROUP BY document_id ON CONFLICT (document_id) DO UPDATE SET "
                "embedding = excluded.embedding, chunks = excluded.chunks, metadata = excluded.metadata, "
                "access_level = excluded.access_level",
                [None if summary is None else literal(summary), *_facts_values(facts), document_id],
            )
            self._note_change()

    @transaction.atomic
    def describe(self, documents: Mapping[UUID, IndexedMetadata]) -> None:
        told = [(id, *_facts_values(facts)) for id, facts in documents.items()]
        self._run(
            "UPDATE {documents} AS d SET metadata = told.metadata::jsonb, access_level = told.access_level "
            "FROM unnest(%s::uuid[], %s::text[], %s::int[]) AS told(document_id, metadata, access_level) "
            "WHERE d.document_id = told.document_id",
            [[row[column] for row in told] for column in range(3)],
        )
        self._note_change()

    @transaction.atomic
    def forget(self, document_id: UUID) -> None:
        lexical.recount(self._run, document_id, -1)
        self._run("DELETE FROM {table} WHERE document_id = %s", [document_id])
        self._run("DELETE FROM {documents} WHERE document_id = %s", [document_id])
        self._note_change()

    def _note_change(self) -> None:
        """Increment the corpus version, which invalidates cached searches, if this index is the one in use.

        Do it last: while this transaction holds the workspace's row, it must not wait for a row of the term
        table.
        """
        w = self.workspace
        answering = Workspace.objects.filter(pk=w.pk, index_number=w.index_number)
        answering.update(corpus_version=F("corpus_version") + 1)

    # --- searching ----------------------------------------------------------------------------

    def _check_question(self, vector: Vector) -> None:
        if len(vector) != self.workspace.dimensions:
            raise WrongDimensions(
                f"The question's embedding has {len(vector)} dimensions, the workspace {self.workspace.dimensions}."
            )

    def search(
        self, vector: Vector, question: str, limit: int, where: Where = ANYWHERE
    ) -> tuple[list[FoundChunk], list[FoundChunk]]:
        return self._search(question, limit, where, vector, has_words=True)

    def search_dense(
        self, vector: Vector, limit: int, where: Where = ANYWHERE, question: str = ""
    ) -> list[FoundChunk]:
        return self._search(question, limit, where, vector)[0]

    def search_lexical(self, question: str, limit: int, where: Where = ANYWHERE) -> list[FoundChunk]:
        return self._search(question, limit, where, has_words=True)[1]

    def _search(
        self,
        question: str,
        limit: int,
        where: Where,
        vector: Vector | None = None,
        *,
        has_words: bool = False,
    ) -> tuple[list[FoundChunk], list[FoundChunk]]:
        """Run the requested legs and return their chunks, in two round trips: counts first, then the legs."""
        if vector is not None:
            self._check_question(vector)
        asked = LexicalQuery.of(question, self._languages())
        looks = [look(self.tables, where)] if where != ANYWHERE else []
        seen = execute_many([*looks, *([lexical.amounts(self.tables, asked)] if has_words else [])])
        among = within(self.tables, where, seen[0] if looks else None)
        plan = self._plan(seen[-1], asked, among) if has_words else None
        nearest = self._dense(vector, asked, limit, among) if vector is not None else []
        matching = [lexical.search(self.tables, asked, plan, limit, among, _FIELDS)] if plan else []
        rows = execute_many([*nearest, *matching])
        found = rows[len(nearest) - 1] if nearest else []
        if vector is not None and among.is_cut_short(len(found), limit):
            found = execute_many(self._dense(vector, asked, limit, exactly(self.tables, where, among)))[-1]
        return _read_chunks(found), _read_chunks(rows[-1] if matching else [])

    def _languages(self) -> Sequence[str]:
        chosen: Sequence[str] = self.workspace.languages
        return vocabulary.languages(self.tables) if AUTO in chosen else chosen

    def _plan(self, rows: Rows, asked: LexicalQuery, among: Within) -> lexical.Plan | None:
        related = vocabulary.related_forms(self.tables, lexical.unknown_words(rows, asked))
        return lexical.plan(rows, asked, related, share=among.share)

    def _dense(self, vector: Vector, asked: LexicalQuery, limit: int, among: Within) -> list[TableStatement]:
        return dense.search(self.workspace, self.tables, vector, asked, limit, among, _FIELDS)

    def search_documents(self, vector: Vector, limit: int, where: Where = ANYWHERE) -> list[FoundDocument]:
        self._check_question(vector)
        told, params = of_documents(where)
        rows = self._run(
            """SELECT document_id, {similarity} FROM (
                SELECT document_id, embedding {operator} %s::halfvec AS d FROM {documents}
                WHERE {told} ORDER BY d LIMIT %s) nearest
            ORDER BY d""",
            [literal(vector), *params, limit],
            told=told,
        )
        return [FoundDocument(document_id, float(score)) for document_id, score in rows]

    def chunks(self, document_id: UUID, limit: int) -> list[FoundChunk]:
        rows = self._run(
            "SELECT {fields}, 0 FROM {table} WHERE live AND document_id = %s ORDER BY ordinal LIMIT %s",
            [document_id, limit],
            fields=_FIELDS,
        )
        return _read_chunks(rows)

    def count(self) -> int:
        rows = self._run(
            "SELECT amount FROM {terms} WHERE term = %s", [lexical.CHUNKS]
        )  # count(*) would be slow
        return int(rows[0][0]) if rows else 0

    def counts(self) -> dict[UUID, int]:
        return dict(
            self._run("SELECT document_id, count(*) FILTER (WHERE live) FROM {table} GROUP BY document_id")
        )

    def storage_names(self) -> Collection[str]:
        return self.tables.names

    @classmethod
    def stored_names(cls) -> set[str]:
        return table_names()

    @classmethod
    def drop_stored(cls, name: str) -> None:
        drop_table(name)


def _read_chunks(rows: Rows) -> list[FoundChunk]:
    found = []
    for id, document_id, ordinal, text, section, start, stop, title_path, page, score, *coverage in rows:
        place = (section, start, stop, tuple(title_path), page)
        found.append(FoundChunk(id, document_id, ordinal, text, *place, float(score), sum(coverage)))
    return found
