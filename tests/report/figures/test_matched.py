import polars as pl
import pytest
from figure_pages import of_kind, points
from figure_tables import Condition, drops_table
from other_tables import matched as pairs_of

from junkdna.report.draw import with_labels
from junkdna.report.figures import matched


def table(**more) -> pl.DataFrame:
    settings = {
        "experiment": "x",
        "levels": (0.3, 0.6),
        "methods": ("magnitude", "random"),
        "compressions": ("rtn-3bit",),
    } | more
    return drops_table(
        [Condition("a", f"options={n}", f"{n}", 1 / n, d, 0.5, **settings) for n, d in ((2, 0.9), (3, 0.7), (4, 0.5))]
    )


def pairs(**more) -> pl.DataFrame:
    """The table of pairs as its figure gets it."""
    drops = table(**more)
    return with_labels(pairs_of(drops), drops)


@pytest.mark.parametrize(("view", "column"), [("loss", "mean_loss"), ("bits", "effective_bits_per_weight")])
def test_points_and_bars_are_the_rows_of_the_table(view, column):
    rows = pairs()
    drawing = matched.marks(rows, "x", view)
    row = rows.filter(compression="magnitude-0.6").row(0, named=True)
    found = points(drawing, 0, series="magnitude")[1]
    assert (found.x, found.y) == (row[column], row["extra_loss"])
    assert (found.low, found.high) == (row["extra_loss_low"], row["extra_loss_high"])
    assert found.color == "pruned-60"
    assert drawing.panels[0].title == "4 minus 2"
    assert {mark.series for mark in points(drawing, 0)} == {"magnitude", "random", "rtn"}
    assert [mark.y for mark in of_kind(drawing, 0, "rule")] == [0.0]


def test_both_intervals_are_in_words():
    rows = pairs()
    row = rows.filter(compression="magnitude-0.6").row(0, named=True)
    found = points(matched.marks(rows, "x", "loss"), 0, series="magnitude")[1]
    number = lambda value: f"{value:.2f}".replace("-", "−")  # noqa: E731
    for name in ("mean_loss", "extra_loss"):
        said = f"{number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"
        assert said in found.label


def test_no_bar_over_two_seeds():
    rows = pairs(n_seeds=2)
    assert set(rows["n_seeds"]) == {2}
    drawing = matched.marks(rows, "x", "loss")
    assert {(mark.low, mark.high) for mark in points(drawing, 0)} == {(None, None)}
    assert "None is drawn over two seeds." in drawing.caption


def test_without_a_pair_there_is_a_message():
    assert "fewer than two" in matched.marks(pairs().clear(), "x", "bits").panels[0].message


def test_the_caption_states_baseline_and_range_of_sparsities():
    caption = matched.marks(pairs(), "x", "loss").caption
    assert "Baseline: chance. n = 400 examples; 3 seeds." in caption
    assert "Sparsity: 30 to 60 %. Bits: 3." in caption
