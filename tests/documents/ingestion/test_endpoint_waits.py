"""Another model behind the address, and a model that was away: nothing is mixed, and work goes on by itself."""

import asyncio

import pytest
from django.urls import reverse

from documents.adding.service import add_text
from documents.ingestion.endpoint_waits import MAX_RESUMPTIONS, resume
from documents.ingestion.ingest import ingest
from documents.models import Document
from documents.retrieval import Scope, search
from documents.tasks import recover
from inference import breaker
from models_registry.models import Endpoint, ReferenceVectors
from models_registry.probe import probe
from tests import factories
from tests.documents.conftest import embedded
from tests.documents.ingestion.test_ingest import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def closed_breaker(monkeypatch):
    """Let a server that is back be called at once, as after the pause of the circuit breaker."""
    monkeypatch.setattr(breaker, "OPENS_AFTER", 1000)


@pytest.fixture
def add(workspace):
    def add(text):
        document = add_text(workspace, None, title=text[:20], text=text, ask_worker=False)
        ingest(document.pk)
        document.refresh_from_db()
        return document

    return add


def checked(endpoint):
    probe(endpoint)
    endpoint.refresh_from_db()
    return endpoint


def found_by(workspace, question):
    workspace.refresh_from_db()
    return asyncio.run(search(Scope(workspace), question))


# --- another model --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"family": "other"}, {"dimensions": 12}], ids=["same size", "other dimensions"]
)
def test_another_model_at_the_address_embeds_nothing_and_the_old_one_goes_on(
    workspace, embeddings, add, change
):
    first = add("The pump is serviced in spring.")
    before = rows(workspace)
    embeddings.requests.clear()
    for name, value in change.items():
        setattr(embeddings.behaviour, name, value)
    second = add("The valve is closed in winter.")
    assert embedded(embeddings) == [], "no text of a document reaches the other model"
    assert (second.status, second.waits_for) == ("failed", workspace.embedder)
    assert "Another model answers at this address" in second.error
    assert rows(workspace) == before
    endpoint = Endpoint.objects.get(pk=workspace.embedder_id)
    assert (endpoint.last_check_ok, bool(endpoint.other_model_since)) == (False, True)
    assert "Another model" in checked(endpoint).last_error
    assert resume() == 0
    for name, value in {"family": "", "dimensions": 8}.items():
        setattr(embeddings.behaviour, name, value)
    endpoint = checked(endpoint)
    assert (endpoint.last_check_ok, endpoint.other_model_since) == (True, None)
    assert resume() == 1
    ingest(second.pk)
    assert {each.status for each in (first, Document.objects.get(pk=second.pk))} == {"ready"}


def test_while_another_model_answers_words_are_searched_and_the_pages_say_so(
    client, workspace, embeddings, add
):
    add("The pump is serviced in spring.")
    embeddings.behaviour.family = "other"
    endpoint = checked(workspace.embedder)
    assert "Another model answers at this address" in endpoint.last_error
    embeddings.requests.clear()
    result = found_by(workspace, "pump spring")
    assert [each.text for each in result.passages] == ["The pump is serviced in spring."]
    assert [bool(leg.error) for leg in result.trace.legs if leg.name in ("dense", "lexical")] == [True, False]
    assert embeddings.requests == []
    client.force_login(factories.operator())
    for page in (
        reverse("workspace", args=[workspace.id]),
        reverse("admin:models_registry_endpoint_change", args=[endpoint.pk]),
    ):
        assert "Another model answers at this address" in client.get(page).content.decode()
    told = client.get(reverse("api-ingestion")).json()["alarms"]
    assert [each["kind"] for each in told] == ["other_model"]
    assert client.get("/api/v1/health").json()["otherModels"] == 1


def test_a_model_that_nothing_depends_on_may_change(embeddings):
    endpoint = factories.embedder(base_url=embeddings.base_url, dimensions=8)
    assert checked(endpoint).last_check_ok
    embeddings.behaviour.family = "other"
    assert checked(endpoint).last_check_ok
    assert ReferenceVectors.objects.get().endpoint == endpoint


# --- a model that was away ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 404], ids=["key refused", "no such model"])
def test_documents_that_came_while_the_model_was_away_go_on_by_themselves(
    client, workspace, embeddings, add, status
):
    embeddings.behaviour.status = status
    documents = [add(f"Text number {number}") for number in range(3)]
    assert {(each.status, each.waits_for) for each in documents} == {("failed", workspace.embedder)}
    assert "goes on by itself when" in documents[0].error
    client.force_login(factories.operator())
    assert (
        f"wait for endpoint {workspace.embedder.name}" in client.get(reverse("admin:index")).content.decode()
    )
    assert (
        "3 documents wait for endpoint"
        in client.get(reverse("workspace", args=[workspace.id])).content.decode()
    )
    assert not checked(workspace.embedder).last_check_ok
    assert resume() == 0
    embeddings.behaviour.status = 200
    assert checked(workspace.embedder).last_check_ok
    recover()
    for each in documents:
        ingest(each.pk)
    assert set(Document.objects.values_list("status", "waits_for")) == {("ready", None)}


def until_it_waits(document):
    while document.status == "pending":
        Document.objects.filter(pk=document.pk).update(next_attempt_at=document.created_at)
        ingest(document.pk)
        document.refresh_from_db()
    return document


def test_a_server_that_is_not_reached_uses_up_the_attempts_and_then_the_document_waits(
    workspace, embeddings, add
):
    with embeddings.away():
        document = until_it_waits(add("Text"))
        assert (document.status, document.waits_for) == ("failed", workspace.embedder)
    checked(workspace.embedder)
    assert resume() == 1
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "ready"


def test_a_document_that_the_server_fails_on_is_not_resumed_for_ever(workspace, embeddings, add):
    embeddings.behaviour.status = 500
    document = until_it_waits(add("Text"))
    for _ in range(MAX_RESUMPTIONS):
        embeddings.behaviour.status = 200
        checked(workspace.embedder)
        embeddings.behaviour.status = 500
        assert resume() == 1
        document.refresh_from_db()
        document = until_it_waits(document)
    assert (document.status, document.waits_for) == ("failed", None)
    assert "the document may be the cause" in document.error
    embeddings.behaviour.status = 200
    checked(workspace.embedder)
    assert resume() == 0


def test_a_document_that_the_model_refuses_waits_for_nothing(embeddings, add):
    embeddings.behaviour.status = 400
    document = add("Text")
    assert (document.status, document.waits_for) == ("failed", None)
