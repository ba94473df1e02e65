"""One document through all stages, on the real database and engine, with a real wire to the model."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from core.leases import Superseded
from documents.adding import service as intake
from documents.adding.service import add_file
from documents.chunking.table_heads import is_quote
from documents.errors import DocumentRefused
from documents.ingestion.claims import claim_work
from documents.ingestion.deletion import delete_document
from documents.ingestion.ingest import BATCH, ingest
from documents.ingestion.restart import restart
from documents.models import Document, LedgerEntry, Work
from tests import factories
from tests.documents.conftest import DIMENSIONS, a_worker_at, embedded
from tests.documents.parsing import files
from tests.fakes.openai_server import OpenAIServer
from workspaces.engines import engine_for
from workspaces.models import Workspace

NUMBERED = "\n\n".join(
    f"Paragraph {number}: {'the pump of building ' * 4}{number} shows error E{number} on day {number} of the year."
    for number in range(200)
)


def put(workspace: Workspace, content: str | bytes = NUMBERED, title: str = "a.md") -> Document:
    data = content.encode() if isinstance(content, str) else content
    return add_file(workspace, None, ContentFile(data, name=title), title)


def rows(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Every chunk of the workspace, live or staged, as it lies in the table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT live, ordinal, text, section, start, stop, embedding::text FROM chunks.w_{workspace.id.hex} "
            "ORDER BY document_id, live, ordinal"
        )
        return cursor.fetchall()


def again(document: Document) -> None:
    """Do what waiting for the next attempt would do."""
    Document.objects.filter(pk=document.pk, status="pending").update(next_attempt_at=timezone.now())
    Document.objects.filter(pk=document.pk, status="processing").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    ingest(document.pk)
    document.refresh_from_db()


def test_a_file_becomes_searchable_with_its_places(workspace: Workspace, embeddings: OpenAIServer) -> None:
    document = put(workspace, files.docx(), "a.docx")
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.stage, document.error) == ("ready", "done", "")
    assert [section.title_path for section in document.sections.all()] == [
        ["Handbook"],
        ["Handbook", "Leave"],
        ["Travel"],
    ]
    sections = {section.position: section.text for section in document.sections.all()}
    found = engine_for(workspace).search_lexical("days of leave", 1)[0]
    assert found.title_path == ("Handbook", "Leave")
    assert sections[found.section][found.start : found.end] == found.text
    workspace.refresh_from_db()
    assert workspace.chunk_count == document.chunk_count == engine_for(workspace).count() == 3
    assert document.character_count == sum(map(len, sections.values()))


def test_a_document_is_found_by_its_file_name(workspace: Workspace) -> None:
    for name in ("Offer Weber 2024.txt", "Offer Tanaka 2024.txt", "Offer Silva 2024.txt"):
        ingest(put(workspace, f"The total is {len(name)} euros, payable within a month.", name).pk)
    [first, *_] = engine_for(workspace).search_lexical("What is the total of the offer for Tanaka?", 3)
    assert workspace.documents.get(pk=first.document_id).title == "Offer Tanaka 2024.txt"


def test_pdf_chunks_carry_their_page(workspace: Workspace) -> None:
    document = put(workspace, files.pdf("About pumps", "About valves"), "a.pdf")
    ingest(document.pk)
    assert engine_for(workspace).search_lexical("valves", 1)[0].page == 2
    document.refresh_from_db()
    assert document.page_count == 2
    assert document.reading["facts"] == {"pages": 2}
    assert document.reading["parser"].startswith("pdfium ")


def test_what_is_found_in_a_long_table_has_its_header(workspace: Workspace) -> None:
    rows = "".join(f"SKU-{number:05},pump,{number % 60}\n" for number in range(200))
    document = put(workspace, f"sku,item,lead_time_days\n{rows}", "stock.csv")
    ingest(document.pk)
    found = engine_for(workspace).search_lexical("SKU-00134", 1)[0]
    assert found.text.startswith("| sku | item | lead_time_days |\n")
    assert "| SKU-00134 | pump | 14 |" in found.text
    section = document.sections.get(position=found.section)
    assert is_quote(found.text, section.text, found.start, found.end)


def test_what_was_read_and_what_was_not_is_kept(workspace: Workspace) -> None:
    document = put(
        workspace, files.archive({"a.txt": "Größe".encode("cp1252"), "b.bin": b"\0\1" * 99}), "a.zip"
    )
    ingest(document.pk)
    document.refresh_from_db()
    assert document.reading["parser"] == "zip 1"
    assert document.reading["facts"] == {"files": 2, "files read": 1}
    assert [note["kind"] for note in document.reading["notes"]] == ["warning", "left_out"]


def test_a_tar_archive_becomes_one_document_with_its_files(workspace: Workspace) -> None:
    data = files.tar(("rules/leave.txt", b"Thirty days of leave."), ("prices.csv", b"part,price\nvalve,12\n"))
    document = put(workspace, data, "all.tar.gz")
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.media_type) == ("ready", "application/gzip")
    assert document.reading["facts"] == {"files": 2, "files read": 2}
    assert (
        engine_for(workspace).search_lexical("valve", 1)[0].text
        == "prices.csv\n\n| part | price |\n| valve | 12 |"
    )


def test_the_ledger_tells_each_stage_and_batch(workspace: Workspace) -> None:
    document = put(workspace)
    ingest(document.pk)
    document.refresh_from_db()
    entries = list(document.ledger.all())
    assert [entry.stage for entry in entries] == ["extract", "chunk", "embed", "publish"]
    assert {entry.outcome for entry in entries} == {"done"}
    assert all(entry.finished_at and entry.finished_at >= entry.started_at for entry in entries)
    assert entries[0].detail["parser"] == "plain 2"
    batches = list(document.batches.all())
    assert [batch.ordinal for batch in batches] == list(range(len(batches)))
    assert sum(batch.chunk_count for batch in batches) == document.chunk_count == document.progress_done
    assert all(batch.chunk_count <= BATCH for batch in batches)


def test_the_same_text_twice_in_a_document_is_embedded_once(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    document = put(workspace, "# A\n\nsame\n\n" + "# B\n\nother\n\n# A\n\nsame\n\n" * 100)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.chunk_count == 201
    assert sorted(embedded(embeddings)) == ["# A\n\nsame", "# B\n\nother"]


def test_a_redelivered_task_does_nothing(workspace: Workspace, embeddings: OpenAIServer) -> None:
    document = put(workspace)
    ingest(document.pk)
    before, asked = rows(workspace), len(embedded(embeddings))
    ingest(document.pk)
    assert rows(workspace) == before
    assert len(embedded(embeddings)) == asked


def test_reading_a_ready_document_again_embeds_nothing(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    document = put(workspace)
    ingest(document.pk)
    before, asked = rows(workspace), len(embedded(embeddings))
    restart(document, None)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "ready"
    assert rows(workspace) == before
    assert len(embedded(embeddings)) == asked
    workspace.refresh_from_db()
    assert workspace.chunk_count == document.chunk_count


def test_smaller_chunks_replace_the_old_ones(workspace: Workspace) -> None:
    document = put(workspace)
    ingest(document.pk)
    Workspace.objects.update(chunk_size=120, chunk_overlap=0)
    restart(document, None)
    ingest(document.pk)
    workspace.refresh_from_db()
    assert all(len(row[2]) <= 120 and row[0] for row in rows(workspace))
    assert workspace.chunk_count == len(rows(workspace))


def test_two_workers_at_once_do_it_once(workspace: Workspace, embeddings: OpenAIServer) -> None:
    document = put(workspace)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            ingest(document.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    document.refresh_from_db()
    assert (document.status, document.attempt) == ("ready", 1)
    texts = embedded(embeddings)
    assert len(texts) == len(set(texts)) == document.chunk_count == len(rows(workspace))


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("locked.pdf", files.pdf("x", password="p"), "protected by a password"),
        ("scan.pdf", files.scan(), "recognition (OCR)"),
        ("cut.pdf", files.pdf("whole")[:200], "damaged"),
        ("blank.txt", b" \n ", "contains no text"),
    ],
    ids=["encrypted", "scan", "corrupt", "blank"],
)
def test_a_file_without_text_fails_with_a_reason(
    workspace: Workspace, name: str, content: bytes, words: str
) -> None:
    document = put(workspace, content, name)
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.attempt) == ("failed", 1)
    assert words in document.error
    assert document.ledger.get().outcome == "failed"
    assert rows(workspace) == []


def test_a_file_that_is_gone_fails_with_a_reason(workspace: Workspace) -> None:
    document = put(workspace)
    document.file.storage.delete(str(document.file.name))
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "failed"
    assert "missing from the storage" in document.error


def test_a_model_that_is_down_is_tried_again_when_it_is_up(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    embeddings.behaviour.status = 503
    document = put(workspace)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "pending"
    assert document.error.startswith("Embedding failed.")
    assert "It will be tried again (attempt 2 of 5)." in document.error
    assert "(attempt 2 of 5)" in document.error
    assert document.next_attempt_at is not None
    assert 3 < (document.next_attempt_at - timezone.now()).total_seconds() < 7
    ingest(document.pk)  # too early: nothing happens
    embeddings.behaviour.status = 200
    again(document)
    assert (document.status, document.error, document.attempt) == ("ready", "", 2)
    assert [entry.outcome for entry in document.ledger.filter(stage="embed")] == ["failed", "done"]


def test_a_model_that_stays_down_ends_on_the_dead_letter_list(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    embeddings.behaviour.status = 503
    document = put(workspace)
    ingest(document.pk)
    for _ in range(Document.MAX_ATTEMPTS - 1):
        again(document)
    assert document.status == "failed"
    assert "It was tried 5 times" in document.error


def test_a_server_that_asks_for_patience_gets_it(workspace: Workspace, embeddings: OpenAIServer) -> None:
    embeddings.behaviour.status, embeddings.behaviour.retry_after_s = 429, 300
    document = put(workspace)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.next_attempt_at is not None
    assert (document.next_attempt_at - timezone.now()).total_seconds() > 280


@pytest.mark.parametrize(
    ("change", "words"),
    [({"dimensions": DIMENSIONS + 1}, "dimensions"), ({"status": 401}, "Embedding failed.")],
    ids=["wrong dimensions", "wrong key"],
)
def test_what_no_repetition_mends_fails_at_once(
    workspace: Workspace, embeddings: OpenAIServer, change: dict[str, int], words: str
) -> None:
    for name, value in change.items():
        setattr(embeddings.behaviour, name, value)
    document = put(workspace)
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.attempt) == ("failed", 1)
    assert words in document.error


def test_a_missing_secret_is_named(workspace: Workspace) -> None:
    workspace.embedder.secret_ref = "env:NOBODY_SET_THIS"
    workspace.embedder.save()
    document = put(workspace)
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "failed"
    assert "env:NOBODY_SET_THIS" in document.error


def test_the_old_chunks_stay_searchable_while_a_repetition_fails(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    document = put(workspace)
    ingest(document.pk)
    live, sections = [row for row in rows(workspace) if row[0]], list(document.sections.all())
    Workspace.objects.update(chunk_size=150, chunk_overlap=0)
    embeddings.behaviour.status, embeddings.behaviour.failures = 503, None
    restart(document, None)
    ingest(document.pk)
    assert [row for row in rows(workspace) if row[0]] == live
    assert list(document.sections.all()) == sections


def test_a_repetition_embeds_only_what_is_missing(workspace: Workspace, embeddings: OpenAIServer) -> None:
    document = put(workspace)
    claim = claim_work(document.pk)
    assert claim is not None
    _let_fail_after(embeddings, batches=2)
    claim.release()
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.progress_done) == ("pending", 2 * BATCH)
    embeddings.behaviour.body = None
    again(document)
    assert document.status == "ready"
    texts = embedded(embeddings)
    assert document.batches.filter(attempt=2, embedded_count=0).count() == 2
    assert set(texts) == {row[2] for row in rows(workspace)}


def test_chunks_that_moved_between_attempts_find_their_vectors(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    """Other settings give the same texts other numbers, where the first attempt has staged other texts."""
    long, short = NUMBERED[:6000], "".join(f"# {number}\n\nshort {number}\n\n" for number in range(200))
    Workspace.objects.update(chunk_size=400, chunk_overlap=0)
    document = put(workspace, f"# Long\n\n{long}\n\n{short}")
    _let_fail_after(embeddings, batches=3)
    ingest(document.pk)
    Workspace.objects.update(chunk_size=200)
    embeddings.behaviour.body = None
    again(document)
    assert document.status == "ready", document.error
    texts = [row[2] for row in rows(workspace)]
    assert texts[-200:] == [f"# {number}\n\nshort {number}" for number in range(200)]
    vectors = {row[2]: row[6] for row in rows(workspace)}
    put(workspace, f"# Long\n\n{long}\n\n{short}", "b.md")
    ingest(workspace.documents.get(title="b.md").pk)
    assert {row[2]: row[6] for row in rows(workspace)} == vectors


def _let_fail_after(server: OpenAIServer, batches: int) -> None:
    """Answer the check of the model and so many batches, then rubbish."""
    behave = server.behaviour_of
    calls = iter(range(10_000))

    def behaviour_of(model: str) -> Any:
        if next(calls) == 1 + batches:
            server.behaviour.body = "<html>"
        return behave(model)

    server.behaviour_of = behaviour_of  # type: ignore[method-assign]


# --- claims -------------------------------------------------------------------------------------


def test_deleting_during_ingestion_leaves_no_orphan(workspace: Workspace, embeddings: OpenAIServer) -> None:
    embeddings.behaviour.first_token_s = 0.2
    document = put(workspace)
    with a_worker_at(document):
        while not rows(workspace):
            threading.Event().wait(0.02)
        delete_document(document, None)
    assert rows(workspace) == []
    assert not Document.objects.exists()
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.chunk_count, workspace.size_bytes) == (0, 0, 0)


def test_a_worker_that_was_overtaken_changes_nothing(workspace: Workspace) -> None:
    document = put(workspace)
    slow = claim_work(document.pk)
    assert slow is not None
    assert claim_work(document.pk) is None
    Document.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    fast = claim_work(document.pk)
    assert fast is not None
    assert fast.document.fence > slow.document.fence
    with pytest.raises(Superseded), slow.hold_row():
        pytest.fail("an overtaken worker must not get here")
    for end in (slow.release, lambda: slow.fail("no"), lambda: slow.postpone("no"), slow.finish):
        with pytest.raises(Superseded):
            end()
    document.refresh_from_db()
    assert document.status == "processing"


@pytest.mark.parametrize("minutes", [-1, 1])
def test_a_worker_with_another_clock_takes_nothing_from_one_at_work(
    workspace: Workspace, minutes: int
) -> None:
    document, now = put(workspace), timezone.now
    Document.objects.update(next_attempt_at=now() - timedelta(hours=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now() - timedelta(minutes=minutes))
        claim = claim_work(document.pk)
        assert claim
        with claim.stage(Work.Stage.EXTRACT):
            pass
        with claim.hold_row():
            pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: now() + timedelta(minutes=minutes))
        assert claim_work(document.pk) is None
    Document.objects.update(lease_until=now() - timedelta(seconds=1))
    assert claim_work(document.pk)


def test_the_heartbeat_keeps_a_slow_worker_its_document(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Work, "LEASE", timedelta(seconds=0.6))
    document = put(workspace)
    claim = claim_work(document.pk)
    assert claim is not None
    with claim.keep_alive():
        threading.Event().wait(1.2)
        assert claim_work(document.pk) is None
    threading.Event().wait(0.8)
    assert claim_work(document.pk) is not None


def test_a_document_that_kills_its_workers_is_put_aside(workspace: Workspace) -> None:
    document = put(workspace)
    for _ in range(Document.MAX_ATTEMPTS):
        assert claim_work(document.pk) is not None
        Document.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "failed"
    assert "stopped 5 times" in document.error


def test_what_a_dead_worker_left_open_is_closed(workspace: Workspace) -> None:
    document = put(workspace)
    assert claim_work(document.pk) is not None
    LedgerEntry.objects.create(document=document, attempt=1, stage="extract")
    again(document)
    assert document.status == "ready"
    left = document.ledger.get(attempt=1)
    assert left.outcome == "failed"
    assert "worker stopped" in left.detail["error"]


def test_an_unknown_document_is_no_error(transactional_db: None) -> None:
    ingest(uuid4())


# --- the language -------------------------------------------------------------------------------

GERMAN = "Der Mitarbeiter hat Anspruch auf 26 Tage Urlaub im Jahr. Nicht genommene Tage verfallen im März."


@pytest.mark.parametrize(
    ("chosen", "ends_as"), [(None, "de"), ("en", "en")], ids=["nobody chose it", "somebody chose it"]
)
def test_the_language_is_found_unless_somebody_chose_it(
    workspace: Workspace, chosen: str | None, ends_as: str
) -> None:
    file = ContentFile(GERMAN.encode(), "urlaub.txt")
    document = intake.add_file(workspace, None, file, "urlaub.txt", chosen, ask_worker=False)
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.language) == ("ready", ends_as)


def test_a_corrected_language_is_kept_and_nothing_is_embedded_again(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    document = intake.add_file(
        workspace, None, ContentFile(GERMAN.encode(), "u.txt"), "u.txt", ask_worker=False
    )
    ingest(document.pk)
    before = len(embedded(embeddings))
    intake.correct_language(document, None, "en")
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.language, document.is_language_chosen) == ("ready", "en", True)
    assert len(embedded(embeddings)) == before


def test_the_language_of_what_is_being_read_cannot_be_changed(workspace: Workspace) -> None:
    document = factories.document(workspace, status="processing")
    with pytest.raises(DocumentRefused, match="being read right now"):
        intake.correct_language(document, None, "de")
