"""`search` with the real engine, and with real HTTP calls to a fake embedding server."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import connection

from documents.errors import RetrievalFailed
from documents.models import Document
from documents.retrieval import Scope, SearchConfig, is_small_talk, search
from documents.retrieval.calibration import calibrate_due
from documents.retrieval.follow_up import count_own_words
from documents.retrieval.fusion import dense_share, fuse
from inference.connect import open_embedder
from models_registry.models import Endpoint
from tests import factories
from tests.fakes.model_container import running_in_thread as model_container
from tests.fakes.openai_server import Behaviour, OpenAIServer, embed, running_in_thread
from workspaces.engines import Condition, FoundChunk, NewChunk, Where, engine_for
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
    workspace = factories.workspace(embedder=embedder, relevance_floor=None)
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
            return (await embedder.embed(texts, "passage")).vectors

    engine = engine_for(workspace)
    chunks = [NewChunk(i, text, text.encode(), i, 0, len(text)) for i, text in enumerate(texts)]
    engine.stage(document.id, chunks, asyncio.run(embed()))
    engine.publish(document.id, len(chunks))
    return document


def calibrated(workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk).update(chunk_count=3)
    calibrate_due()
    refresh(workspace)


def refresh(workspace: Workspace) -> None:
    workspace.relevance_floor = Workspace.objects.get(pk=workspace.pk).relevance_floor


def ask(workspace: Workspace, question: str, config: SearchConfig | None = None, **how):
    return asyncio.run(search(Scope(workspace), question, config, **how))


def test_the_best_passage_comes_first_with_its_place_and_what_each_leg_said(workspace):
    result = ask(workspace, "How many days of annual leave may I carry over?")
    assert result.outcome == "found"
    best = result.passages[0]
    assert (best.number, best.document_title, best.section, best.start) == (1, "leave.md", 0, 0)
    assert best.text == TEXTS["leave.md"][0]
    assert (best.ranks["dense"].place, best.ranks["lexical"].place) == (1, 1)
    assert [passage.number for passage in result.passages] == list(range(1, len(result.passages) + 1))


def test_the_trace_names_the_question_the_legs_and_the_times(workspace):
    trace = ask(workspace, "annual leave").trace.as_json()
    assert trace["question"] == trace["sent"] == "annual leave"
    assert {leg["name"] for leg in trace["legs"]} == {"dense", "lexical"}
    assert {"embed question", "total"} <= set(trace["timings_ms"])


def test_the_trace_says_what_became_of_each_candidate(workspace):
    result = ask(workspace, "How many days of annual leave may I carry over?", limit=1)
    first, *others = result.trace.candidates
    assert (
        first.fate,
        first.passage,
        first.rank,
        first.ranks["dense"].place,
        first.ranks["lexical"].place,
    ) == (
        "prompt",
        1,
        1,
        1,
        1,
    )
    assert first.document_id == result.passages[0].document_id
    assert [each.fate for each in others] == ["not among the best 1"] * 2
    assert result.trace.dropped == {"not among the best 1": 2}
    assert {each.passage for each in others} == {None}
    assert json.loads(json.dumps(result.trace.as_json()))["candidates"][0]["passage"] == 1


def test_what_is_below_the_relevance_floor_is_in_the_trace(workspace):
    calibrated(workspace)
    found = ask(workspace, "xylophone zebra quartz").trace.candidates
    assert [each.fate for each in found] == ["below the relevance floor"] * 3


def test_a_keyword_hit_is_used_even_when_its_vector_is_far(workspace):
    result = ask(workspace, "ERR_42")
    assert result.passages[0].document_title == "pump.md"
    assert result.passages[0].ranks["lexical"].place == 1


def test_without_hybrid_only_meaning_counts(workspace):
    workspace.is_hybrid = False
    result = ask(workspace, "annual leave carry over days")
    assert [leg.name for leg in result.trace.legs] == ["dense"]
    assert all("lexical" not in passage.ranks for passage in result.passages)


def test_a_search_can_be_done_in_another_way_than_the_workspace_does(workspace):
    result = ask(workspace, "annual leave", SearchConfig(is_hybrid=False))
    assert [leg.name for leg in result.trace.legs] == ["dense"]


def test_a_chunk_found_by_both_legs_is_quoted_once(workspace):
    result = ask(workspace, "annual leave")
    assert len({passage.text for passage in result.passages}) == len(result.passages)


def test_a_follow_up_is_searched_with_the_question_before_it(workspace):
    result = ask(workspace, "And until when?", previous=["Hello", "May I carry over annual leave?"])
    assert result.trace.sent == "May I carry over annual leave?\nAnd until when?"
    assert result.passages[0].text == TEXTS["leave.md"][0]


def test_a_change_of_subject_does_not_find_the_old_subject(workspace):
    result = ask(workspace, "What does ERR_42 of the pump mean?", previous=["May I carry over annual leave?"])
    assert result.passages[0].document_title == "pump.md"
    assert result.trace.is_related is False


def test_a_question_of_many_words_is_searched_alone(workspace):
    long = "What should the crew in the northern workshop of the second building check before error ERR_42 of a pump?"
    result = ask(workspace, long, previous=["May I carry over annual leave?"])
    assert (result.trace.sent, result.trace.is_related) == (long, None)
    assert result.passages[0].document_title == "pump.md"


@pytest.mark.parametrize(
    ("question", "language", "words"),
    [
        ("And until when?", "en", 0),
        ("What does ERR_42 of the pump mean?", "en", 4),
        ("那么可以延期到什么时候呢", "zh", 3.5),
        ("我去年没有休完的年假可以延期到明年三月三十一日之前使用吗", "zh", 13),
    ],
)  # fmt: skip
def test_words_that_say_what_a_question_is_about_are_counted(question, language, words):
    assert count_own_words(question, [language]) == words


def test_a_follow_up_belongs_to_the_question_before_it(workspace):
    result = ask(workspace, "How many days of annual leave?", previous=["May I carry over annual leave?"])
    assert result.trace.is_related is True


def test_a_first_question_has_no_question_before_it(workspace):
    assert ask(workspace, "annual leave").trace.is_related is None


def test_a_question_about_nothing_here_finds_nothing_after_one_that_finds_something(workspace):
    calibrated(workspace)
    assert ask(workspace, "May I carry over annual leave?").outcome == "found"
    after = ask(workspace, "xylophone zebra quartz", previous=["May I carry over annual leave?"])
    assert after.outcome == "nothing_relevant"


def test_a_phrase_in_quotes_and_a_minus_hold_for_every_passage(workspace, server):
    put(workspace, "more.md", ["Annual leave of five days", "Leave the pump alone"])
    texts = {passage.text for passage in ask(workspace, '"annual leave" -march').passages}
    assert texts == {"Annual leave of five days"}
    assert server.requests[-1].body["input"] == ["annual leave"]


def test_the_quotes_of_the_question_before_are_over(workspace):
    result = ask(workspace, "And ERR_42?", previous=['"annual leave" -pump'])
    assert "pump.md" in {passage.document_title for passage in result.passages}


def test_nothing_relevant_is_not_an_empty_workspace(workspace):
    empty = factories.workspace(embedder=workspace.embedder)
    assert ask(empty, "annual leave").outcome == "empty"
    calibrated(workspace)
    result = ask(workspace, "xylophone zebra quartz")
    assert (result.outcome, result.passages) == ("nothing_relevant", ())


def test_the_floor_is_found_again_when_a_workspace_has_twice_as_many_chunks(workspace, server):
    calibrated(workspace)
    assert workspace.relevance_floor is not None
    server.requests.clear()
    Workspace.objects.update(calibrated_at=None)
    calibrate_due()
    assert not server.requests
    Workspace.objects.update(chunk_count=6)
    calibrate_due()
    assert server.requests


def test_a_workspace_whose_model_is_away_is_calibrated_later(workspace, server):
    server.behaviour = Behaviour(status=401)
    calibrated(workspace)
    assert workspace.relevance_floor is None
    assert ask(workspace, "annual leave").outcome == "found"
    server.behaviour = Behaviour()
    Workspace.objects.update(calibrated_at=None)
    calibrate_due()
    refresh(workspace)
    assert workspace.relevance_floor is not None


def test_words_in_common_are_relevant_however_far_the_vector_is(workspace):
    assert ask(workspace, "ERR_42 pump", SearchConfig(relevance_floor=2)).outcome == "found"
    assert ask(workspace, "xylophone quartz", SearchConfig(relevance_floor=2)).outcome == "nothing_relevant"


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
    assert "dense" not in result.passages[0].ranks
    [dense] = [leg for leg in result.trace.legs if leg.name == "dense"]
    assert dense.error


def test_without_its_words_the_meaning_answers_and_the_trace_says_why(workspace):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE chunks.t_{workspace.id.hex}")
    result = ask(workspace, "annual leave")
    assert "lexical" not in result.passages[0].ranks
    [lexical] = [leg for leg in result.trace.legs if leg.name == "lexical"]
    assert lexical.error == "The search engine did not answer."


def test_when_no_leg_answers_the_search_says_so(workspace, server):
    server.behaviour = Behaviour(status=401)
    workspace.is_hybrid = False
    with pytest.raises(RetrievalFailed):
        ask(workspace, "annual leave")


def test_documents_outside_the_scope_are_not_found(workspace):
    pump = Document.objects.get(title="pump.md")
    result = asyncio.run(search(Scope(workspace, Where(documents=(pump.id,))), "annual leave pump pressure"))
    assert {passage.document_id for passage in result.passages} == {pump.id}


def test_a_search_costs_one_embedding_call_of_one_text(workspace, server):
    ask(workspace, "annual leave")
    [request] = server.requests
    assert request.body["input"] == ["annual leave"]


@pytest.fixture
def reranker(workspace) -> Iterator[Endpoint]:
    """Return a cross-encoder that scores a passage by the words that it shares with the question."""
    with model_container() as url:
        workspace.reranker = Endpoint.objects.create(
            name="cross-encoder", kind="reranker", provider="container", options={"url": url}
        )
        yield workspace.reranker


def test_the_cross_encoder_of_the_workspace_decides_the_order(workspace, reranker):
    result = ask(workspace, "annual leave carry over pump")
    scores = [passage.ranks["rerank"].score for passage in result.passages]
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


def fused(dense: dict[int, float], lexical: dict[int, float]) -> list[int]:
    legs = ([hit(id, score) for id, score in leg.items()] for leg in (dense, lexical))
    return [each.chunk.chunk_id for each in fuse(*legs)]


def leg(first: float, rest: float, ids: Sequence[int]) -> dict[int, float]:
    """Return one hit that stands out, and others below it that are close together."""
    return {id: first if n == 0 else rest - n / 1000 for n, id in enumerate(ids)}


@pytest.mark.parametrize(
    ("dense", "lexical", "order"),
    [
        pytest.param({1: 0.9, 2: 0.8, 4: 0.1}, {2: 9, 3: 8, 5: 1}, [2, 1, 3, 4, 5], id="found-by-both-wins"),
        pytest.param({1: 0.9, 2: 0.1}, {}, [1, 2], id="only-meaning"),
        pytest.param({}, {1: 9, 2: 1}, [1, 2], id="only-words"),
        pytest.param({}, {}, [], id="nothing"),
        pytest.param({2: 0.5}, {2: 7}, [2], id="a-double-is-merged"),
        pytest.param({2: -0.5, 1: -0.5}, {}, [1, 2], id="a-tie-is-stable"),
        pytest.param({1: 0.0, 2: 0.0}, {2: 3}, [2, 1], id="no-similarity-at-all"),
    ],
)
def test_fusing_keeps_each_leg_and_rewards_overlap(dense, lexical, order):
    assert fused(dense, lexical) == order


def test_the_scale_of_a_leg_does_not_matter():
    dense, words = {1: 0.9, 2: 0.5, 3: 0.4}, {3: 9.0, 2: 5.0, 1: 1.0}
    assert fused(dense, words) == fused(dense, {id: score * 1000 for id, score in words.items()})


def test_a_model_that_finds_everything_alike_does_not_drag_the_words_down():
    dense = leg(0.52, 0.51, range(100, 200))  # a language that the model does not know
    words = {n: 20.0 - 1.5 * n for n in range(12)}
    assert dense_share([hit(*each) for each in dense.items()], [hit(*each) for each in words.items()]) < 0.1
    assert fused(dense, words)[:2] == [0, 1]


def test_in_a_small_workspace_a_rare_word_leads_meanings_that_are_almost_alike():
    """Five offers differ by a name: the model's order of them is noise, the name is not."""
    dense = {1: 0.165, 2: 0.164, 3: 0.162, 4: 0.155, 5: 0.149}
    assert fused(dense, {5: 1.6, 4: 0.2, 1: 0.2, 2: 0.2, 3: 0.2})[0] == 5


def test_in_a_small_workspace_a_meaning_that_stands_out_leads_common_words():
    assert fused({1: 0.8, 2: 0.1}, {2: 1.0, 1: 0.9})[0] == 1


def test_a_meaning_that_stands_out_leads_words_that_do_not():
    assert fused(leg(0.8, 0.3, range(100, 112)), leg(5.0, 4.9, range(12)))[0] == 100


# --- small talk -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Hello!",
        "hi there",
        "Thanks a lot for your help",
        "Good morning",
        "Vielen Dank!",
        "Merci beaucoup",
        "你好",
        "谢谢！",
    ],
)
def test_a_greeting_asks_nothing(text):
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello, what is the yearly fee?",
        "Who wrote Hello World?",
        "help",
        "",
        "?",
        "good day rates",
        "thank you letter",
    ],
)
def test_what_says_more_than_a_greeting_is_a_question(text):
    assert not is_small_talk(text)


# --- mistakes of other programs -------------------------------------------------------------------


def test_a_hit_that_only_the_words_find_reaches_the_passages(workspace):
    """No leg may be searched and then ignored: its best hit is quoted, however many the other leg found."""
    put(workspace, "many.md", [f"Item {n}: yearly leave and vacation days" for n in range(150)])
    put(workspace, "rare.md", ["Zq_77 Zq_77"])
    found = ask(workspace, "vacation days of yearly leave Zq_77")
    [rare] = [each for each in found.passages if each.document_title == "rare.md"]
    assert rare.ranks["lexical"].place == 1


@pytest.mark.parametrize("scores", [[-11.0] * 20, [-1e9 + n for n in range(20)], [0.0] * 20])
def test_a_cross_encoder_that_rejects_all_does_not_bring_the_farthest_up(workspace, scores):
    put(workspace, "leaves.md", [f"Annual leave, paragraph {n}." for n in range(40)])
    put(workspace, "far.md", ["xylophone quartz"])
    nearest = [each.chunk_id for each in ask(workspace, "annual leave", limit=50).trace.candidates]
    with model_container(scores=scores) as url:
        endpoint = Endpoint.objects.create(
            name="rejecting", kind="reranker", provider="container", options={"url": url}
        )
        found = ask(workspace, "annual leave", SearchConfig(reranker=endpoint))
    assert "far.md" not in {passage.document_title for passage in found.passages}
    quoted = [each.chunk_id for each in found.trace.candidates if each.passage]
    assert set(quoted) <= set(nearest[:20])
    if len(set(scores)) == 1:
        assert quoted == nearest[:6]


def test_no_words_stand_twice_in_the_passages(workspace):
    text = " ".join(f"Sentence {n} on annual leave." for n in range(60))
    document = Document.objects.create(
        workspace=workspace, title="long.md", size_bytes=1, content_sha256=uuid4().hex, language="en"
    )
    cut = list(enumerate(range(0, len(text) - 300, 150)))
    chunks = [NewChunk(n, text[at : at + 300], str(at).encode(), 0, at, at + 300) for n, at in cut]
    engine = engine_for(workspace)
    engine.stage(document.id, chunks, [embed(chunk.text, 384) for chunk in chunks])
    engine.publish(document.id, len(chunks))
    found = ask(workspace, "annual leave sentence 7 8 9", token_budget=10**6)
    mine = sorted((each.start, each.end) for each in found.passages if each.document_id == document.id)
    assert all(end < start for (_, end), (start, _) in pairwise(mine))
    for each in found.passages:
        if each.document_id == document.id:
            assert each.text == text[each.start : each.end]
    numbers = re.findall(r"Sentence \d+ ", "".join(each.text for each in found.passages))
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    "attempt",
    [
        "'; DROP TABLE documents_document; --",
        "annual leave' OR 1=1 --",
        '"annual leave" & (pump | !leave) <-> :*',
        "\\' \\\\ %s %(x)s {table} ${x}",
        '-"\') OR true --"',
        "☃" * 2000,
    ],
)
def test_a_question_is_only_words(workspace, attempt):
    before = [chunk.text for chunk in engine_for(workspace).search_lexical("leave pump", 10)]
    ask(workspace, attempt)
    ask(workspace, "and?", previous=[attempt])
    assert [chunk.text for chunk in engine_for(workspace).search_lexical("leave pump", 10)] == before


@pytest.mark.parametrize(
    "attempt", ["x') OR true --", "x'::jsonb; DROP TABLE documents_document; --", "$.*", "%s"]
)
def test_a_filter_is_only_a_value(workspace, attempt):
    for condition in (
        Condition(attempt, "is", ("x",)),
        Condition("kind", "is", (attempt,)),
        Condition(attempt, "at_least", (attempt,)),
    ):
        found = asyncio.run(search(Scope(workspace, Where(conditions=(condition,))), "annual leave"))
        assert found.passages == ()
    assert Document.objects.count() == 2


def test_a_vector_that_points_nowhere_leaves_the_words_and_a_trace_that_can_be_kept(workspace, server):
    reply = {
        "data": [{"index": 0, "embedding": [0.0] * 384}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    server.behaviour = Behaviour(body=json.dumps(reply))
    found = ask(workspace, "ERR_42 of the pump")
    assert [passage.document_title for passage in found.passages][:1] == ["pump.md"]
    json.dumps(found.trace.as_json(), allow_nan=False)


def test_people_with_an_access_level_get_ranks_without_the_rarity_of_words(workspace: Workspace) -> None:
    question = "What does ERR_42 mean?"
    everything = asyncio.run(search(Scope(workspace), question, fresh=True))
    limited = asyncio.run(search(Scope(workspace, Where(access_level=0)), question, fresh=True))
    assert everything.passages[0].ranks["lexical"].score is not None
    for each in (*limited.passages, *limited.trace.candidates):
        assert "lexical" not in each.ranks or each.ranks["lexical"].score is None
    assert [each.score for each in limited.passages] == [1 / each.number for each in limited.passages]
    assert [each.text for each in limited.passages] == [each.text for each in everything.passages]
