import itertools

import polars as pl
import pytest
from figure_pages import footer, outside
from figure_tables import Condition, drops_table, study

from junkdna.report.figures import headline
from junkdna.report.plotting import series, tilted_labels


def lines(ax) -> list:
    return [line for line in ax.get_lines() if "|" in line.get_label()]


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_points_hold_difficulty_and_drop():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, levels=(0.3, 0.6))])
    found = {line.get_label(): line for line in lines(headline.draw(table).axes[0])}
    for level in (0.3, 0.6):
        row = table.filter(pl.col("sparsity") == level).row(0, named=True)
        point, bar = found[f"{level:g}|none|points"], found[f"{level:g}|none|bar"]
        assert list(point.get_xdata()) == [row["difficulty"]]
        assert list(point.get_ydata()) == pytest.approx([1 - row["retention"]])
        assert list(bar.get_ydata()) == pytest.approx([1 - row["retention_high"], 1 - row["retention_low"]])


def test_a_condition_of_two_experiments_is_drawn_once():
    same = Condition("a", "", "Alone", 0.25, 0.8, 0.5, levels=(0.3,), experiment="x")
    table = drops_table([same])
    both = pl.concat([table, table.with_columns(experiment=pl.lit("y"))])
    fig = headline.draw(both)
    assert sum(len(line.get_xdata()) for line in lines(fig.axes[0]) if line.get_label() == "0.3|none|points") == 1
    assert [text.get_text() for text in fig.axes[0].texts] == ["Alone"]


def test_only_magnitude_without_training_or_with_a_fixed_mask(drops):
    rows, hidden = headline.select(drops)
    assert set(rows["method"]) == {"magnitude"}
    assert set(rows["transfer"]) == {"none", "sparse"}
    assert set(hidden["label"]) == {"MMLU"}


@pytest.mark.parametrize(
    ("given", "picked"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.4, 0.6, 0.8], [0.2, 0.4, 0.6, 0.8]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [0.3, 0.5, 0.7, 0.9]),
        ([0.15, 0.25, 0.35, 0.45, 0.55, 0.65], [0.15, 0.35, 0.45, 0.65]),
        ([], []),
    ],
)
def test_levels(given, picked):
    assert series.pick(f"magnitude-{level:g}" for level in given) == [f"magnitude-{level:g}" for level in picked]


def test_levels_without_a_sparsity_run_from_weak_to_strong():
    assert series.pick([f"rtn-{bits}bit" for bits in (2, 8, 4, 3)]) == [f"rtn-{bits}bit" for bits in (8, 4, 3, 2)]
    ranks = [f"svd-rank0.{digit}" for digit in (1, 2, 4, 6, 8)]
    assert series.pick(ranks) == ["svd-rank0.8", "svd-rank0.6", "svd-rank0.2", "svd-rank0.1"]
    assert [series.full_level_label(tag) for tag in ("magnitude-0.5", "nm-keep2of4", "gptq-4bit,calibration=c4")] == [
        "50 % pruned",
        "2 of 4 kept",
        "4 bits",
    ]


def test_magnitude_with_options_does_not_mix_with_magnitude_without():
    ties = ("magnitude-0.3,reference_ties=true", "magnitude-0.6,reference_ties=true", "rtn-4bit")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.3, 0.6), compressions=ties)])
    assert set(headline.select(table)[0]["compression"]) == {"magnitude-0.3", "magnitude-0.6"}
    only = table.filter(~pl.col("compression").is_in(["magnitude-0.3", "magnitude-0.6"]))
    assert set(headline.select(only)[0]["compression"]) == set(ties[:2])
    assert "all ties pruned" in footer(headline.draw(only))
    assert "all ties pruned" not in footer(headline.draw(table))


def test_labels_never_touch_and_keep_their_order():
    wanted = [0.0, 0.01, 0.02, 3.0, 5.99, 6.0]
    at = tilted_labels.spread(wanted, 0.14, 6.0)
    assert all(b - a >= 0.14 - 1e-9 for a, b in itertools.pairwise(at))
    assert min(at) >= 0
    assert max(at) <= 6 + 1e-9
    assert tilted_labels.spread([1.0, 2.0], 0.14, 6.0) == pytest.approx([1.0, 2.0])


def test_labels_stay_on_the_page(drops):
    assert outside(headline.draw(drops)) == []


def test_each_difficulty_measure_has_its_panel_and_formula():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5), Condition("b", "", "B", 0.25, 0.6, 0.5)])
    other = pl.when(pl.col("task") == "b").then(pl.lit("options")).otherwise("difficulty_measure")
    fig = headline.draw(table.with_columns(difficulty_measure=other))
    names = [ax.get_xlabel() for ax in fig.axes]
    assert "1 − (dense − chance) / (1 − chance)" in names[0]
    assert "1 − 1 / number of options" in names[1]


@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_an_empty_figure_says_so(method):
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, methods=(method,))])
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in ("retention", "retention_low", "retention_high")}
    fig = headline.draw(table.with_columns(**nothing))
    fig.draw_without_rendering()
    assert "Nothing to show" in fig.axes[0].texts[0].get_text()
