"""Which candidates are quoted: tests of pure functions."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from documents.retrieval.fusion import Candidate
from documents.retrieval.passages import choose
from documents.retrieval.types import SearchConfig
from workspaces.engines import FoundChunk

ONE, OTHER = uuid4(), uuid4()
TEXT = "One sentence here. Another one there. And a third.\n\nA new paragraph begins. It ends."


def stretch(
    start: int, end: int, ordinal: int, *, of: UUID = ONE, section: int = 0, score: float = 1
) -> Candidate:
    chunk = FoundChunk(
        (of.int + 1000 * section + start) % 10**9,
        of,
        ordinal,
        TEXT[start:end],
        section,
        start,
        end,
        (),
        None,
        score,
    )
    return Candidate(chunk, score, {})


def chosen(
    candidates: Sequence[Candidate], *, limit: int = 6, budget: int = 1000, **config
) -> list[tuple[int, int]]:
    choice = choose(candidates, SearchConfig(**config), limit, budget)
    for each in choice.chosen:
        chunk = each.as_candidate().chunk
        assert chunk.text == TEXT[chunk.start : chunk.end]
    chunks = [each.as_candidate().chunk for each in choice.chosen]
    return [(chunk.start, chunk.end) for chunk in chunks]


@pytest.mark.parametrize(
    ("spans", "passages"),
    [
        pytest.param([(0, 37), (19, 50)], [(0, 50)], id="overlapping"),
        pytest.param([(19, 50), (0, 37)], [(0, 50)], id="the-later-one-is-better"),
        pytest.param([(0, 50), (52, 85)], [(0, 85)], id="white-space-between"),
        pytest.param([(0, 50), (19, 37)], [(0, 50)], id="one-within-the-other"),
        pytest.param([(0, 18), (38, 50), (10, 45)], [(0, 50)], id="a-bridge"),
        pytest.param([(0, 18), (38, 50)], [(0, 18), (38, 50)], id="apart"),
    ],
)
def test_neighbours_become_one_passage_that_repeats_nothing(spans, passages):
    order = {span: n for n, span in enumerate(sorted(spans))}
    assert chosen([stretch(start, end, order[start, end]) for start, end in spans]) == passages


def test_neighbours_stay_apart_where_the_workspace_says_so():
    assert len(chosen([stretch(0, 37, 0), stretch(19, 50, 1)], merges_neighbours=False)) == 2


def test_neither_another_section_nor_another_document_is_a_neighbour():
    found = [stretch(0, 37, 0), stretch(19, 50, 1, section=1), stretch(19, 50, 1, of=OTHER)]
    assert len(chosen(found)) == 3


def test_a_chunk_between_two_keeps_them_apart():
    assert len(chosen([stretch(0, 50, 0), stretch(52, 85, 2)])) == 2


def test_a_neighbour_takes_no_place():
    found = [stretch(0, 37, 0), stretch(19, 50, 1), stretch(0, 18, 0, of=OTHER)]
    assert chosen(found, limit=2) == [(0, 50), (0, 18)]


def test_a_document_does_not_crowd_out_others_that_are_nearly_as_good():
    mine = [stretch(10 * n, 10 * n + 5, 2 * n, score=0.9 - n / 100) for n in range(3)]
    found = [*mine, stretch(0, 5, 0, of=OTHER, score=0.6)]
    assert chosen(found, limit=3, most_per_document=2) == [(0, 5), (10, 15), (0, 5)]
    choice = choose(found, SearchConfig(most_per_document=2), 3, 1000)
    assert choice.fates == {mine[2].chunk.chunk_id: "crowded out"}


def test_a_question_about_one_document_only_gets_its_passages():
    mine = [stretch(10 * n, 10 * n + 5, 2 * n, score=0.9 - n / 100) for n in range(3)]
    found = [*mine, stretch(0, 5, 0, of=OTHER, score=0.3)]
    assert chosen(found, limit=3, most_per_document=2) == [(0, 5), (10, 15), (20, 25)]


def test_the_best_is_quoted_even_where_it_does_not_fit():
    assert chosen([stretch(0, 50, 0), stretch(52, 85, 9)], budget=1) == [(0, 50)]


def test_what_a_merged_passage_repeats_no_more_leaves_room():
    overlapping = [stretch(0, 37, 0), stretch(19, 50, 1)]
    budget = choose(overlapping, SearchConfig(), 6, 1000).chosen[0].tokens
    assert chosen(overlapping, budget=budget) == [(0, 50)]
    assert len(chosen(overlapping, budget=budget, merges_neighbours=False)) == 1
