"""The measures, by hand."""

import pytest

from benchmarks.metrics import ndcg, quantile, recall, reciprocal_rank

GRADES = {"a": 2, "b": 1, "c": 0}


@pytest.mark.parametrize(
    ("ranked", "value"),
    [
        pytest.param(["a", "b"], 1.0, id="ideal"),
        pytest.param(["b", "a"], (1 + 2 / 1.5849625) / (2 + 1 / 1.5849625), id="swapped"),
        pytest.param(["c", "x"], 0.0, id="nothing-relevant"),
        pytest.param([], 0.0, id="nothing"),
        pytest.param(["x"] * 10 + ["a"], 0.0, id="beyond-ten"),
    ],
)
def test_ndcg(ranked, value):
    assert ndcg(ranked, GRADES) == pytest.approx(value)


def test_recall_and_the_first_hit():
    assert recall(["x", "a"], GRADES, 1) == 0
    assert recall(["x", "a"], GRADES, 2) == 0.5
    assert reciprocal_rank(["x", "a", "b"], GRADES) == 0.5
    assert reciprocal_rank(["c"], GRADES) == 0
    assert quantile([3, 1, 2], 0.5) == 2
