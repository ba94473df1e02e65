"""Vector indexes are built, replaced, measured and taken over in the background."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests import factories
from workspaces.engines import NewChunk
from workspaces.engines.pgvector import ann_tuning, maintenance
from workspaces.engines.pgvector.ann_index import MIN_INDEXED_FLOATS, URGENT_FLOATS, AnnIndex, wanted_kind
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.pgvector.maintenance import due, is_settled, reconcile, state_of, try_again
from workspaces.models import IndexKind, Metric, Workspace
from workspaces.models import VectorIndex as Row
from workspaces.provision import delete_workspace

EXACT, HNSW, IVFFLAT, AUTO = IndexKind.EXACT, IndexKind.HNSW, IndexKind.IVFFLAT, IndexKind.AUTO
DIMENSIONS = 8


def filled(kind: IndexKind, chunks: int = 40, **fields) -> Workspace:
    workspace = factories.workspace(dimensions=DIMENSIONS, index_kind=kind, **fields)
    put(workspace, chunks)
    return workspace


def put(workspace: Workspace, chunks: int) -> None:
    engine, document, rng = PgVector(workspace), uuid4(), random.Random(chunks)
    new = [NewChunk(n, f"pump {n}", b"%d" % n, 0, 0, 6) for n in range(chunks)]
    engine.stage(document, new, [[rng.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in new])
    engine.publish(document, chunks)


def choose(workspace: Workspace, kind: IndexKind) -> None:
    workspace.index_kind = kind
    workspace.save(update_fields=["index_kind"])


def tend_all() -> None:
    for row_id in due():
        reconcile(row_id)


def row_of(workspace: Workspace) -> Row:
    return Row.objects.get(workspace=workspace)


# --- which kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "chunks", "is_quiet", "standing", "expected"),
    [
        pytest.param(AUTO, MIN_INDEXED_FLOATS // 384 - 1, True, EXACT, EXACT, id="few-are-compared"),
        pytest.param(
            AUTO, MIN_INDEXED_FLOATS // 384 + 1, True, EXACT, HNSW, id="many-are-indexed-when-it-is-quiet"
        ),
        pytest.param(
            AUTO, MIN_INDEXED_FLOATS // 384 + 1, False, EXACT, EXACT, id="but-not-while-they-come-in"
        ),
        pytest.param(AUTO, URGENT_FLOATS // 384 + 1, False, EXACT, HNSW, id="unless-they-are-very-many"),
        pytest.param(
            AUTO, MIN_INDEXED_FLOATS // 384 - 1, True, HNSW, HNSW, id="an-index-is-kept-a-little-below"
        ),
        pytest.param(AUTO, MIN_INDEXED_FLOATS // 800, True, HNSW, EXACT, id="and-goes-when-few-are-left"),
        pytest.param(AUTO, MIN_INDEXED_FLOATS // 384 + 1, True, IVFFLAT, HNSW, id="another-kind-is-replaced"),
        pytest.param(EXACT, 10**7, True, HNSW, EXACT, id="exact-is-exact"),
        pytest.param(HNSW, 1, False, EXACT, HNSW, id="hnsw-at-once"),
        pytest.param(IVFFLAT, 999, True, EXACT, EXACT, id="lists-need-data"),
        pytest.param(IVFFLAT, 1000, False, EXACT, IVFFLAT, id="lists-once-there-is-data"),
    ],
)
def test_the_kind_follows_the_choice_and_the_size(kind, chunks, is_quiet, standing, expected):
    assert wanted_kind(kind, chunks, 384, is_quiet=is_quiet, standing=standing) == expected


def test_more_dimensions_than_an_index_holds_are_searched_exactly():
    assert wanted_kind(HNSW, 10**6, 4001, is_quiet=True, standing=EXACT) == EXACT


# --- building -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("metric", Metric.values)
@pytest.mark.parametrize(("kind", "chunks"), [(HNSW, 40), (IVFFLAT, 1000)])
def test_an_index_is_built_and_measured_and_searches_use_it(kind, chunks, metric):
    workspace = filled(kind, chunks, metric=metric)
    tend_all()
    state = state_of(workspace)
    assert state.standing is not None
    assert state.kind == kind
    assert state.row is not None
    assert state.row.recall is not None
    assert state.row.recall >= 0.99
    assert state.row.measured_chunks == chunks
    assert due() == []
    assert len(PgVector(workspace).search_dense([1.0] * DIMENSIONS, 10)) == 10


@pytest.mark.django_db(transaction=True)
def test_another_kind_replaces_what_stood_and_embeds_nothing():
    workspace = filled(HNSW, 1000)
    tend_all()
    before = PgVector(workspace).search_dense([1.0] * DIMENSIONS, 5)
    choose(workspace, IVFFLAT)
    tend_all()
    assert [each.kind for each in _indexes(workspace)] == [IVFFLAT]
    choose(workspace, EXACT)
    tend_all()
    assert _indexes(workspace) == []
    assert PgVector(workspace).search_dense([1.0] * DIMENSIONS, 5) == before


def _indexes(workspace: Workspace):
    return AnnIndex(PgVector(workspace).tables)._all()


@pytest.mark.django_db(transaction=True)
def test_lists_are_made_anew_once_there_are_twice_as_many_chunks():
    workspace = filled(IVFFLAT, 1000)
    tend_all()
    [first] = _indexes(workspace)
    put(workspace, 1001)
    tend_all()
    [second] = _indexes(workspace)
    assert second.name != first.name
    assert row_of(workspace).measured_chunks == 2001


@pytest.mark.django_db(transaction=True)
def test_what_was_published_since_is_found(monkeypatch):
    workspace = filled(HNSW)
    tend_all()
    engine, document = PgVector(workspace), uuid4()
    engine.stage(document, [NewChunk(0, "late", b"late", 0, 0, 4)], [[9.0] + [0.0] * 7])
    engine.publish(document, 1)
    assert engine.search_dense([1.0] + [0.0] * 7, 1)[0].text == "late"


@pytest.mark.django_db(transaction=True)
def test_adding_goes_on_while_an_index_is_built():
    workspace = filled(HNSW, 3000)
    [row_id] = due()

    def build() -> None:
        reconcile(row_id)
        connection.close()

    building = threading.Thread(target=build)
    building.start()
    for _ in range(5):
        put(workspace, 20)
    building.join()
    assert state_of(workspace).kind == HNSW
    assert PgVector(workspace).count() == 3100
    assert len(PgVector(workspace).search_dense([1.0] * DIMENSIONS, 1000)) == 1000


# --- trouble --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_unfinished_index_is_removed_and_built_anew():
    workspace = filled(HNSW)
    name = PgVector(workspace).tables.names[0]
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX leftover ON chunks.{name} USING hnsw (embedding halfvec_cosine_ops) WHERE live"
        )
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chunks.leftover'::regclass"
        )
    assert state_of(workspace).standing is None
    tend_all()
    [built] = _indexes(workspace)
    assert built.is_valid
    assert built.name != "leftover"


@pytest.mark.django_db(transaction=True)
def test_a_dead_worker_is_taken_over_and_its_own_write_refused():
    workspace = filled(HNSW)
    [row_id] = due()
    dead = maintenance._claim(row_id)
    assert dead is not None
    assert due() == []
    Row.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    tend_all()
    assert state_of(workspace).kind == HNSW
    with pytest.raises(maintenance.Superseded):
        maintenance._finish(dead, EXACT, breadth=None, recall=None)


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_build_the_same_index():
    filled(HNSW)
    [row_id] = due()
    assert maintenance._claim(row_id) is not None
    assert maintenance._claim(row_id) is None


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_said_in_words_tried_again_and_given_up_at_last():
    workspace = filled(HNSW)
    name = PgVector(workspace).tables.names[0]
    with connection.cursor() as cursor:  # no index can be built on a column that is not there
        cursor.execute(f"ALTER TABLE chunks.{name} RENAME embedding TO elsewhere")
    for attempt in range(1, maintenance.MAX_ATTEMPTS + 1):
        [row_id] = due()
        reconcile(row_id)
        row = row_of(workspace)
        assert row.attempt == attempt
        assert row.error == 'PostgreSQL says: column "embedding" does not exist.'
        assert due() == []  # it pauses
        Row.objects.update(next_attempt_at=timezone.now())
    assert row.status == Row.Status.FAILED
    assert due() == []
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE chunks.{name} RENAME elsewhere TO embedding")
    assert try_again(workspace)
    tend_all()
    assert state_of(workspace).kind == HNSW
    assert row_of(workspace).error == ""
    assert not try_again(workspace)


@pytest.mark.django_db(transaction=True)
def test_settings_of_the_session_are_as_they_were_after_a_build():
    filled(HNSW)
    with connection.cursor() as cursor:
        cursor.execute("SHOW maintenance_work_mem")
        before = cursor.fetchone()
        tend_all()
        cursor.execute("SHOW maintenance_work_mem")
        assert cursor.fetchone() == before


# --- looking --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_small_workspace_has_nothing_to_be_done():
    filled(AUTO)
    assert due() == []


@pytest.mark.django_db
def test_it_is_quiet_once_the_number_of_chunks_has_stayed_for_a_while(monkeypatch):
    monkeypatch.setattr("workspaces.engines.pgvector.ann_index.MIN_INDEXED_FLOATS", 100)
    workspace = filled(AUTO)
    assert due() == []
    Row.objects.update(still_since=timezone.now() - maintenance.QUIET)
    assert due() == [row_of(workspace).pk]
    put(workspace, 10)
    assert due() == []


@pytest.mark.django_db
def test_an_index_that_is_complete_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("workspaces.engines.pgvector.ann_index.MIN_INDEXED_FLOATS", 100)
    workspace = filled(AUTO)
    assert due() == []
    assert not is_settled(workspace)
    assert due() == [row_of(workspace).pk]


@pytest.mark.django_db
def test_rows_of_indexes_that_are_gone_are_removed():
    workspace = filled(AUTO)
    due()
    workspace.index_number = 3
    with transaction.atomic():
        PgVector(workspace).create()
    workspace.save(update_fields=["index_number"])
    due()
    assert list(Row.objects.values_list("index_number", flat=True)) == [3]


@pytest.mark.django_db(transaction=True)
def test_where_there_are_fewer_neighbours_than_looked_for_all_of_them_are_found():
    workspace = filled(HNSW, 2)
    tend_all()
    assert row_of(workspace).recall == 1.0


@pytest.mark.django_db
@pytest.mark.parametrize("nearest", [[], [(0.0,)]])
def test_chunks_may_go_while_it_is_measured(nearest):
    tables = PgVector(factories.workspace(dimensions=DIMENSIONS)).tables
    vector = f"[{','.join(['1'] * DIMENSIONS)}]"
    assert ann_tuning._measure_recall(tables, HNSW, 40, vector, nearest) == 1.0


def delete_and_disconnect(workspace: Workspace) -> None:
    try:
        delete_workspace(None, workspace)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before it is counted", "before it is claimed"])
def test_a_workspace_deleted_during_the_sweep_is_skipped(monkeypatch, caplog, when) -> None:
    gone, other = filled(HNSW), filled(HNSW)
    due()  # both are known to the maintenance

    def deleting(index: Workspace) -> PgVector:
        if index.pk == gone.pk:
            with ThreadPoolExecutor() as elsewhere:
                elsewhere.submit(delete_and_disconnect, gone).result(10)
        return PgVector(index)

    if when == "before it is counted":
        monkeypatch.setattr(maintenance, "engine_for", deleting)
    rows = due()
    if when == "before it is claimed":
        delete_workspace(None, Workspace.objects.get(pk=gone.pk))
    for row_id in rows:
        reconcile(row_id)
    assert state_of(other).kind == HNSW
    assert not [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
