"""Makes the terms of stored chunks again after a change of the analyzer, while searches run.

A row of the term table holds, for the current version of the analyzer, the id of the last chunk that has its
terms; without the row, none has. Until a chunk is analyzed again, a question finds it by the terms that both
versions share. Nothing is embedded.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple
from uuid import UUID

from django.db import transaction
from django.db.models import F

from inference.language.analyzer import VERSION
from workspaces.models import Workspace

from . import lexical
from .tables import Tables

BATCH = 200  # chunks per transaction
_PROGRESS = f"\t{VERSION}"  # sorts before every term, and is none
_DONE = 2**62


def mark_as_current(tables: Tables) -> None:
    """Record that all chunks of a new index have the terms of this version."""
    tables.run("INSERT INTO {terms} VALUES (%s, %s)", [_PROGRESS, _DONE])


def is_current(tables: Tables) -> bool:
    return tables.run("SELECT amount FROM {terms} WHERE term = %s", [_PROGRESS]) == [(_DONE,)]


NamesOf = Callable[[Collection[UUID]], Mapping[UUID, str]]  # the names of these documents


def renew(index: Workspace, names_of: NamesOf) -> None:
    """Analyze the chunks of an index again, unless all have their terms. Safe to repeat and to interrupt."""
    tables = Tables(index)
    if is_current(tables):
        return
    while _renew_batch(index, tables, names_of):
        pass
    note_change(index)


def note_change(index: Workspace) -> None:
    """Let no cached result of this index stand, if it is the one in use."""
    answering = Workspace.objects.filter(pk=index.pk, index_number=index.index_number)
    answering.update(corpus_version=F("corpus_version") + 1)


@transaction.atomic
def _renew_batch(index: Workspace, tables: Tables, names_of: NamesOf) -> bool:
    """Return whether there may be more chunks. A publication waits for this transaction, or the other way round."""
    run = tables.run
    run("SELECT FROM {terms} WHERE term = %s FOR UPDATE", [lexical.CHUNKS])
    run("INSERT INTO {terms} VALUES (%s, 0) ON CONFLICT DO NOTHING", [_PROGRESS])
    [(last,)] = run("SELECT amount FROM {terms} WHERE term = %s FOR UPDATE", [_PROGRESS])
    rows = run("SELECT id, text, document_id FROM {table} WHERE id > %s ORDER BY id LIMIT %s", [last, BATCH])
    if rows:
        known = names_of({document for _, _, document in rows})
        _analyze_again(index, run, [(id, text, known.get(document, "")) for id, text, document in rows])
    run("UPDATE {terms} SET amount = %s WHERE term = %s", [rows[-1][0] if rows else _DONE, _PROGRESS])
    return bool(rows)


@transaction.atomic
def rename(index: Workspace, document_id: UUID, name: str) -> None:
    """Give the chunks of a document the words of its new name."""
    run = Tables(index).run
    run("SELECT FROM {terms} WHERE term = %s FOR UPDATE", [lexical.CHUNKS])
    if rows := run("SELECT id, text FROM {table} WHERE document_id = %s ORDER BY id", [document_id]):
        _analyze_again(index, run, [(id, text, name) for id, text in rows])
        note_change(index)


def _analyze_again(index: Workspace, run: lexical.Run, rows: Sequence[tuple[int, str, str]]) -> None:
    """rows: the id, the text and the document's name of each chunk."""
    ids, texts, names = zip(*rows, strict=True)
    found = lexical.index_texts(texts, names, index.languages, lexical.mean_length(run))
    lexical.recount_chunks(run, ids, -1)
    run(
        "UPDATE {table} AS chunk SET words = told.words::tsvector, weights = told.weights::sparsevec, "
        "length = told.length, k = told.k FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], "
        "%s::real[]) AS told(id, words, weights, length, k) WHERE chunk.id = told.id",
        [list(ids), *map(list, zip(*map(astuple, found), strict=True))],
    )
    lexical.recount_chunks(run, ids, +1)
