"""Predictions, margins, floors and the signs of a broken run."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from junkdna import metrics

NAN, INF = float("nan"), float("inf")


def outcome(*rows: list[float], gold: list[int]) -> metrics.Outcome:
    return metrics.outcome([np.array(row, dtype=np.float32) for row in rows], np.array(gold))


def test_accuracy_agrees_with_sklearn():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 4)).astype(np.float32)
    gold = rng.integers(0, 4, 500)
    result = metrics.outcome(list(scores), gold)
    assert metrics.accuracy(result) == accuracy_score(gold, scores.argmax(1))
    assert (result.prediction == scores.argmax(1)).all()


def test_rows_may_differ_in_length():
    result = outcome([0, 1], [0, 0, 0, 2], [3, 1, 2], gold=[1, 3, 2])
    assert result.prediction.tolist() == [1, 3, 0]
    assert result.margin.tolist() == [1, 2, -1]


def test_margin_is_gold_less_best_other_and_positive_exactly_when_right_without_a_tie():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 4, (400, 3)).astype(np.float32)  # coarse: many ties
    gold = rng.integers(0, 3, 400)
    result = metrics.outcome(list(scores), gold)
    for row, answer, margin in zip(scores, gold, result.margin, strict=True):
        assert margin == row[answer] - max(value for i, value in enumerate(row) if i != answer)
        assert (margin > 0) == (list(row).index(max(row)) == answer and list(row).count(max(row)) == 1)


def test_among_equals_the_lowest_position_wins():
    result = outcome([1, 1, 0], [0, 1, 1], gold=[1, 1])
    assert result.prediction.tolist() == [0, 1]
    assert result.margin.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "gold", "prediction", "margin"),
    [
        ([NAN, 0.5, 0.2], 0, 1, -INF),
        ([0.5, NAN, 0.2], 0, 0, 0.3),
        ([NAN, NAN, NAN], 1, 0, 0.0),
        ([-INF, -INF], 1, 0, 0.0),
        ([INF, INF, 1.0], 1, 0, 0.0),
        ([INF, 1.0], 0, 0, INF),
    ],
)
def test_scores_that_are_no_number_lose(row, gold, prediction, margin):
    result = outcome(row, gold=[gold])
    assert result.prediction[0] == prediction
    assert result.margin[0] == pytest.approx(margin)


def test_a_run_of_nothing_but_nan_is_collapsed():
    assert metrics.collapsed(outcome(*[[NAN, NAN]] * 3, gold=[0, 1, 0]))


def test_collapse():
    spread = outcome([1, 0], [0, 1], [1, 0], gold=[0, 0, 1])
    one_class = outcome([1, 0], [2, 1], [3, 0], gold=[0, 0, 1])
    all_tied = outcome([1, 1, 1], [2, 2], gold=[2, 1])
    assert not metrics.collapsed(spread)
    assert metrics.collapsed(one_class)
    assert metrics.collapsed(all_tied)


def test_floors():
    assert metrics.chance_floor(np.array([2, 4, 4])) == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert metrics.majority_floor(np.array([0, 2, 2, 1])) == 0.5
    assert metrics.majority_floor(np.array([3])) == 1


def test_majority_floor_is_what_a_constant_answer_can_reach_at_best():
    gold = np.random.default_rng(2).integers(0, 3, 50)
    best = max(accuracy_score(gold, np.full(50, answer)) for answer in range(3))
    assert metrics.majority_floor(gold) == best


def test_gold_must_be_one_a_row():
    with pytest.raises(ValueError, match="shorter"):
        outcome([1, 0], [0, 1], gold=[0])
