"""What every engine promises (workspaces/engines/contract.py), of each engine in each of its shapes.

A later engine joins by a line in SHAPES. What is particular to one engine is tested elsewhere.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from tests import factories
from workspaces.engines import Condition, Engine, IndexedMetadata, NewChunk, Where, engine_for
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.pgvector.tables import Tables
from workspaces.errors import Incomplete, WrongDimensions
from workspaces.models import IndexKind, Metric, Workspace

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Shape:
    """An engine, and what of a workspace makes it work in another way."""

    engine: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.engine, *self.fields.values()])


SHAPES = [
    Shape("pgvector", {"index_kind": kind, "metric": metric})
    for kind, metric in product((IndexKind.EXACT, IndexKind.HNSW, IndexKind.IVFFLAT), Metric)
]


@pytest.fixture(params=SHAPES, ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    workspace = factories.workspace(dimensions=3, engine=request.param.engine, **request.param.fields)
    made = engine_for(workspace)
    if isinstance(made, PgVector):
        _index(workspace, made.tables)
    return made


def _index(workspace: Workspace, tables: Tables) -> None:
    """Build the index now, within the test's transaction, and have PostgreSQL use it however few there are."""
    if workspace.index_kind != IndexKind.EXACT:
        tables.run(
            f"CREATE INDEX ON {{table}} USING {workspace.index_kind} (embedding {{operators}}) WHERE live"
        )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")


NORTH, EAST, UP = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
COMPASS = {"north pump": NORTH, "north-east pump": [0.7, 0.7, 0.0], "east valve": EAST}


def stage(engine: Engine, texts: dict[str, list[float]], document: UUID | None = None) -> UUID:
    document = document or uuid4()
    chunks = [NewChunk(n, text, text.encode(), 0, 0, len(text)) for n, text in enumerate(texts)]
    engine.stage(document, chunks, list(texts.values()))
    return document


def put(
    engine: Engine,
    texts: dict[str, list[float]],
    document: UUID | None = None,
    facts: IndexedMetadata | None = None,
) -> UUID:
    document = stage(engine, texts, document)
    engine.publish(document, len(texts), facts=facts or IndexedMetadata())
    return document


def by_meaning(engine: Engine, vector: list[float], limit: int = 5, **where: Any) -> list[str]:
    return [hit.text for hit in engine.search_dense(vector, limit, Where(**where))]


def by_words(engine: Engine, question: str, limit: int = 5, **where: Any) -> list[str]:
    return [hit.text for hit in engine.search_lexical(question, limit, Where(**where))]


# --- in and out -----------------------------------------------------------------------------------


def test_the_nearest_comes_first_and_its_score_is_the_highest(engine):
    put(engine, COMPASS)
    found = engine.search_dense([1.0, 0.1, 0.0], 3)
    assert [hit.text for hit in found] == ["north pump", "north-east pump", "east valve"]
    assert found[0].score > found[1].score > found[2].score


def test_words_find_what_has_any_of_them(engine):
    put(engine, COMPASS)
    assert sorted(by_words(engine, "Which pumps?")) == ["north pump", "north-east pump"]


def test_both_at_once_find_what_each_finds_alone(engine):
    put(engine, COMPASS)
    for where in (Where(), Where(access_level=0), Where(documents=())):
        found = engine.search([1.0, 0.1, 0.0], "pump", 5, where)
        assert found == (
            engine.search_dense([1.0, 0.1, 0.0], 5, where, "pump"),
            engine.search_lexical("pump", 5, where),
        )


def test_what_is_staged_is_not_found_until_it_is_published(engine):
    document = stage(engine, COMPASS)
    assert by_meaning(engine, NORTH) == by_words(engine, "pump") == []
    assert (engine.count(), engine.counts()) == (0, {document: 0})
    engine.publish(document, 3)
    assert (engine.count(), engine.counts()) == (3, {document: 3})


def test_a_new_version_replaces_the_old_one_whole(engine):
    document = put(engine, COMPASS)
    put(engine, {"upper pump": UP}, document)
    assert by_meaning(engine, NORTH) == by_words(engine, "pump valve") == ["upper pump"]


def test_an_incomplete_version_is_refused_and_the_old_one_stays(engine):
    document = put(engine, {"north pump": NORTH})
    stage(engine, {"upper pump": UP}, document)
    with pytest.raises(Incomplete):
        engine.publish(document, 2)
    assert by_meaning(engine, NORTH) == ["north pump"]


def test_a_known_text_keeps_its_vector(engine):
    document = put(engine, {"north pump": NORTH})
    assert engine.embedded_hashes(document) == {b"north pump"}
    assert engine.embeddings(document, [b"north pump"]) == {b"north pump": NORTH}
    engine.stage(document, [NewChunk(0, "north pump", b"north pump", 0, 0, 10)], [None])
    engine.publish(document, 1)
    assert by_meaning(engine, NORTH) == ["north pump"]


def test_what_is_forgotten_is_found_by_nothing(engine):
    document = put(engine, COMPASS)
    engine.forget(document)
    assert by_meaning(engine, NORTH) == by_words(engine, "pump") == engine.search_documents(NORTH, 5) == []
    assert (engine.count(), engine.embedded_hashes(document)) == (0, set())


def test_documents_are_found_as_a_whole_and_their_chunks_come_in_reading_order(engine):
    north, east = put(engine, {"north pump": NORTH}), put(engine, {"east valve": EAST, "east pump": EAST})
    assert [hit.document_id for hit in engine.search_documents([1.0, 0.1, 0.0], 5)] == [north, east]
    assert [hit.text for hit in engine.chunks(east, 5)] == ["east valve", "east pump"]


def test_vectors_of_another_size_are_refused(engine):
    for wrong in (
        lambda: engine.search_dense([1.0], 5),
        lambda: engine.search([1.0], "pump", 5),
        lambda: engine.search_documents([1.0], 5),
        lambda: stage(engine, {"short": [1.0]}),
    ):
        with pytest.raises(WrongDimensions):
            wrong()


def test_it_can_be_dropped_more_than_once(engine):
    put(engine, COMPASS)
    engine.drop()
    engine.drop()


# --- filters --------------------------------------------------------------------------------------

FACTS = {
    "manual": IndexedMetadata({"type": "manual", "year": 2024.0}, access_level=0),
    "report": IndexedMetadata({"type": "report", "year": 2026.0}, access_level=2),
}
FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "is": ({"conditions": (Condition("type", "is", ("manual",)),)}, ["manual"]),
    "is-any": ({"conditions": (Condition("type", "is", ("manual", "report")),)}, ["manual", "report"]),
    "is-not": ({"conditions": (Condition("type", "is_not", ("manual",)),)}, ["report"]),
    "at-least": ({"conditions": (Condition("year", "at_least", (2025.0,)),)}, ["report"]),
    "at-most": ({"conditions": (Condition("year", "at_most", (2025.0,)),)}, ["manual"]),
    "level": ({"access_level": 1}, ["manual"]),
    "no-document": ({"documents": ()}, []),
    "unknown-field": ({"conditions": (Condition("nothing", "is", ("manual",)),)}, []),
}


def test_a_filter_holds_for_every_way_of_searching(engine):
    for name, facts in FACTS.items():
        put(engine, {f"{name} pump": NORTH}, facts=facts)
    for title, (where, expected) in FILTERS.items():
        texts = [f"{name} pump" for name in expected]
        assert sorted(by_meaning(engine, NORTH, **where)) == texts, title
        assert sorted(by_words(engine, "pump", **where)) == texts, title
        assert len(engine.search_documents(NORTH, 5, Where(**where))) == len(texts), title


def test_what_is_known_of_a_document_changes_without_its_chunks(engine):
    document = put(engine, {"north pump": NORTH}, facts=FACTS["manual"])
    [before] = engine.search_dense(NORTH, 5)
    engine.describe({document: FACTS["report"]})
    assert engine.search_dense(NORTH, 5) == [before]
    assert by_meaning(engine, NORTH, access_level=1) == []


@pytest.mark.parametrize("few", [False, True], ids=["through-the-index", "exactly"])
@pytest.mark.parametrize("kept", [150, 5], ids=["half", "less-than-asked-for"])
def test_a_filter_gives_as_many_as_are_asked_for(engine, kept, few, monkeypatch):
    monkeypatch.setattr("workspaces.engines.pgvector.filter_plan.ALWAYS_EXACT", 1000 if few else 1)
    monkeypatch.setattr("workspaces.engines.pgvector.filter_plan._TRADE", 0)
    put(
        engine, {f"pump {n}": [1.0, n / 300, 0.0] for n in range(150)}, facts=IndexedMetadata({"kept": False})
    )
    put(
        engine,
        {f"old pump {n}": [-1.0, n / 300, 0.0] for n in range(kept)},
        facts=IndexedMetadata({"kept": True}),
    )
    where = (Condition("kept", "is", (True,)),)
    assert len(by_meaning(engine, NORTH, 10, conditions=where)) == min(10, kept)
    assert len(by_words(engine, "pump", 10, conditions=where)) == min(10, kept)


# --- nothing is more than text --------------------------------------------------------------------

HOSTILE = [
    "'; DROP TABLE x; --",
    "a & | ! ( :*",
    "%s %(x)s {table} {0}",
    "\\ \" '",
    '"open -"',
    "\x01 ' OR true --",
    "",
]


def test_a_question_is_only_text(engine):
    put(engine, COMPASS)
    for text in HOSTILE:
        engine.search_lexical(text, 5)
        engine.search_dense(NORTH, 5, question=text)
        engine.search(NORTH, text, 5)
        assert engine.count() == 3, text


def test_a_field_and_its_value_are_only_text(engine):
    document = put(engine, {"north pump": NORTH})
    for text in HOSTILE:
        engine.describe({document: IndexedMetadata({text: text})})
        for test in ("is", "at_least", "at_most"):
            same = (Condition(text, test, (text,)),)
            assert by_meaning(engine, NORTH, conditions=same) == by_words(engine, "pump", conditions=same)
            assert by_meaning(engine, NORTH, conditions=same) == ["north pump"], text
        assert by_meaning(engine, NORTH, conditions=(Condition(text, "is_not", (text,)),)) == [], text
        assert engine.count() == 1
