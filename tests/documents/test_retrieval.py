"""The one door to searching, against the real engine and a real wire to an embedding model."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from documents.models import Document
from documents.retrieval import RetrievalFailed, Scope, search
from documents.retrieval.fusion import fuse
from inference.connect import open_embedder
from models_registry.models import Endpoint
from tests import factories
from tests.fakes.model_container import running_in_thread as model_container
from tests.fakes.openai_server import Behaviour, OpenAIServer, running_in_thread
from workspaces.engines import FoundChunk, NewChunk, engine_for
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "leave.md": [
        "You may carry over five days of annual leave until 31 March.",
        "Parental leave lasts a year.",
    ],
    "pump.md": ["Error ERR_42 of the pump means that the outlet pressure is above six bar."],
}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running_in_thread() as server:
        yield server


@pytest.fixture
def workspace(server: OpenAIServer) -> Workspace:
    embedder = factories.embedder(base_url=server.base_url, dimensions=384)
    workspace = factories.workspace(embedder=embedder)
    for title, texts in TEXTS.items():
        put(workspace, title, texts)
    server.requests.clear()
    return workspace


def put(workspace: Workspace, title: str, texts: list[str]) -> Document:
    document = Document.objects.create(
        workspace=workspace, title=title, size_bytes=1, content_sha256=uuid4().hex, language="en"
    )

    async def embed() -> list[list[float]]:
        async with open_embedder(workspace.embedder.spec()) as embedder:
            return await embedder.embed(texts, "passage")

    engine = engine_for(workspace)
    chunks = [NewChunk(i, text, text.encode(), i, 0, len(text), "en") for i, text in enumerate(texts)]
    engine.stage(document.id, chunks, asyncio.run(embed()))
    engine.publish(document.id, len(chunks))
    return document


def ask(workspace: Workspace, question: str, **how):
    return asyncio.run(search(Scope(workspace), question, **how))


def test_the_best_passage_comes_first_with_its_place_and_what_each_leg_said(workspace):
    result = ask(workspace, "How many days of annual leave may I carry over?")
    assert result.outcome == "found"
    best = result.passages[0]
    assert (best.number, best.document_title, best.section, best.start) == (1, "leave.md", 0, 0)
    assert best.text == TEXTS["leave.md"][0]
    assert (best.dense_rank, best.lexical_rank) == (1, 1)
    assert best.dense_score is not None
    assert [passage.number for passage in result.passages] == list(range(1, len(result.passages) + 1))


def test_the_trace_names_the_question_the_legs_and_the_times(workspace):
    trace = ask(workspace, "annual leave").trace.as_json()
    assert trace["question"] == trace["sent"] == "annual leave"
    assert {leg["name"] for leg in trace["legs"]} == {"dense", "lexical"}
    assert {"embed question", "total"} <= set(trace["timings_ms"])


def test_a_keyword_hit_is_used_even_when_its_vector_is_far(workspace):
    result = ask(workspace, "ERR_42")
    assert result.passages[0].document_title == "pump.md"
    assert result.passages[0].lexical_rank == 1


def test_without_hybrid_only_meaning_counts(workspace):
    workspace.is_hybrid = False
    result = ask(workspace, "annual leave carry over days")
    assert [leg.name for leg in result.trace.legs] == ["dense"]
    assert all(passage.lexical_rank is None for passage in result.passages)


def test_a_chunk_found_by_both_legs_is_quoted_once(workspace):
    result = ask(workspace, "annual leave")
    assert len({passage.text for passage in result.passages}) == len(result.passages)


def test_a_follow_up_is_searched_with_the_question_before_it(workspace):
    result = ask(workspace, "And until when?", previous=["Hello", "May I carry over annual leave?"])
    assert result.trace.sent == "May I carry over annual leave?\nAnd until when?"
    assert result.passages[0].text == TEXTS["leave.md"][0]


def test_nothing_relevant_is_not_an_empty_workspace(workspace):
    empty = factories.workspace(embedder=workspace.embedder)
    assert ask(empty, "annual leave").outcome == "empty"
    result = ask(workspace, "xylophone zebra quartz")
    assert (result.outcome, result.passages) == ("nothing_relevant", ())


def test_the_token_budget_limits_the_passages_but_keeps_the_best(workspace):
    result = ask(workspace, "leave", token_budget=1)
    assert len(result.passages) == 1
    assert result.trace.dropped["over the token budget"] >= 1


def test_the_limit_limits(workspace):
    assert len(ask(workspace, "leave pump", limit=2).passages) == 2


@pytest.mark.parametrize("status", [401, 400])
def test_a_failing_embedder_leaves_the_words_and_the_trace_says_why(workspace, server, status):
    server.behaviour = Behaviour(status=status)
    result = ask(workspace, "annual leave")
    assert result.passages[0].document_title == "leave.md"
    assert result.passages[0].dense_rank is None
    [dense] = [leg for leg in result.trace.legs if leg.name == "dense"]
    assert dense.error


def test_when_no_leg_answers_the_search_says_so(workspace, server):
    server.behaviour = Behaviour(status=401)
    workspace.is_hybrid = False
    with pytest.raises(RetrievalFailed):
        ask(workspace, "annual leave")


def test_documents_outside_the_scope_are_not_found(workspace):
    pump = Document.objects.get(title="pump.md")
    result = asyncio.run(search(Scope(workspace, documents=(pump.id,)), "annual leave pump pressure"))
    assert {passage.document_id for passage in result.passages} == {pump.id}


def test_a_search_costs_one_embedding_call_of_one_text(workspace, server):
    ask(workspace, "annual leave")
    [request] = server.requests
    assert request.body["input"] == ["annual leave"]


@pytest.fixture
def reranker(workspace) -> Iterator[Endpoint]:
    """A cross-encoder that scores a passage by the question's words in it."""
    with model_container() as url:
        workspace.reranker = Endpoint.objects.create(
            name="cross-encoder", kind="reranker", provider="sagemaker_contract", options={"url": url}
        )
        yield workspace.reranker


def test_the_cross_encoder_of_the_workspace_decides_the_order(workspace, reranker):
    result = ask(workspace, "annual leave carry over pump")
    scores = [passage.rerank_score for passage in result.passages]
    assert None not in scores
    assert scores == sorted(scores, reverse=True)
    assert [leg.name for leg in result.trace.legs][-1] == "rerank"


def test_a_cross_encoder_that_fails_leaves_the_order_and_the_trace_says_why(workspace, reranker):
    before = [passage.text for passage in ask(workspace, "annual leave").passages]
    reranker.options = {"url": "http://127.0.0.1:9"}
    result = ask(workspace, "annual leave")
    assert [passage.text for passage in result.passages] == before
    assert result.trace.legs[-1].error


# --- fusion ---------------------------------------------------------------------------------------


def hit(id: int, score: float = 0.5) -> FoundChunk:
    return FoundChunk(id, uuid4(), 0, f"chunk {id}", 0, 0, 1, (), None, score)


@pytest.mark.parametrize(
    ("dense", "lexical", "order"),
    [
        pytest.param([1, 2], [2, 3], [2, 1, 3], id="found-by-both-wins"),
        pytest.param([1, 2], [], [1, 2], id="one-leg-keeps-its-order"),
        pytest.param([], [], [], id="nothing"),
        pytest.param([1], [2], [1, 2], id="a-tie-is-stable"),
    ],
)
def test_fusing_goes_by_rank(dense, lexical, order):
    fused = fuse([hit(id) for id in dense], [hit(id) for id in lexical])
    assert [each.chunk.chunk_id for each in fused] == order


def test_fusing_ignores_the_size_of_raw_scores():
    fused = fuse([hit(1, 0.9), hit(2, 0.1)], [hit(2, 1000.0), hit(1, 0.0)])
    assert fused[0].score == fused[1].score
