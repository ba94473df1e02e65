"""The search cache and its invalidation, with real ingestion and a real Redis-protocol server."""

import asyncio
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from redis import Redis

from documents.adding import service as intake
from documents.adding.validation import validate_text
from documents.ingestion.deletion import delete_document
from documents.ingestion.ingest import ingest
from documents.models import Document
from documents.retrieval import Retrieval, Scope, SearchConfig, search
from tests import factories
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.engines import Where
from workspaces.models import Workspace
from workspaces.settings import change_settings

pytestmark = pytest.mark.django_db(transaction=True)
LEAVE = "You may carry over five days of annual leave until 31 March."


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running_in_thread() as server:
        yield server


@pytest.fixture
def workspace(server: OpenAIServer) -> Workspace:
    workspace = factories.workspace(embedder=factories.embedder(base_url=server.base_url, dimensions=384))
    add(workspace, "leave.md", LEAVE)
    server.requests.clear()
    return workspace


def add(workspace: Workspace, title: str, text: str) -> Document:
    document = intake.add_file(workspace, None, ContentFile(text.encode(), title), title, ask_worker=False)
    ingest(document.pk)
    return document


def ask(workspace: Workspace, question: str = "annual leave", where: Where | None = None, **how) -> Retrieval:
    scope = Scope(workspace, where) if where else Scope(workspace)
    return asyncio.run(search(scope, question, **how))


def titles(found: Retrieval) -> set[str]:
    return {passage.document_title for passage in found.passages}


def test_the_same_question_is_answered_from_the_cache_without_a_model(workspace, server):
    first, again = ask(workspace), ask(workspace, " annual\n leave")
    assert (first.trace.caches["retrieval"], again.trace.caches["retrieval"]) == ("miss", "hit")
    assert again.passages == first.passages
    assert again.trace.question == " annual\n leave"
    assert set(again.trace.timings_ms) == {"total"}
    assert len(server.requests) == 1


def test_another_way_of_asking_remembers_the_vector_only(workspace, server):
    ask(workspace)
    found = ask(workspace, limit=1)
    assert found.trace.caches == {"retrieval": "miss", "query embedding": "hit"}
    assert found.passages[0].ranks["dense"].place == 1
    assert len(server.requests) == 1


def test_a_new_document_is_found_at_once(workspace):
    ask(workspace)
    add(workspace, "more.md", "Annual leave of thirty days.")
    assert titles(ask(workspace)) == {"leave.md", "more.md"}


def test_a_changed_document_is_found_as_it_is_now(workspace):
    ask(workspace)
    document = Document.objects.get()
    intake.change(document, None, validate_text("leave.md", "Annual leave ends.", False), ask_worker=False)
    ingest(document.pk)
    assert [passage.text for passage in ask(workspace).passages] == ["Annual leave ends."]


def test_a_deleted_document_is_found_no_more(workspace):
    ask(workspace)
    delete_document(Document.objects.get(), factories.operator())
    assert ask(workspace).outcome == "empty"


def test_a_new_title_is_shown_at_once(workspace):
    ask(workspace)
    Document.objects.update(title="holidays.md")
    found = ask(workspace)
    assert found.trace.caches["retrieval"] == "hit"
    assert titles(found) == {"holidays.md"}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"where": Where(documents=())}, id="filters"),
        pytest.param({"where": Where(access_level=0)}, id="who-may-see"),
        pytest.param({"config": SearchConfig(is_hybrid=False)}, id="settings"),
        pytest.param({"token_budget": 10}, id="budget"),
        pytest.param({"previous": ["carry over"]}, id="the-question-before"),
        pytest.param({"question": "Annual leave"}, id="case"),
    ],
)
def test_whoever_asks_otherwise_is_not_given_what_others_were(workspace, other):
    ask(workspace)
    assert ask(workspace, **other).trace.caches["retrieval"] == "miss"


def test_a_changed_setting_holds_at_once(workspace):
    ask(workspace)
    change_settings(None, workspace, is_hybrid=False)
    assert [leg.name for leg in ask(workspace).trace.legs] == ["dense"]


def test_what_a_failing_leg_left_is_not_remembered(workspace, server):
    server.behaviour = Behaviour(status=401)
    assert ask(workspace).trace.caches["retrieval"] == "miss"
    server.behaviour = Behaviour()
    assert ask(workspace).passages[0].ranks["dense"].place == 1


def test_a_leg_that_failed_with_the_question_before_it_is_shown_and_not_remembered(workspace, server):
    ask(workspace)  # its vector is cached, so only the query with the question before it asks the model
    server.behaviour = Behaviour(status=401)
    before = ["May I carry it over?"]
    assert [leg.name for leg in ask(workspace, previous=before).trace.legs if leg.error] == ["dense"]
    server.behaviour = Behaviour()
    after = ask(workspace, previous=before).trace
    assert (after.caches["retrieval"], [leg for leg in after.legs if leg.error]) == ("miss", [])


def test_without_the_cache_server_everything_is_searched(workspace, settings):
    gone = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
    settings.CACHES = {"default": gone}
    assert ask(workspace).trace.caches["retrieval"] == "miss"
    assert ask(workspace).trace.caches["retrieval"] == "miss"


def test_nothing_is_remembered_where_the_operator_says_so(workspace, settings):
    settings.SEARCH_CACHE_SECONDS = 0
    ask(workspace)
    assert ask(workspace).trace.caches == {"retrieval": "off", "query embedding": "off"}


def test_what_cannot_be_read_back_is_found_anew(workspace):
    ask(workspace)
    valkey = Redis.from_url(settings.CACHES["default"]["LOCATION"])
    for key in valkey.scan_iter("search:retrieval:*"):
        valkey.set(key, b"no JSON at all")
    assert ask(workspace).trace.caches["retrieval"] == "miss"
    assert ask(workspace).trace.caches["retrieval"] == "hit"
