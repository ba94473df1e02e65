"""Texts and questions with answers: added, found, changed."""

from typing import Any

import pytest

from accounts.models import AuditEvent
from core.leases import Superseded
from documents.adding import service as intake
from documents.adding.validation import pair_of, text_of, validate_pair, validate_text
from documents.errors import DocumentRefused
from documents.ingestion.claims import claim_work
from documents.ingestion.deletion import delete_document
from documents.ingestion.ingest import ingest
from documents.models import Document
from tests import factories
from tests.documents.adding.test_service import stored
from tests.documents.conftest import embedded
from tests.documents.ingestion.test_ingest import rows
from tests.fakes.openai_server import OpenAIServer
from workspaces.models import Workspace


def chunks(document: Document) -> list[str]:
    """The texts that a search may find now, in reading order."""
    return [text for is_live, _, text, *_ in rows(document.workspace) if is_live]


def test_a_text_is_one_of_the_documents_and_found(workspace: Workspace) -> None:
    document = intake.add_text(
        workspace, None, "Pump care", "# Oil\r\n\r\nThe pump needs oil.", is_markdown=True
    )
    ingest(document.pk)
    document.refresh_from_db()
    assert (document.status, document.kind, document.media_type) == ("ready", "text", "text/markdown")
    assert document.sections.get().title_path == ["Oil"]
    assert text_of(document) == "# Oil\n\nThe pump needs oil."
    assert chunks(document) == ["# Oil\n\nThe pump needs oil."]


def test_the_question_is_embedded_and_both_are_quoted(workspace: Workspace, embeddings: OpenAIServer) -> None:
    document = intake.add_qa(workspace, None, " How often does\nthe pump need oil? ", "Every two weeks.")
    ingest(document.pk)
    document.refresh_from_db()
    assert embedded(embeddings) == ["How often does the pump need oil?"]
    assert (document.kind, document.title) == ("qa", "How often does the pump need oil?")
    assert chunks(document) == ["How often does the pump need oil?\n\nEvery two weeks."]
    assert pair_of(document) == ("How often does the pump need oil?", "Every two weeks.")


def test_a_long_answer_is_found_by_its_question_to_the_last_word(
    workspace: Workspace, embeddings: OpenAIServer
) -> None:
    answer = "\n\n".join(
        f"Step {number}: turn the pump by {number} degrees, then wait." for number in range(40)
    )
    document = intake.add_qa(workspace, None, "How is the pump set?", answer)
    ingest(document.pk)
    said = embedded(embeddings)
    assert said[0] == "How is the pump set?"
    assert len(said) > 5
    assert all(text.startswith("How is the pump set?\n") for text in said[1:])
    found = "\n\n".join(chunks(document))
    assert all(f"Step {number}: turn the pump by {number} degrees" in found for number in range(40))


def test_a_question_as_long_as_a_chunk_leaves_room_for_its_answer(workspace: Workspace) -> None:
    question = "Why does the pump " + "really " * 38 + "stop?"  # longer than the workspace's chunks
    document = intake.add_qa(workspace, None, question, "For want of oil.")
    ingest(document.pk)
    assert chunks(document) == [f"{question}\n\nFor want of oil."]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: validate_text("", "text"), "The title is empty. Write one."),
        (
            lambda: validate_text("t" * 301, "text"),
            "The title has 301 characters; the limit is 300. Shorten it.",
        ),
        (lambda: validate_text("title", " \x00\n "), "The text is empty. Write one."),
        (lambda: validate_pair("?", "answer"), "The question is empty. Write one."),
        (lambda: validate_pair("question", ""), "The answer is empty. Write one."),
        (
            lambda: validate_text("title", "x" * 2000),
            "The file has 2.0 KB; the limit is 2.0 KB. Split it and add the parts.",
        ),
    ],
)
def test_what_says_nothing_or_too_much_is_refused(settings: Any, make: Any, words: str) -> None:
    settings.UPLOAD_MAX_BYTES = 1999
    with pytest.raises(DocumentRefused) as refusal:
        make()
    assert str(refusal.value).replace("\xa0", " ") == words


def test_odd_characters_do_not_get_in(workspace: Workspace) -> None:
    document = intake.add_text(workspace, None, "A/B \u202etest\x00", "one\ud800 two\x07\tthree 👩‍🔧")
    assert document.title == "A/B test"
    assert text_of(document) == "one two\tthree 👩‍🔧"


def test_what_was_said_before_is_found_until_the_new_version_is_ready(
    workspace: Workspace, settings: Any
) -> None:
    user = factories.user()
    document = intake.add_text(workspace, user, "Oil", "The pump needs oil.")
    ingest(document.pk)
    intake.change(document, user, validate_text("Grease", "The pump needs grease, and no oil at all."))
    assert (document.title, document.status, document.attempt) == ("Grease", "pending", 0)
    assert chunks(document) == ["The pump needs oil."]
    ingest(document.pk)
    assert chunks(document) == ["The pump needs grease, and no oil at all."]
    assert len(stored(settings)) == 1
    workspace.refresh_from_db()
    assert (workspace.document_count, workspace.chunk_count, workspace.size_bytes) == (1, 1, 41)
    assert AuditEvent.objects.filter(action="document.change", user=user).exists()


def test_a_worker_at_the_old_version_publishes_nothing(workspace: Workspace) -> None:
    document = intake.add_text(workspace, None, "Oil", "The pump needs oil.")
    claim = claim_work(document.pk)
    assert claim
    intake.change(document, None, validate_text("Oil", "The pump needs rest."))
    with pytest.raises(Superseded):
        claim.finish(chunk_count=1)
    ingest(document.pk)
    assert chunks(document) == ["The pump needs rest."]


def test_the_same_again_changes_nothing_and_a_double_is_refused(workspace: Workspace, settings: Any) -> None:
    document = intake.add_text(workspace, None, "Oil", "The pump needs oil.")
    ingest(document.pk)
    document.refresh_from_db()
    assert intake.change(document, None, validate_text("Oil", "The pump needs oil.")).status == "ready"
    other = intake.add_text(workspace, None, "Grease", "Grease.")
    with pytest.raises(DocumentRefused, match="A document with this title and content already exists"):
        intake.change(other, None, validate_text("Oil", "The pump needs oil."))
    assert len(stored(settings)) == 2
    delete_document(other, None)
    with pytest.raises(DocumentRefused, match="deleted in the meantime"):
        intake.change(other, None, validate_text("Oil", "New."))
    assert len(stored(settings)) == 1
