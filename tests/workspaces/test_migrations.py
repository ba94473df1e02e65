"""What a migration does to the tables that are no models."""

from importlib import import_module
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from tests import factories
from workspaces.engines import IndexedMetadata, NewChunk, Where, engine_for

pytestmark = pytest.mark.django_db


def test_chunks_from_before_the_first_version_are_refused():
    factories.workspace(dimensions=3)
    migration = import_module("workspaces.migrations.0006_bm25")
    with pytest.raises(RuntimeError, match="before version"):
        migration._refuse_chunks_without_weights(apps, SimpleNamespace(connection=connection))


def test_documents_from_before_facts_are_for_everyone_and_can_be_described():
    workspace = factories.workspace(dimensions=3)
    engine, document = engine_for(workspace), uuid4()
    engine.stage(document, [NewChunk(0, "pump", b"0", 0, 0, 4)], [[1, 0, 0]])
    engine.publish(document, 1)
    with connection.cursor() as cursor:  # as it was before
        cursor.execute(f"ALTER TABLE chunks.d_{workspace.id.hex} DROP metadata, DROP access_level")
    import_module("workspaces.migrations.0007_facts")._add_facts(apps, SimpleNamespace(connection=connection))
    assert len(engine.search_dense([1, 0, 0], 5, Where(access_level=0))) == 1
    engine.describe({document: IndexedMetadata({}, 1)})
    assert engine.search_dense([1, 0, 0], 5, Where(access_level=0)) == []


def test_documents_from_before_kinds_of_index_count_their_chunks_and_are_compared_exactly():
    workspace = factories.workspace(dimensions=3)
    engine, document, hex = engine_for(workspace), uuid4(), workspace.id.hex
    engine.stage(document, [NewChunk(0, "pump", b"0", 0, 0, 4)], [[1, 0, 0]])
    engine.publish(document, 1)
    with connection.cursor() as cursor:  # as it was before
        cursor.execute(f"ALTER TABLE chunks.d_{hex} DROP chunks")
        cursor.execute(f"CREATE INDEX ON chunks.d_{hex} USING hnsw (embedding halfvec_cosine_ops)")
        cursor.execute(f"ALTER TABLE chunks.w_{hex} ALTER embedding SET STORAGE EXTERNAL")
    migration = import_module("workspaces.migrations.0008_index_kind")
    migration._count_chunks_of_documents(apps, SimpleNamespace(connection=connection))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT chunks FROM chunks.d_{hex}")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [f"d_{hex}"])
        assert cursor.fetchone() == (1,)  # its key
    assert len(engine.search_dense([1, 0, 0], 5, Where(access_level=0))) == 1
