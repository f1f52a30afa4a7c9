"""Measures of difficulty at their corners, and what each orders."""

from typing import get_args

import pytest

from junkdna.analysis import difficulty
from junkdna.analysis.difficulty import chance_corrected_dense_error, human_gap_by_dense, human_gap_by_human
from junkdna.study.study import KnobName


@pytest.mark.parametrize(
    ("dense", "chance", "wanted"),
    [(1.0, 0.25, 0.0), (0.25, 0.25, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.75, 0.5, 0.5), (0.4, 0.5, 1.2)],
)
def test_dense_error_at_its_corners(dense, chance, wanted):
    """Below chance it is above 1, and is not clipped: such a dense model is worse than a guess."""
    assert chance_corrected_dense_error(dense, chance) == pytest.approx(wanted)


def test_an_error_in_log_likelihood_is_the_share_of_information_that_is_missing():
    """1.2 bits per byte without the question, 0.9 with it: a quarter is known, since certainty is 0 bits."""
    assert chance_corrected_dense_error(-0.9, -1.2, perfect=0) == pytest.approx(0.75)
    assert chance_corrected_dense_error(-1.2, -1.2, perfect=0) == pytest.approx(1)
    assert chance_corrected_dense_error(0, -1.2, perfect=0) == 0


def test_dense_error_is_one_less_what_dense_has_above_chance():
    """So it compares tasks with unlike numbers of options: half of the way from chance to 1 is 0.5 for each."""
    halves = [chance_corrected_dense_error((1 + 1 / k) / 2, 1 / k) for k in (2, 3, 4, 5)]
    assert halves == pytest.approx([0.5] * 4)


@pytest.mark.parametrize(
    ("human", "dense", "percent"),
    [(0.889, 0.721, 18.9), (0.940, 0.781, 16.9), (0.936, 0.866, 7.5), (0.920, 0.902, 2.0), (0.978, 0.964, 1.4),
     (0.927, 0.924, 0.3), (0.664, 0.680, -2.4), (0.912, 0.947, -3.8), (0.804, 0.922, -14.7)],
)  # fmt: skip
def test_human_gaps_of_the_literature(human, dense, percent):
    """RoBERTa-large on CSQA, WinoGrande, RTE, MNLI, SST-2, STS-B, CoLA, QNLI, QQP, from published figures."""
    assert 100 * human_gap_by_human(human, dense) == pytest.approx(percent, abs=0.06)


def test_human_gaps_are_one_gap_over_two_divisors():
    by_human, by_dense = human_gap_by_human(0.9, 0.6), human_gap_by_dense(0.9, 0.6)
    assert (by_human, by_dense) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert human_gap_by_human(0.8, 0.8) == human_gap_by_dense(0.8, 0.8) == 0
    assert human_gap_by_human(0.8, 0.0) == 1
    assert human_gap_by_human(0.664, -0.1) > 1


def test_human_gaps_order_alike_where_both_exist():
    dense = [0.1, 0.3, 0.5, 0.9, 1.0]
    for gap in (human_gap_by_human, human_gap_by_dense):
        gaps = [gap(0.8, score) for score in dense]
        assert gaps == sorted(gaps, reverse=True)


@pytest.mark.parametrize("score", [0.0, -0.05])
def test_gaps_over_nothing_are_null(score):
    assert human_gap_by_dense(0.66, score) is None
    assert human_gap_by_human(score, 0.5) is None


def test_measures_of_knobs():
    measures = difficulty.OF_KNOB
    assert [measures["data_fraction"](p) for p in (100, 70, 25, 1)] == pytest.approx([0, 0.3, 0.75, 0.99])
    assert [measures["options"](n) for n in (2, 4, 5)] == pytest.approx([0.5, 0.75, 0.8])
    context = [measures["context"](v) for v in (32, 512, "passage", "none")]
    assert context[:2] == [32, 512]
    assert context == sorted(context)  # recall without a passage is hardest
    assert [measures["shots"](k) for k in (0, 1, 5)] == [0, -1, -5]


def test_every_knob_but_the_control_has_a_measure():
    assert set(difficulty.OF_KNOB) == set(get_args(KnobName)) - {"answer_span"}
