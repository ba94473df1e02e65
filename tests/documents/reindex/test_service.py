"""A workspace gets its next index while search keeps using the current one."""

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from documents.access import where_for
from documents.adding import service as intake
from documents.adding.validation import validate_text
from documents.errors import ReindexRefused
from documents.ingestion.claims import claim_work
from documents.ingestion.deletion import delete_document
from documents.ingestion.endpoint_waits import resume
from documents.ingestion.ingest import ingest, ingest_item
from documents.ingestion.restart import restart
from documents.models import Document, ReindexItem, Section
from documents.reindex import service as reindex
from documents.retrieval import Scope, SearchConfig, search
from documents.tasks import ingest_reindex_item
from models_registry.probe import probe
from tests import factories
from tests.documents.conftest import DIMENSIONS, embedded
from tests.documents.ingestion.test_ingest import NUMBERED, put
from tests.documents.parsing import files
from tests.fakes.openai_server import OpenAIServer
from workspaces.engines import engine_for
from workspaces.engines.pgvector import maintenance
from workspaces.engines.pgvector.engine import PgVector
from workspaces.engines.pgvector.tables import table_names
from workspaces.models import IndexKind, Reindex, Workspace
from workspaces.provision import delete_workspace

SHORT = {"chunk_size": 120, "chunk_overlap": 0}


@pytest.fixture
def filled(workspace: Workspace, embeddings: OpenAIServer) -> Workspace:
    for title in ("one.md", "two.md"):
        ingest(put(workspace, NUMBERED[:3000] + title, title).pk)
    embeddings.requests.clear()
    workspace.refresh_from_db()
    return workspace


def work(building: Reindex) -> bool:
    """Do the work of the workers until none is left. Return True if the workspace has its new index."""
    while items := list(ReindexItem.objects.due().values_list("pk", flat=True)):
        for item in items:
            ingest_item(item)
        reindex.advance(building)
    building.refresh_from_db()
    return building.status == Reindex.Status.DONE


def chunks(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Return every live chunk of the current index, as stored in its table."""
    workspace.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.title, c.ordinal, c.text, c.section, c.start, c.stop, c.embedding::text "
            f"FROM chunks.{PgVector(workspace).tables.names[0]} c JOIN documents_document d ON d.id = c.document_id "
            "WHERE c.live ORDER BY 1, 2"
        )
        return cursor.fetchall()


def fresh_copy(of: Workspace, **settings: Any) -> list[tuple[Any, ...]]:
    """Return the chunks of a workspace that had these settings from the start."""
    fields = {name: getattr(of, name) for name in ("embedder", "languages", "chunk_size", "chunk_overlap")}
    made = factories.workspace(**fields | settings)
    for document in of.documents.all():
        with document.file.open() as file:
            copy = put(made, file.read(), document.title)
        ingest(copy.pk)
    return chunks(made)


def test_the_old_index_answers_until_the_new_one_is_complete(filled: Workspace) -> None:
    before = chunks(filled)
    building = reindex.start(filled, None, **SHORT)
    [first, _] = building.items.values_list("pk", flat=True)
    ingest_item(first)
    assert not reindex.advance(building)
    assert chunks(filled) == before
    assert reindex.progress(building) == reindex.ReindexProgress(total=2, done=1, failed=0)
    assert filled.chunk_size == 200
    assert work(building)
    assert chunks(filled) == fresh_copy(filled, **SHORT)
    assert filled.chunk_size == 120
    assert (
        filled.chunk_count == len(chunks(filled)) == sum(each.chunk_count for each in filled.documents.all())
    )


def test_a_searcher_finds_the_old_or_the_new_never_none_or_a_mix(filled: Workspace) -> None:
    sizes: set[frozenset[bool]] = set()
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                now = Workspace.objects.select_related("embedder", "reranker").get(pk=filled.pk)
                config = replace(SearchConfig.of(now), merges_neighbours=False)
                found = asyncio.run(search(Scope(now), "the pump of building shows error", config, limit=20))
                sizes.add(frozenset(len(passage.text) <= 120 for passage in found.passages))
        finally:
            connection.close()

    searcher = threading.Thread(target=look)
    searcher.start()
    for settings in (SHORT, {"chunk_size": 400}, SHORT):
        assert work(reindex.start(Workspace.objects.get(pk=filled.pk), None, **settings))
    stop.set()
    searcher.join()
    assert {True} in sizes
    assert sizes <= {frozenset({True}), frozenset({False})}


def test_what_is_embedded_is_not_embedded_again(filled: Workspace, embeddings: OpenAIServer) -> None:
    before = chunks(filled)
    assert reindex.estimate(filled, metric="l2", languages=["fr"]).tokens == 0
    assert work(reindex.start(filled, None, metric="l2", languages=["fr"]))
    assert embedded(embeddings) == []
    assert chunks(filled) == before
    assert (filled.metric, filled.languages) == ("l2", ["fr"])


def test_another_embedder_may_have_other_dimensions(filled: Workspace, embeddings: OpenAIServer) -> None:
    wider = factories.embedder(
        base_url=embeddings.base_url, model=f"wide?dimensions={DIMENSIONS * 2}", dimensions=DIMENSIONS * 2
    )
    texts = [row[2] for row in chunks(filled)]
    assert work(reindex.start(filled, None, embedder=wider))
    assert sorted(embedded(embeddings)) == sorted(texts)
    filled.refresh_from_db()
    assert (filled.embedder, filled.dimensions) == (wider, DIMENSIONS * 2)
    assert len(engine_for(filled).search_dense([1.0] * DIMENSIONS * 2, 5)) == 5


def test_another_parser_gives_other_sections_and_they_switch_too(workspace: Workspace) -> None:
    document = put(workspace, files.docx(), "a.docx")
    ingest(document.pk)
    building = reindex.start(workspace, None, parser="layout")
    before = list(document.sections.values_list("text", flat=True))
    for item in building.items.all():
        ingest_item(item.pk)
    assert list(document.sections.values_list("text", flat=True)) == before
    assert Section.every.filter(document=document).count() > len(before)
    assert reindex.advance(building)
    document.refresh_from_db()
    assert document.sections.count() == Section.every.filter(document=document, index_number=1).count()
    found = engine_for(Workspace.objects.get(pk=workspace.pk)).search_lexical("days of leave", 1)[0]
    sections = {section.position: section.text for section in document.sections.all()}
    assert sections[found.section][found.start : found.end] == found.text


# --- changes during a reindex -------------------------------------------------------------------


def test_documents_added_replaced_and_deleted_meanwhile_are_right_in_both(filled: Workspace) -> None:
    building = reindex.start(filled, None, **SHORT)
    for item in building.items.all():
        ingest_item(item.pk)
    added = put(filled, NUMBERED[:2000], "added.md")
    ingest(added.pk)
    replaced, deleted = filled.documents.get(title="one.md"), filled.documents.get(title="two.md")
    replaced.file.delete(save=False)
    replaced.file.save("one.md", ContentFile(NUMBERED[5000:7000].encode()))
    restart(replaced, None)
    ingest(replaced.pk)
    delete_document(deleted, None)
    assert {row[0] for row in chunks(filled)} == {"one.md", "added.md"}
    assert not reindex.advance(building)
    assert work(building)
    assert chunks(filled) == fresh_copy(filled, **SHORT)
    assert {row[0] for row in chunks(filled)} == {"one.md", "added.md"}
    assert set(engine_for(filled).counts()) == {added.pk, replaced.pk}


def test_a_document_worked_on_while_it_switches_is_begun_anew_for_the_new_index(filled: Workspace) -> None:
    building = reindex.start(filled, None, **SHORT)
    late = put(filled, NUMBERED[:2000], "late.md")
    claim = claim_work(late.pk)
    assert claim is not None
    assert work(building)
    late.refresh_from_db()
    assert late.status == "pending"
    claim.lease.is_lost.set()
    ingest(late.pk)
    assert chunks(filled) == fresh_copy(filled, **SHORT)
    assert not late.ledger.filter(outcome="running").exists()


def test_a_worker_killed_on_the_way_is_taken_over(filled: Workspace, embeddings: OpenAIServer) -> None:
    building = reindex.start(filled, None, **SHORT)
    item = building.items.first()
    assert item is not None
    assert claim_work(item.pk, ReindexItem) is not None
    assert not ReindexItem.objects.due().filter(pk=item.pk).exists()
    ReindexItem.objects.filter(pk=item.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert work(building)
    assert sorted(embedded(embeddings)) == sorted(row[2] for row in chunks(filled))


# --- the end ------------------------------------------------------------------------------------


def test_cancelled_it_leaves_nothing_and_changes_nothing(filled: Workspace) -> None:
    before, there = chunks(filled), table_names()
    building = reindex.start(filled, None, **SHORT)
    item = building.items.first()
    assert item is not None
    ingest_item(item.pk)
    held = claim_work(building.items.exclude(pk=item.pk).get().pk, ReindexItem)
    assert held is not None
    assert reindex.cancel(filled, None)
    assert table_names() == there
    assert chunks(filled) == before
    assert not Section.every.exclude(index_number=0).exists()
    assert not Reindex.objects.exists()
    assert not reindex.cancel(filled, None)


def test_cancelled_under_its_last_worker_it_ends_quietly(filled: Workspace, embeddings: OpenAIServer) -> None:
    item = reindex.start(filled, None, **SHORT).items.first()
    assert item is not None
    embeddings.behaviour.first_token_s = 0.5

    def cancel() -> None:
        reindex.cancel(filled, None)
        connection.close()

    cancelling = threading.Timer(0.3, cancel)
    cancelling.start()
    ingest_reindex_item(item.pk)
    cancelling.join()
    assert not Reindex.objects.exists()


def test_what_was_replaced_goes_a_while_later(filled: Workspace) -> None:
    old = PgVector(filled).tables.names[0]
    assert work(reindex.start(filled, None, **SHORT))
    reindex.tidy()
    assert old in table_names(), "a search that has begun still needs it"
    Reindex.objects.update(ended_at=timezone.now() - 2 * reindex.GRACE)
    reindex.tidy()
    assert old not in table_names()
    assert not Section.every.filter(index_number=0).exists()
    assert work(reindex.start(Workspace.objects.get(pk=filled.pk), None, chunk_size=300))


def test_with_other_languages_a_document_s_language_is_detected_again(workspace: Workspace) -> None:
    text = "Der Ersatzschlüssel liegt im Schrank neben der Werkstatt. Bitte bringen Sie ihn am Abend zurück."
    Workspace.objects.update(languages=["en"])
    workspace.refresh_from_db()
    document = put(workspace, text, "keys.txt")
    ingest(document.pk)
    document.refresh_from_db()
    assert document.language == "en"
    assert work(reindex.start(workspace, None, languages=["de", "fr"]))
    document.refresh_from_db()
    workspace.refresh_from_db()
    assert document.language == "de"
    scope = Scope(workspace, where_for(factories.operator(), workspace, {"language": "de"}))
    found = asyncio.run(search(scope, "Ersatzschlüssel"))
    assert [each.document_id for each in found.passages] == [document.pk]


def test_a_document_that_cannot_be_read_any_more_is_not_lost_silently(filled: Workspace) -> None:
    gone = filled.documents.get(title="one.md")
    gone.file.storage.delete(str(gone.file.name))
    building = reindex.start(filled, None, **SHORT)
    assert not work(building)
    assert reindex.progress(building).waits_for_people
    assert "missing from the storage" in reindex.failures(building)[0].error
    reindex.accept_losses(building, None)
    gone.refresh_from_db()
    assert (gone.status, gone.chunk_count) == ("failed", 0)
    assert {row[0] for row in chunks(filled)} == {"two.md"}
    filled.refresh_from_db()
    assert filled.chunk_count == len(chunks(filled))


@pytest.mark.parametrize("is_at_work", [False, True], ids=["waiting", "at work"])
def test_a_new_version_on_its_way_is_not_given_up_with_the_old_one(
    filled: Workspace, is_at_work: bool
) -> None:
    document = filled.documents.get(title="one.md")
    document.file.storage.delete(str(document.file.name))
    building = reindex.start(filled, None, **SHORT)
    assert not work(building)
    intake.change(document, None, validate_text("one.md", "What it says by now."), ask_worker=False)
    if is_at_work:
        assert claim_work(document.pk)
    reindex.accept_losses(building, None)
    document.refresh_from_db()
    assert (document.status, document.error, document.chunk_count) == ("pending", "", 0)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "ready", document.error
    assert {row[0] for row in chunks(filled)} == {"one.md", "two.md"}
    assert filled.chunk_count == len(chunks(filled))


def test_what_failed_can_be_tried_again(filled: Workspace, embeddings: OpenAIServer) -> None:
    embeddings.behaviour.status = 401
    building = reindex.start(filled, None, **SHORT)
    assert not work(building)
    assert reindex.progress(building).failed == 2
    embeddings.behaviour.status = 200
    assert reindex.retry_failed(building) == 2
    assert work(building)


def test_an_empty_workspace_switches_at_once(workspace: Workspace) -> None:
    reindex.start(workspace, None, metric="l2")
    workspace.refresh_from_db()
    assert (workspace.metric, workspace.index_number) == ("l2", 1)


def test_deleting_the_workspace_takes_every_index_along(filled: Workspace) -> None:
    there = table_names() - set(PgVector(filled).tables.names)
    assert work(reindex.start(filled, None, **SHORT))
    filled.refresh_from_db()
    reindex.start(filled, None, chunk_size=300)
    delete_workspace(None, filled)
    assert table_names() == there


@pytest.mark.parametrize(
    ("wanted", "field"),
    [({"chunk_size": 50}, "chunk_size"), ({"languages": ["xx"]}, "languages"), ({"metric": "far"}, "metric")],
    ids=["size", "language", "metric"],
)
def test_settings_that_make_no_sense_begin_nothing(
    filled: Workspace, wanted: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        reindex.start(filled, None, **wanted)
    assert field in refused.value.message_dict
    assert not Reindex.objects.exists()


def test_two_at_a_time_are_refused(filled: Workspace) -> None:
    reindex.start(filled, None, **SHORT)
    with pytest.raises(ReindexRefused, match="already"):
        reindex.start(filled, None, chunk_size=300)


def test_the_estimate_counts_what_will_be_embedded_and_what_it_costs(filled: Workspace) -> None:
    filled.embedder.input_price = 2
    found = reindex.estimate(filled, **SHORT)
    assert found.documents == 2
    building = reindex.start(filled, None, **SHORT)
    assert work(building)
    assert found.chunks == pytest.approx(len(chunks(filled)), rel=0.3)
    assert found.tokens == pytest.approx(found.chunks * 30, rel=0.1)
    assert float(found.cost) == pytest.approx(found.tokens * 2 / 1e6)
    assert found.is_measured
    assert 0 < found.seconds < 60
    assert Document.objects.filter(status="ready").count() == 2


def test_the_next_index_has_its_vector_index_before_it_takes_over(filled: Workspace) -> None:
    filled.index_kind = IndexKind.HNSW
    filled.save()
    building = reindex.start(filled, None, **SHORT)
    assert not work(building)
    for row_id in maintenance.due():
        maintenance.reconcile(row_id)
    assert reindex.advance(building)
    filled.refresh_from_db()
    assert maintenance.state_of(filled).kind == IndexKind.HNSW


def test_a_new_endpoint_at_the_address_of_a_changed_model_reuses_no_old_vector(
    filled: Workspace, embeddings: OpenAIServer
) -> None:
    """It has the same provider, model name and dimensions, so only the reference vectors tell them apart."""
    probe(filled.embedder)
    embeddings.behaviour.family = "other"
    probe(filled.embedder)
    assert filled.embedder.other_model_since
    new = factories.embedder(base_url=embeddings.base_url, dimensions=DIMENSIONS)
    texts = {row[2] for row in chunks(filled)}
    embeddings.requests.clear()
    assert work(reindex.start(filled, None, embedder=new))
    assert set(embedded(embeddings)) == texts
    filled.refresh_from_db()
    assert filled.embedder == new


def test_a_document_that_waits_for_the_old_model_goes_on_with_the_one_that_replaces_it(
    filled: Workspace, embeddings: OpenAIServer
) -> None:
    probe(filled.embedder)
    embeddings.behaviour.family = "other"
    late = put(filled, NUMBERED[:3000] + "late.md", "late.md")
    ingest(late.pk)
    late.refresh_from_db()
    assert late.waits_for == filled.embedder
    new = factories.embedder(base_url=embeddings.base_url, dimensions=DIMENSIONS)
    assert work(reindex.start(filled, None, embedder=new))
    late.refresh_from_db()
    assert (late.status, late.waits_for, late.error) == ("pending", None, "")
    ingest(late.pk)
    assert {row[0] for row in chunks(filled)} == {"one.md", "two.md", "late.md"}


def test_a_loss_that_waits_for_the_new_model_goes_on_with_it_after_the_switch(
    filled: Workspace, embeddings: OpenAIServer
) -> None:
    new = factories.embedder(base_url=embeddings.base_url, dimensions=DIMENSIONS)
    building = reindex.start(filled, None, embedder=new, **SHORT)
    embeddings.behaviour.status = 401
    assert not work(building)
    reindex.accept_losses(building, None)
    assert set(filled.documents.values_list("status", "waits_for")) == {("failed", new.pk)}
    embeddings.behaviour.status = 200
    probe(new)
    assert resume() == 2
    for document in filled.documents.all():
        ingest(document.pk)
    assert {row[0] for row in chunks(filled)} == {"one.md", "two.md"}
