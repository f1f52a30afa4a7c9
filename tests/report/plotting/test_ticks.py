"""Limits of axes."""

import pytest

from junkdna.report.plotting.ticks import within


def test_wide_intervals_do_not_squeeze_the_points_together():
    low, high = within([0.0, 1.0], [-20.0, 30.0])
    assert -0.5 < low < 0 < 1 < high < 1.5


@pytest.mark.parametrize("value", [0.0, 0.35, 1.0])
def test_values_that_are_all_the_same_show_their_whole_intervals(value):
    low, high = within([value, value], [value, value + 0.13])
    assert value - 0.02 < low <= value
    assert value + 0.13 <= high < value + 0.16


def test_a_value_without_an_interval_has_room():
    low, high = within([0.0], [])
    assert low < 0 < high
