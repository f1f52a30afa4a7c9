import pytest

from junkdna.report.page.tracks import WIDEST, Effect, common_axis, track, turned


def test_one_very_wide_interval_does_not_stretch_the_axis():
    axis = common_axis([Effect(0.2, 0.1, 0.3), Effect(0.4, -3.0, 4.0), Effect(0.5, None, None), None])
    assert axis.low == pytest.approx(-0.12)
    assert axis.high == pytest.approx(0.87)
    assert axis.place(axis.low) == 0
    assert axis.place(axis.high) == 100
    extreme = common_axis([Effect(-9.0, -9.1, -8.9), Effect(7.0, 6.0, 8.0)])
    assert (extreme.low, extreme.high) == WIDEST


def test_positions_of_a_track_by_hand():
    axis = common_axis([Effect(0.2, 0.1, 0.28)])
    assert (axis.low, axis.high) == (-0.12, 0.32)
    drawn = track(Effect(0.1, -0.01, 0.21), 0.05, axis)
    assert (drawn.zero, drawn.margin, drawn.point) == (27.27, 38.64, 50.0)
    assert (drawn.start, drawn.width, drawn.cut_left, drawn.cut_right) == (25.0, 50.0, False, False)


@pytest.mark.parametrize(
    ("low", "high", "cuts"), [(None, 0.2, (True, False)), (0.1, 5.0, (False, True)), (-5.0, None, (True, True))]
)
def test_intervals_that_run_off_have_arrows(low, high, cuts):
    axis = common_axis([Effect(0.15, 0.1, 0.2)])
    drawn = track(Effect(0.15, low, high), 0.05, axis)
    assert (drawn.cut_left, drawn.cut_right) == cuts
    assert 0 <= drawn.start <= drawn.start + drawn.width <= 100.01


def test_a_retention_is_turned_into_a_loss_with_its_limits_swapped():
    row = {"estimate": 0.25, "low": None, "high": 0.5}
    assert turned(row, loss=True) == Effect(0.75, 0.5, None)
    assert turned(row, loss=False) == Effect(0.25, None, 0.5)
    assert turned(row | {"estimate": None}, loss=True) is None


def test_without_effects_there_is_an_axis_and_an_empty_track():
    axis = common_axis([])
    assert track(None, 0.05, axis).point is None
    assert [text for _, text in axis.ticks] == ["0.0", "0.2"]
