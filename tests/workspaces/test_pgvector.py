"""What every engine promises (workspaces/engines/contract.py), here of pgvector."""

import math
import threading
from copy import copy
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection, transaction

from tests import factories
from workspaces.engines import NO_METADATA, Condition, IndexedMetadata, NewChunk, Value, Where, engine_for
from workspaces.engines.pgvector import lexical
from workspaces.engines.pgvector.tables import Tables, execute_many
from workspaces.engines.pgvector.tsquery import LexicalQuery
from workspaces.errors import Incomplete, WrongDimensions
from workspaces.models import Metric, Workspace

pytestmark = pytest.mark.django_db


def chunk(ordinal: int, text: str) -> NewChunk:
    return NewChunk(ordinal, text, text.encode(), section=0, start=0, end=len(text))


def put(
    workspace: Workspace, texts: dict[str, list[float]], document=None, facts: IndexedMetadata = NO_METADATA
):
    engine, document = engine_for(workspace), document or uuid4()
    engine.stage(document, [chunk(i, text) for i, text in enumerate(texts)], list(texts.values()))
    engine.publish(document, len(texts), facts=facts)
    return document


@pytest.fixture
def workspace() -> Workspace:
    return factories.workspace(dimensions=3)


@pytest.mark.parametrize("metric", Metric.values)
def test_dense_search_puts_the_nearest_first(metric):
    workspace = factories.workspace(dimensions=3, metric=metric)
    put(workspace, {"north": [1, 0, 0], "east": [0, 1, 0], "north-east": [0.7, 0.7, 0]})
    found = engine_for(workspace).search_dense([1, 0.1, 0], limit=3)
    assert [hit.text for hit in found] == ["north", "north-east", "east"]
    assert found[0].score > found[1].score > found[2].score


def test_cosine_similarity_is_one_for_the_same_direction(workspace):
    put(workspace, {"north": [2, 0, 0]})
    assert engine_for(workspace).search_dense([5, 0, 0], 1)[0].score == pytest.approx(1, abs=1e-3)


def test_lexical_search_needs_one_word_not_all_and_ignores_inflection(workspace):
    put(workspace, {"The pumps were inspected": [1, 0, 0], "Nothing alike": [0, 1, 0]})
    [hit] = engine_for(workspace).search_lexical("Who inspects a pump on Sundays?", 5)
    assert hit.text == "The pumps were inspected"
    assert 0 < hit.coverage < 1


def test_a_chunk_with_every_word_covers_the_question(workspace):
    put(workspace, {"error ERR_42 means low pressure": [1, 0, 0]})
    [hit] = engine_for(workspace).search_lexical("pressure ERR_42", 5)
    assert hit.coverage == pytest.approx(1)


def test_words_are_stemmed_in_each_language_of_the_workspace():
    workspace = factories.workspace(dimensions=3, languages=["en", "de"])
    put(workspace, {"Die Häuser der Stadt": [1, 0, 0], "Two houses": [0, 1, 0]})
    engine = engine_for(workspace)
    assert engine.search_lexical("Haus", 5)[0].text == "Die Häuser der Stadt"
    assert engine.search_lexical("house", 5)[0].text == "Two houses"


def test_staged_chunks_are_not_found_before_they_are_published(workspace):
    engine, document = engine_for(workspace), uuid4()
    engine.stage(document, [chunk(0, "secret pump")], [[1, 0, 0]])
    assert engine.search_dense([1, 0, 0], 5) == engine.search_lexical("pump", 5) == []
    assert engine.count() == 0
    engine.publish(document, 1)
    assert engine.count() == 1


def test_publishing_replaces_the_old_version_whole(workspace):
    document = put(workspace, {"old one": [1, 0, 0], "old two": [0, 1, 0]})
    put(workspace, {"new": [0, 0, 1]}, document)
    assert [hit.text for hit in engine_for(workspace).search_dense([0, 0, 1], 5)] == ["new"]


def test_an_incomplete_version_is_refused_and_the_old_one_stays(workspace):
    document = put(workspace, {"old": [1, 0, 0]})
    engine = engine_for(workspace)
    engine.stage(document, [chunk(0, "new")], [[0, 1, 0]])
    with pytest.raises(Incomplete):
        engine.publish(document, 2)
    assert [hit.text for hit in engine.search_dense([0, 1, 0], 5)] == ["old"]


def test_staging_twice_leaves_no_double(workspace):
    engine, document = engine_for(workspace), uuid4()
    for _ in range(2):
        engine.stage(document, [chunk(0, "once")], [[1, 0, 0]])
    engine.publish(document, 1)
    assert engine.count() == 1


def test_leftovers_of_a_longer_attempt_are_not_published(workspace):
    engine, document = engine_for(workspace), uuid4()
    engine.stage(document, [chunk(0, "a"), chunk(1, "b")], [[1, 0, 0], [0, 1, 0]])
    engine.stage(document, [chunk(0, "a")], [None])
    engine.publish(document, 1)
    assert [hit.text for hit in engine.search_dense([0, 1, 0], 5)] == ["a"]


def test_a_known_text_keeps_its_vector_without_being_embedded_again(workspace):
    document = put(workspace, {"known": [0, 0, 1]})
    engine = engine_for(workspace)
    assert engine.embedded_hashes(document) == {b"known"}
    engine.stage(document, [chunk(0, "known")], [None])
    engine.publish(document, 1)
    assert engine.search_dense([0, 0, 1], 1)[0].score == pytest.approx(1, abs=1e-3)


def test_the_vectors_of_known_texts_come_back_as_they_went_in(workspace):
    document = put(workspace, {"one": [0.25, 0.5, 1], "two": [1, 0, 0]})
    engine = engine_for(workspace)
    assert engine.embeddings(document, [b"one", b"unknown"]) == {b"one": [0.25, 0.5, 1]}
    assert engine.embeddings(uuid4(), [b"one"]) == engine.embeddings(document, []) == {}


def test_a_document_is_found_by_the_mean_of_its_chunks_or_by_its_summary(workspace):
    engine = engine_for(workspace)
    mixed = put(workspace, {"north": [1, 0, 0], "east": [0, 1, 0]})
    north = put(workspace, {"far north": [1, 0, 0]})
    assert [hit.document_id for hit in engine.search_documents([1, 0, 0], 5)] == [north, mixed]
    assert engine.search_documents([1, 1, 0], 1)[0].score == pytest.approx(1, abs=1e-3)
    engine.stage(mixed, [chunk(0, "north")], [[1, 0, 0]])
    engine.publish(mixed, 1, [0, 0, 1])
    assert engine.search_documents([0, 0, 1], 1)[0].document_id == mixed
    engine.forget(mixed)
    assert [hit.document_id for hit in engine.search_documents([1, 0, 0], 5)] == [north]
    with pytest.raises(WrongDimensions):
        engine.search_documents([1, 0], 5)


def test_chunks_are_counted_by_document_and_staged_ones_are_none(workspace):
    document, staged = put(workspace, {"a": [1, 0, 0], "b": [0, 1, 0]}), uuid4()
    engine = engine_for(workspace)
    engine.stage(staged, [chunk(0, "c")], [[0, 0, 1]])
    assert engine.counts() == {document: 2, staged: 0}


def test_two_indexes_of_a_workspace_do_not_see_each_other(workspace):
    put(workspace, {"old": [1, 0, 0]})
    following = copy(workspace)
    following.index_number = 1
    engine_for(following).create()
    put(following, {"new": [1, 0, 0]})
    assert [hit.text for hit in engine_for(workspace).search_dense([1, 0, 0], 5)] == ["old"]
    engine_for(following).drop()
    assert engine_for(workspace).count() == 1


# --- the document's name -------------------------------------------------------------------------


def named(workspace: Workspace, name: str, *texts: str):
    engine, document = engine_for(workspace), uuid4()
    chunks = [replace(chunk(number, text), name=name) for number, text in enumerate(texts)]
    engine.stage(document, chunks, [[1, 0, 0]] * len(chunks))
    engine.publish(document, len(chunks))
    return document


def names_found(workspace: Workspace, question: str) -> list[str]:
    return [hit.text for hit in engine_for(workspace).search_lexical(question, 9)]


@pytest.mark.parametrize(
    "question",
    ["offer_tanaka_2024.txt", '"offer tanaka"', "TANAKA", "tanaka -weber"],
)
def test_a_chunk_is_found_by_the_name_of_its_document(workspace, question):
    named(workspace, "offer_weber_2024.txt", "The total is 12 euros.")
    named(workspace, "offer_tanaka_2024.txt", "The total is 99 euros.", "Payable in May.")
    found = names_found(workspace, question)
    assert set(found[:2]) == {"The total is 99 euros.", "Payable in May."}


def test_a_name_counts_less_than_a_text_that_says_the_same_often(workspace):
    named(workspace, "Pumps.pdf", "About nothing in particular.")
    named(workspace, "Notes.pdf", "The pumps hum. Two pumps are new. Pumps need oil.")
    assert names_found(workspace, "pumps")[0].startswith("The pumps hum")


def test_no_phrase_reaches_from_a_text_into_the_name(workspace):
    named(workspace, "valve.txt", "an old pump")
    assert names_found(workspace, '"pump valve"') == []


def test_a_renamed_document_is_found_by_its_new_name_only(workspace):
    document = named(workspace, "old_tanaka.txt", "The total is 99 euros.")
    before = Workspace.objects.get(pk=workspace.pk).corpus_version
    engine_for(workspace).rename(document, "new_okafor.txt")
    assert (names_found(workspace, "tanaka"), len(names_found(workspace, "okafor"))) == ([], 1)
    assert Workspace.objects.get(pk=workspace.pk).corpus_version > before
    engine_for(workspace).forget(document)
    assert names_found(workspace, "okafor") == []


def test_search_may_be_limited_to_some_documents(workspace):
    wanted = put(workspace, {"wanted pump": [0, 1, 0]})
    put(workspace, {"other pump": [1, 0, 0]})
    assert everywhere(workspace, Where(documents=(wanted,))) == {"wanted pump"}
    assert everywhere(workspace, Where(documents=())) == set()


def everywhere(workspace: Workspace, where: Where) -> set[str]:
    """Return what is found; each leg and the search for documents find the same."""
    engine = engine_for(workspace)
    found = {hit.text for hit in engine.search_dense([1, 0, 0], 50, where)}
    assert {hit.text for hit in engine.search_lexical("pump", 50, where)} == found
    documents = [hit.document_id for hit in engine.search_documents([1, 0, 0], 50, where)]
    assert {engine.chunks(each, 1)[0].text for each in documents} == found
    return found


@pytest.fixture
def described(workspace) -> Workspace:
    """Two laws, a newer policy, and something that nothing is known of."""
    law: dict[str, Value] = {"kind": "law", "year": 2020.0, "since": "2020-05-01"}
    policy: dict[str, Value] = {"kind": "policy", "year": 2024.0, "since": "2024-01-31"}
    put(workspace, {"old pump law": [1, 0, 0]}, facts=IndexedMetadata(law))
    put(
        workspace,
        {"new pump law": [1, 1, 0]},
        facts=IndexedMetadata(law | {"year": 2023.5, "is_draft": True}, 2),
    )
    put(workspace, {"pump policy": [0, 1, 0]}, facts=IndexedMetadata(policy, 1))
    put(workspace, {"pump": [0, 1, 1]})
    return workspace


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Condition("kind", "is", ("law",)), {"old pump law", "new pump law"}),
        (Condition("kind", "is", ("policy", "law", "none")), {"old pump law", "new pump law", "pump policy"}),
        (Condition("kind", "is", ()), set()),
        (Condition("kind", "is_not", ("law",)), {"pump policy", "pump"}),
        (Condition("is_draft", "is", (True,)), {"new pump law"}),
        (Condition("is_draft", "is_not", (True,)), {"old pump law", "pump policy", "pump"}),
        (Condition("year", "is", (2020,)), {"old pump law"}),
        (Condition("year", "at_least", (2023.5,)), {"new pump law", "pump policy"}),
        (Condition("year", "at_most", (2023,)), {"old pump law"}),
        (Condition("since", "at_most", ("2023-12-31",)), {"old pump law", "new pump law"}),
        (Condition("kind", "at_least", (1,)), set()),
        (Condition("year", "at_least", ("2",)), set()),
        (Condition("unheard", "is", ("of",)), set()),
        (Condition("') OR true --", "is", ("') OR true --", '"}]', "%s {documents}")), set()),
        (Condition("kind", "at_least", ("' OR true --",)), {"old pump law", "new pump law", "pump policy"}),
    ],
    ids=lambda value: f"{value.field[:9]} {value.test}" if isinstance(value, Condition) else None,
)
def test_a_condition_leaves_the_documents_that_it_holds_for(described, condition, found):
    assert everywhere(described, Where(conditions=(condition,))) == found


def test_all_conditions_hold_together_with_the_documents_and_the_level(described):
    law, early = Condition("kind", "is", ("law",)), Condition("year", "at_most", (2021,))
    assert everywhere(described, Where(conditions=(law, early))) == {"old pump law"}
    assert everywhere(described, Where(documents=(uuid4(),), conditions=(law,))) == set()
    assert everywhere(described, Where(conditions=(law,), access_level=1)) == {"old pump law"}


@pytest.mark.parametrize(
    ("level", "hidden"),
    [
        (None, set()),
        (2, set()),
        (1, {"new pump law"}),
        (0, {"new pump law", "pump policy"}),
        (-1, {"old pump law", "new pump law", "pump policy", "pump"}),
    ],
)
def test_nothing_above_the_askers_level_is_found(described, level, hidden):
    everything = everywhere(described, Where())
    assert everywhere(described, Where(access_level=level)) == everything - hidden


def test_describing_changes_what_is_known_and_no_chunk(workspace):
    engine, document = (
        engine_for(workspace),
        put(workspace, {"pump": [1, 0, 0]}, facts=IndexedMetadata({"a": "b"}, 3)),
    )
    [before] = engine.search_dense([1, 0, 0], 1)
    engine.describe({document: IndexedMetadata({"a": "c"}, 1)})
    c = Where(conditions=(Condition("a", "is", ("c",)),), access_level=1)
    assert engine.search_dense([1, 0, 0], 1, c) == [before]
    assert everywhere(workspace, Where(access_level=0)) == set()
    engine.describe({uuid4(): IndexedMetadata()})  # of a document without live chunks: nothing


def test_a_new_version_brings_its_facts_along(workspace):
    document = put(workspace, {"pump": [1, 0, 0]}, facts=IndexedMetadata({}, 3))
    put(workspace, {"new pump": [1, 0, 0]}, document, IndexedMetadata({}, 1))
    assert everywhere(workspace, Where(access_level=1)) == {"new pump"}


def test_a_narrow_condition_still_gives_as_many_as_asked(workspace):
    put(workspace, {f"crowd {i}": [1, i / 1000, 0] for i in range(600)})
    put(workspace, {f"few {i}": [-1, 1, i / 10] for i in range(10)}, facts=IndexedMetadata({"kind": "few"}))
    few = Where(conditions=(Condition("kind", "is", ("few",)),))
    assert len(engine_for(workspace).search_dense([1, 0, 0], 10, few)) == 10


def test_a_narrow_filter_still_gives_as_many_as_asked(workspace):
    crowd = {f"crowd {i}": [1, i / 1000, 0] for i in range(600)}
    put(workspace, crowd)
    few = put(workspace, {f"few {i}": [-1, 1, i / 10] for i in range(10)})
    assert len(engine_for(workspace).search_dense([1, 0, 0], 10, Where(documents=(few,)))) == 10


def test_forgetting_removes_staged_and_live_chunks(workspace):
    engine, document = engine_for(workspace), put(workspace, {"live": [1, 0, 0]})
    engine.stage(document, [chunk(0, "staged")], [[0, 1, 0]])
    engine.forget(document)
    assert engine.count() == 0
    assert engine.embedded_hashes(document) == set()


def test_vectors_of_another_size_are_refused_with_what_to_do(workspace):
    engine = engine_for(workspace)
    with pytest.raises(WrongDimensions, match="returned 2 dimensions, but this workspace was created with 3"):
        engine.stage(uuid4(), [chunk(0, "x")], [[1, 0]])
    with pytest.raises(WrongDimensions):
        engine.search_dense([1, 0], 5)


@pytest.mark.parametrize(
    "question", ["'; DROP TABLE x; --", "a & | ! ( :*", "%s %(x)s {table}", "", "\\ \" '"]
)
def test_a_question_is_only_text(workspace, question):
    put(workspace, {"north": [1, 0, 0]})
    engine_for(workspace).search_lexical(question, 5)
    assert engine_for(workspace).count() == 1


def test_two_workspaces_do_not_see_each_other():
    one, two = factories.workspace(dimensions=3), factories.workspace(dimensions=3)
    put(one, {"mine": [1, 0, 0]})
    assert engine_for(two).search_dense([1, 0, 0], 5) == engine_for(two).search_lexical("mine", 5) == []


def test_more_dimensions_than_the_index_takes_are_searched_exactly():
    workspace = factories.workspace(dimensions=4001)
    put(workspace, {"wide": [1.0] * 4001})
    assert engine_for(workspace).search_dense([1.0] * 4001, 1)[0].text == "wide"


def test_the_table_goes_with_the_transaction_that_made_it():
    with transaction.atomic():
        workspace = factories.workspace(dimensions=3)
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"chunks.w_{workspace.id.hex}"])
        assert cursor.fetchone() == (None,)


@pytest.mark.django_db(transaction=True)
def test_a_searcher_never_sees_none_or_a_mix_while_versions_change():
    workspace = factories.workspace(dimensions=3)
    versions = [{f"{v} {i}": [1.0, i / 10, 0.0] for i in range(5)} for v in ("even", "odd")]
    document = put(workspace, versions[0])
    seen: list[set[str]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            found = engine_for(workspace).search_dense([1, 0, 0], 20)
            seen.append({hit.text.split()[0] for hit in found} if len(found) == 5 else {"wrong count"})
        connection.close()

    searcher = threading.Thread(target=look)
    searcher.start()
    for round in range(20):
        put(workspace, versions[round % 2], document)
    stop.set()
    searcher.join()
    assert len(seen) > 5
    assert all(versions in ({"even"}, {"odd"}) for versions in seen), seen


# --- words ----------------------------------------------------------------------------------------


def texts(workspace: Workspace, question: str, limit: int = 5) -> list[str]:
    return [hit.text for hit in engine_for(workspace).search_lexical(question, limit)]


def put_texts(workspace: Workspace, *texts: str, document=None):
    return put(workspace, {text: [1, 0, 0] for text in texts}, document)


def amounts(workspace: Workspace) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT term, amount FROM chunks.t_{workspace.id.hex} WHERE amount <> 0 AND term NOT LIKE E'\\t%'"
        )
        return dict(cursor.fetchall())


def test_a_rare_word_counts_more_than_a_common_one(workspace):
    put_texts(workspace, *(f"a report of day {day}" for day in range(20)), "the flange")
    assert texts(workspace, "report on the flange")[0] == "the flange"


def test_scores_are_those_of_bm25_however_long_chunks_were_when_each_came_in(workspace):
    for text in ("red pump", "blue pump pump valve", "green valve"):
        put_texts(workspace, text)
    scores = {hit.text: hit.score for hit in engine_for(workspace).search_lexical("pump", 5)}
    worth, mean = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), (2 + 4 + 2) / 3
    for text, times, length in (("red pump", 1, 2), ("blue pump pump valve", 2, 4)):
        expected = worth * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / mean))
        assert scores[text] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        pytest.param("ERR_42", "Error ERR_42 means low pressure", id="code"),
        pytest.param("what is new in v2.1.7?", "Release v2.1.7 mends it", id="version"),
        pytest.param("django.db.models", "Import django.db.models first", id="dotted-name"),
        pytest.param("/etc/nginx/nginx.conf", "Edit /etc/nginx/nginx.conf as root", id="path"),
        pytest.param("diff executor", "The DiffExecutor struct wraps", id="camel-case-by-its-parts"),
        pytest.param("DiffExecutor", "The DiffExecutor struct wraps", id="camel-case-as-it-stands"),
        pytest.param("o'brien's women", "Every woman of O'Brien", id="apostrophes"),
    ],
)
def test_names_are_found_as_they_stand_and_by_their_parts(workspace, question, found):
    put_texts(workspace, *(f"Error ERR_{n} is another one of release v2.1.{n}" for n in range(43, 49)))
    put_texts(
        workspace,
        "Error ERR_42 means low pressure",
        "Release v2.1.7 mends it",
        "Import django.db.models first",
        "Edit /etc/nginx/nginx.conf as root",
        "The DiffExecutor struct wraps",
        "Every woman of O'Brien",
    )
    assert texts(workspace, question)[0] == found


@pytest.mark.parametrize(
    ("language", "question", "found", "other"),
    [
        pytest.param("de", "Haus", "Die Häuser der Stadt", "Der Hund bellt", id="german"),
        pytest.param("fr", "cheval", "Les chevaux courent", "Le chat dort", id="french"),
        pytest.param("ru", "книга", "Он читает книги", "Она поёт", id="russian"),
        pytest.param("zh", "防守丢了多少分", "黑豹队的防守只丢了308分", "野马队击败了钢人队", id="chinese"),
        pytest.param("ja", "東京の人口", "東京都の人口は多い", "大阪は西にある", id="japanese"),
        pytest.param("th", "ประเทศไทย", "กรุงเทพเป็นเมืองหลวงของประเทศไทย", "แมวนอน", id="thai"),
    ],
)
def test_each_language_is_searched_in_its_own_way(language, question, found, other):
    workspace = factories.workspace(dimensions=3, languages=[language])
    put_texts(workspace, found, other)
    assert texts(workspace, question)[0] == found


def test_a_phrase_in_quotes_must_stand_there_for_both_legs(workspace):
    put(workspace, {"outlet pressure is high": [0, 1, 0], "pressure at the outlet": [1, 0, 0]})
    question = 'What is "outlet pressure"?'
    assert texts(workspace, question) == ["outlet pressure is high"]
    found = engine_for(workspace).search_dense([1, 0, 0], 5, question=question)
    assert [hit.text for hit in found] == ["outlet pressure is high"]


def test_what_a_minus_excludes_is_found_by_neither_leg(workspace):
    put(workspace, {"python the snake": [1, 0, 0], "python the language": [0, 1, 0]})
    assert texts(workspace, "python -snake") == ["python the language"]
    found = engine_for(workspace).search_dense([1, 0, 0], 5, question="python -snake")
    assert [hit.text for hit in found] == ["python the language"]


@pytest.mark.parametrize("question", ["ls -la", "sort --reverse", "below -5 degrees", "well-known"])
def test_a_minus_of_another_kind_excludes_nothing(workspace, question):
    put_texts(workspace, "la reverse 5 known, ls sort below well degrees")
    assert len(texts(workspace, question)) == 1


def test_statistics_are_those_of_what_is_live(workspace):
    engine = engine_for(workspace)
    document = put_texts(workspace, "red pump", "blue pump")
    other = put_texts(workspace, "old pump")
    assert amounts(workspace) == {"": 3, " ": 6, "pump": 3, "red": 1, "blue": 1, "old": 1}
    engine.stage(document, [chunk(0, "green valve")], [[1, 0, 0]])
    assert amounts(workspace)["pump"] == 3
    engine.publish(document, 1)
    assert amounts(workspace) == {"": 2, " ": 4, "green": 1, "valv": 1, "old": 1, "pump": 1}
    engine.forget(other)
    engine.forget(document)
    assert amounts(workspace) == {}


@pytest.mark.django_db(transaction=True)
def test_publishing_side_by_side_loses_no_count_and_blocks_nobody_for_ever():
    workspace = factories.workspace(dimensions=3)
    words = [f"word{n}" for n in range(30)]

    def publish(order: int) -> None:
        for _ in range(5):
            put_texts(workspace, " ".join(words[::order]))
        connection.close()

    threads = [threading.Thread(target=publish, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {amounts(workspace)[word] for word in words} == {20}


def test_common_words_are_searched_by_a_few_candidates_and_the_best_is_among_them(workspace, monkeypatch):
    monkeypatch.setattr(lexical, "CANDIDATES", 5)
    put_texts(workspace, *(f"use the cell number{n}" for n in range(30)))
    put_texts(workspace, "use use use", "use spare model", "cell model cell", "use cell model")
    assert texts(workspace, "use cell model", 1) == ["use cell model"]
    assert texts(workspace, "use", 1) == ["use use use"]
    asked = LexicalQuery.of("use cell", ["en"])
    plan = lexical.plan(execute_many([lexical.amounts(Tables(workspace), asked)])[0], asked, {}, share=1)
    assert plan is not None
    assert "'use'" not in plan.candidates.split(" | ")


def test_a_filter_finds_the_best_of_what_it_leaves(workspace, monkeypatch):
    monkeypatch.setattr(lexical, "CANDIDATES", 5)
    put_texts(workspace, *(f"use cell number{n}" for n in range(30)))
    few = put_texts(workspace, *(f"use it{n}" for n in range(4)))
    assert len(engine_for(workspace).search_lexical("use cell", 10, Where(documents=(few,)))) == 4


def test_each_change_of_what_may_be_found_is_a_new_version_of_the_corpus(workspace):
    versions = [Workspace.objects.get().corpus_version]
    engine, document_id = engine_for(workspace), uuid4()

    def version() -> int:
        return Workspace.objects.get().corpus_version

    put(workspace, {"north": [1, 0, 0]}, document_id)
    versions.append(version())
    engine.describe({document_id: IndexedMetadata(access_level=3)})
    versions.append(version())
    engine.forget(document_id)
    versions.append(version())
    assert versions == sorted(set(versions))


def test_the_next_index_is_no_version_of_the_corpus_yet(workspace):
    following = copy(workspace)
    following.index_number = 1
    engine_for(following).create()
    before = Workspace.objects.get().corpus_version
    put(following, {"north": [1, 0, 0]})
    assert Workspace.objects.get().corpus_version == before
