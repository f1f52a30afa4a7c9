"""Right answers of multiple choice, which lm-eval logs in three ways, and the log's own credit where none fits."""

from dataclasses import replace

import numpy as np
from made_logs import choice_row

from junkdna.grade.answers import Reading
from junkdna.grade.lm_eval_choice import picked
from junkdna.grade.lm_eval_rows import Row, _row

SCORES = ([-4.0, -6.0, -30.0], [-9.0, -8.0, -7.0], [-1.0, -2.0, -2.5])


def rows(golds: tuple[int, ...] = (1, 2, 2), **more: object) -> list[Row]:
    made = [choice_row(at, each, gold, **more) for at, (each, gold) in enumerate(zip(SCORES, golds, strict=True))]
    return [_row(row, at, "log", Reading()) for at, row in enumerate(made, start=1)]


def test_positions() -> None:
    found = picked(rows(), "acc", " ")
    assert [(each.gold, each.prediction) for each in found.values()] == [(1, 0), (2, 2), (2, 0)]
    assert found["0"].option_bytes == (2, 3, 4)


def test_characters_without_the_delimiter_decide_acc_norm() -> None:
    found = picked(rows(), "acc_norm", " ")
    expected = [np.argmax(np.array(each) / [1, 2, 3]) for each in SCORES]
    assert [each.prediction for each in found.values()] == expected == [1, 2, 2]
    assert np.allclose(found["0"].per_character, [-4, -3, -10])


def test_texts_of_options() -> None:
    named = [replace(row, target=("bb", "ccc", "ccc")[at]) for at, row in enumerate(rows())]
    assert [each.gold for each in picked(named, "acc", " ").values()] == [1, 2, 2]


def test_numbers_as_texts_of_options() -> None:
    """The target 1 is the text of option 0 here, and no position: only this agrees with the logged scores."""
    row = replace(rows()[0], continuations=(" 1", " 7", " 9"), target="1", values={"acc": 1.0})
    assert picked([row], "acc", " ")["0"].gold == 0


def test_of_two_options_the_score_says_which_is_right() -> None:
    """WinoGrande: one continuation after two contexts; the target is its text."""
    two = [
        replace(rows()[0], likelihoods=scores, continuations=(" end", " end"), target="end", values={"acc": right})
        for scores, right in (((-1.0, -2.0), 1.0), ((-1.0, -2.0), 0.0), ((-3.0, -2.0), 1.0))
    ]
    found = picked([replace(row, id=str(at)) for at, row in enumerate(two)], "acc", " ")
    assert [each.gold for each in found.values()] == [0, 1, 1]
    assert found["0"].option_bytes is None


def test_scores_that_do_not_follow_from_likelihoods() -> None:
    """Two right answers: the log says right where the highest likelihood is not the target."""
    wrong = [replace(row, values={"acc": 1.0}) for row in rows()]
    assert picked(wrong, "acc", " ") is None
    assert picked(rows(), "acc_mutual_info", " ") is None
    assert picked([replace(rows()[0], likelihoods=())], "acc", " ") is None
