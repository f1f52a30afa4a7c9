"""Effects across published points: the numbers of the study of their uncertainty, and tables made by hand."""

import math

import polars as pl
import pytest
from scipy import stats

from junkdna.analysis.published_curves import condition_points
from junkdna.analysis.published_effects import (
    as_drops,
    data_fraction_effects,
    mean_effect,
    pair_effects,
    rises,
    single_points,
)  # fmt: skip
from junkdna.analysis.published_scale import read_baselines, read_dense_scores, with_retention
from junkdna.analysis.result_columns import DROPS

POINTS = single_points()
CHANCE = {"sst2": 0.5, "qnli": 0.5, "mnli": 1 / 3}


def with_baselines(values: dict[str, float]) -> pl.DataFrame:
    """The published points with other baselines of some tasks."""
    baseline = pl.col("task").replace_strict(values, default=pl.col("baseline"), return_dtype=pl.Float64)
    return with_retention(condition_points(), baselines=read_baselines().with_columns(baseline=baseline))


# ---- the numbers of the statistical design ---------------------------------------------------------------------------


def test_pairs_over_all_levels():
    """Hard - easy over all levels: .36 .23 .55 .22 .26, mean .32 (.15 to .49), with CommonsenseQA against chance."""
    effects = pair_effects(with_baselines({"csqa": 0.2}), "unstructured", informative=False)
    assert effects["hard"].to_list() == ["cola", "stsb", "rte", "csqa", "svamp"]
    assert effects["effect"].round(2).to_list() == [0.36, 0.23, 0.55, 0.22, 0.26]
    assert effects["levels"].to_list() == [9] * 5
    mean = mean_effect(effects["effect"])
    assert (round(mean.mean, 2), round(mean.low, 2), round(mean.high, 2), mean.n) == (0.32, 0.15, 0.49, 5)


def test_pairs_of_n_m():
    mean = mean_effect(pair_effects(with_baselines({"csqa": 0.2}), "nm", informative=False)["effect"])
    assert (round(mean.mean, 2), round(mean.low, 2), round(mean.high, 2)) == (0.34, 0.12, 0.56)


def test_pairs_with_the_package_baselines_and_informative_levels():
    """The majority of CommonsenseQA moves its pair by .01. Informative levels show a larger difference."""
    every = pair_effects(POINTS, "unstructured", informative=False)["effect"]
    assert every.to_list() == pytest.approx([0.36, 0.23, 0.55, 0.22, 0.26], abs=0.015)
    effects = pair_effects(POINTS, "unstructured")
    assert effects["levels"].to_list() == [4, 3, 8, 4, 6]
    assert effects["effect"].round(2).to_list() == [0.76, 0.65, 0.60, 0.45, 0.39]


def test_opposite_sign_of_one_pair():
    """The human gap makes SST-2 harder than CoLA: .16 (-.44 to .76) over the four pairs with human scores."""
    mean = mean_effect(pl.Series([-0.36, 0.23, 0.55, 0.22]))
    assert (round(mean.mean, 2), round(mean.low, 2), round(mean.high, 2)) == (0.16, -0.44, 0.76)


def test_data_fractions():
    """.13 .14 .13, with one dense score per task and chance as the baseline; the interval agrees to .002."""
    one = {"sst2": 0.948, "qnli": 0.928, "mnli": 0.876}  # RoBERTa base, README of fairseq
    scores = read_dense_scores().with_columns(
        dense=pl.col("task").replace_strict(one, default=pl.col("dense"), return_dtype=pl.Float64)
    )
    baseline = pl.col("task").replace_strict(CHANCE, default=pl.col("baseline"), return_dtype=pl.Float64)
    points = with_retention(condition_points(), scores, read_baselines().with_columns(baseline=baseline))
    effects = data_fraction_effects(points, "unstructured", informative=False)
    assert dict(effects.select("task", pl.col("effect").round(2)).iter_rows()) == {
        "qnli": 0.13, "sst2": 0.14, "mnli": 0.13,
    }  # fmt: skip
    mean = mean_effect(effects["effect"])
    assert (mean.low, mean.high) == (pytest.approx(0.125, abs=0.002), pytest.approx(0.147, abs=0.002))


def test_data_fractions_with_the_package_scores():
    """Dense scores of each fraction and majority baselines give somewhat more."""
    effects = data_fraction_effects(POINTS, "unstructured", informative=False)
    assert effects["effect"].to_list() == pytest.approx([0.155, 0.151, 0.136], abs=0.001)
    informative = data_fraction_effects(POINTS, "unstructured")
    assert informative["levels"].to_list() == [4, 4, 3]
    assert informative["effect"].to_list() == pytest.approx([0.31, 0.31, 0.34], abs=0.005)


def test_six_of_fifty_curves_rise():
    """QNLI 3:8 .23, RTE 3:8 .14, SVAMP .14 and .11, WinoGrande .08, CSQA .06."""
    assert rises(POINTS, least=-math.inf).height == 50
    rising = rises(POINTS)
    assert rising.select("task", pl.col("rise").round(2)).rows() == [
        ("qnli", 0.23), ("rte", 0.14), ("svamp", 0.14), ("svamp", 0.11), ("winogrande", 0.08), ("csqa", 0.06),
    ]  # fmt: skip
    assert rising["stronger"].to_list()[:2] == ["keep3of8", "keep3of8"]
    assert rising["milder"].to_list()[:2] == ["keep4of8", "keep4of8"]


# ---- tables made by hand ---------------------------------------------------------------------------------------------


def table(retentions: dict[str, list[float]], figure: str, labels: dict[str, str] | None = None) -> pl.DataFrame:
    """Points of curves by series, at sparsities .1, .2 and so on."""
    return pl.DataFrame(
        {
            "figure": figure, "panel": "panel", "series": series, "task": series, "retention": value,
            "difficulty_label": (labels or {}).get(series, ""), "sparsity": (at + 1) / 10, "level": f"0.{at + 1}",
        }
        for series, values in retentions.items() for at, value in enumerate(values)
    )  # fmt: skip


def test_pair_effect_counts_informative_levels_only():
    """Mean losses .05, .3, .95: only the second level tells the two apart."""
    points = table(
        {"a": [0.95, 0.8, 0.1], "b": [0.95, 0.6, 0.0]}, "across_tasks_nm", {"a": "easy", "b": "hard"}
    ).sample(fraction=1, shuffle=False)
    assert pair_effects(points, "nm").row(0) == ("panel", "a", "b", pytest.approx(0.2), 1)
    assert pair_effects(points, "nm", informative=False)["effect"].item() == pytest.approx(0.3 / 3)
    swapped = points.with_columns(pl.col("difficulty_label").replace({"easy": "hard", "hard": "easy"}))
    assert pair_effects(swapped, "nm").row(0) == ("panel", "b", "a", pytest.approx(-0.2), 1)


def test_pair_without_informative_levels_is_left_out_of_the_mean():
    points = table({"a": [1.0, 0.99], "b": [1.0, 0.98]}, "across_tasks_nm", {"a": "easy", "b": "hard"})
    effects = pair_effects(points, "nm")
    assert effects.row(0)[3:] == (None, 0)
    assert mean_effect(effects["effect"]).n == 0
    assert math.isnan(mean_effect(effects["effect"]).mean)


def test_data_fraction_effect_is_the_fitted_line_from_all_data_to_the_least():
    losses = {"100% data": 0.2, "70% data": 0.3, "50% data": 0.25, "25% data": 0.4, "10% data": 0.6}
    points = table({name: [1 - loss] for name, loss in losses.items()}, "data_fraction_nm")
    slope = stats.linregress(range(5), [*losses.values()]).slope
    effects = data_fraction_effects(points.with_columns(task=pl.lit("sst2")), "nm")
    assert effects.row(0) == ("sst2", pytest.approx(4 * slope), 1)


def test_mean_effect_is_students_t():
    values = [0.1, 0.5, 0.2, 0.4]
    mean = mean_effect(pl.Series([*values, None]))
    expected = stats.t.interval(0.95, 3, loc=0.3, scale=stats.sem(values))
    assert (mean.low, mean.high) == pytest.approx(expected)
    assert mean.n == 4
    one = mean_effect(pl.Series([0.4]))
    assert (one.mean, one.n) == (0.4, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)


def test_rises_include_dense_and_levels_far_apart():
    points = table(
        {"falls": [0.9, 0.5, 0.1], "far": [0.7, 0.72, 0.78], "better": [1.07, 0.9, 0.8], "edge": [0.5, 0.54, 0.2]},
        "across_tasks_nm",
    )
    rising = rises(points).select("series", "rise", "milder", "stronger").rows()
    assert rising == [("far", pytest.approx(0.08), "0.1", "0.3"), ("better", pytest.approx(0.07), "", "0.1")]
    assert rises(points, least=0.03).height == 3


def test_single_points_in_the_columns_of_drops():
    rows = as_drops(POINTS)
    assert rows.height == POINTS.height
    assert {*rows.columns} - {column.name for column in DROPS.columns} == {"doubt"}
    for name in ("retention_low", "retention_high", "relative_score_low", "relative_score_high", "n_seeds"):
        assert rows[name].null_count() == rows.height
    row = rows.filter(experiment="across_tasks_nm", task="rte", compression="nm-keep3of8").row(0, named=True)
    assert row["score"] == pytest.approx(146 / 277, abs=1e-5)
    assert row["drop"] == pytest.approx(467 / 554 - 146 / 277, abs=1e-5)
    assert row["retention"] == pytest.approx(0, abs=1e-4)
