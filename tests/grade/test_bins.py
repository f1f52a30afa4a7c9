"""Bins of difficulty: numbers by value, words in the given order, quarters of many values, and confidence."""

from pathlib import Path

import numpy as np
import pytest

from junkdna.grade.answers import Answer, TaskAnswers
from junkdna.grade.bins import CONFIDENT, QUARTERS, graded_bins, quarters

N = 40


def task(difficulty: list[str | None], scores: bool = False) -> TaskAnswers:
    rng = np.random.default_rng(0)
    answers = {
        str(at): Answer(1.0, 0, 0, tuple(rng.normal(0, 1, 3)) if scores else None, difficulty=value)
        for at, value in enumerate(difficulty)
    }
    return TaskAnswers("t", Path("log"), "acc", answers)


def test_few_numbers_are_bins_by_value() -> None:
    found = graded_bins(task(["10", "9.0", "9", "100", None]), "level", ())
    assert found.bins.order == ("9", "10", "100")
    assert found.bins.of == {"0": "10", "1": "9", "2": "9", "3": "100"}
    assert found.published
    assert found.notes == ("1 questions of t are in no bin of level",)


def test_many_numbers_are_quarters() -> None:
    found = graded_bins(task([str(at / 10) for at in range(N)]), "level", ())
    assert found.bins.order == QUARTERS
    assert [list(found.bins.of.values()).count(name) for name in QUARTERS] == [10] * 4
    assert found.bins.of["0"] == QUARTERS[0]


def test_words_in_the_given_order() -> None:
    found = graded_bins(task(["easy", "hard", "odd"]), "level", ("easy", "medium", "hard"))
    assert found.bins.order == ("easy", "medium", "hard")
    assert found.bins.of == {"0": "easy", "1": "hard"}


def test_one_value_is_no_order() -> None:
    assert graded_bins(task(["1", "1"]), "level", ()) is None
    assert graded_bins(task([None, None]), "level", ()) is None


def test_confidence_does_not_depend_on_the_right_answer() -> None:
    found = graded_bins(task([None] * N, scores=True), "", ())
    assert not found.published
    assert found.bins.order == CONFIDENT
    lead = {key: np.diff(np.sort(each.scores))[-1] for key, each in task([None] * N, scores=True).answers.items()}
    means = [np.mean([lead[key] for key, name in found.bins.of.items() if name == each]) for each in CONFIDENT]
    assert means == sorted(means, reverse=True)
    assert [list(found.bins.of.values()).count(name) for name in CONFIDENT] == [10] * 4


@pytest.mark.parametrize("values", [[0.0] * 30 + [1.0] * 10, [0.0] * 5 + [2.0] * 35])
def test_equal_values_are_in_one_bin(values: list[float]) -> None:
    bins = quarters({str(at): value for at, value in enumerate(values)}, QUARTERS)
    assert len({bins.of[str(at)] for at, value in enumerate(values) if value == 0}) == 1
