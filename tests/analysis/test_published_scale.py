"""Dense scores and baselines of the published curves, against label counts, grids of scores and collapsed runs."""

from fractions import Fraction

import polars as pl
import pytest

from junkdna.analysis.published_curves import TASKS, condition_points, read_points
from junkdna.analysis.published_effects import single_points
from junkdna.analysis.published_scale import (
    CONDITION,
    FOLDER,
    read_baselines,
    read_dense_scores,
    retention,
    with_retention,
)  # fmt: skip
from junkdna.study.task_files import load_task

BASELINES = dict(read_baselines().select("task", "baseline").iter_rows())


def test_retention_by_hand():
    assert retention(100, 0.9, 0.5) == pytest.approx(1)
    assert retention(100 * 0.5 / 0.9, 0.9, 0.5) == pytest.approx(0)
    assert retention(50, 0.8, 0.5) == pytest.approx(-1 / 3)
    assert retention(110, 0.8, 0.5) == pytest.approx(0.38 / 0.3)


def test_every_condition_has_one_dense_score_and_every_score_is_used():
    conditions, scores = condition_points().select(CONDITION).unique(), read_dense_scores()
    assert scores.select(CONDITION).is_unique().all()
    assert scores.join(conditions, on=CONDITION, how="anti").is_empty()
    without = conditions.join(scores, on=CONDITION, how="anti")
    assert set(without["task"]) == {"mawps", "svamp"}
    assert set(BASELINES) == {*TASKS.values(), "trivia_qa"}


def test_every_number_has_a_source():
    for table, prefix in ((read_dense_scores(), "dense"), (read_baselines(), "baseline")):
        assert (table[f"{prefix}_source"].str.len_chars() > 10).all()
        assert table[f"{prefix}_inferred"].dtype == pl.Boolean
        assert table[prefix].is_between(0, 1).all()
    assert set(read_dense_scores().filter(~pl.col("dense_inferred"))["task"]) == {"qqp", "stsb"}
    assert set(read_baselines().filter("baseline_inferred")["task"]) == {"qnli", "qqp", "mnli", "mawps", "svamp"}


def test_retention_of_points_by_hand():
    points = single_points()
    row = points.filter(figure="across_tasks_unstructured", task="qqp", level="0.9").row(0, named=True)
    baseline, score = 25545 / 40430, 0.83127 * 0.9189
    assert row["retention"] == pytest.approx((score - baseline) / (0.9189 - baseline))
    row = points.filter(figure="data_fraction_nm", series="10% data", task="sst2", level="keep1of8").row(0, named=True)
    dense, baseline = 1625 / 1744, 444 / 872
    assert row["dense"] == dense
    assert row["retention"] == pytest.approx((0.55015 * dense - baseline) / (dense - baseline))
    row = points.filter(figure="open_closed_nm", panel="Wanda", knobs="", level="keep4of8").row(0, named=True)
    assert row["dense"] == 0.6295
    assert row["retention"] == pytest.approx(row["percent_of_dense"] / 100)


def test_unknown_dense_scores():
    """With a baseline of 0 the dense score is not needed; otherwise the retention is null."""
    points = condition_points().filter(pl.col("task").is_in(["svamp", "rte"]))
    scores = with_retention(points, dense_scores=read_dense_scores().clear())
    assert scores["dense"].null_count() == scores.height
    assert scores.filter(task="rte")["retention"].null_count() == scores.filter(task="rte").height > 0
    svamp = scores.filter(task="svamp")
    assert svamp["retention"].to_list() == (svamp["percent_of_dense"] / 100).to_list()


def test_dense_score_at_the_baseline_has_no_retention():
    points = condition_points().filter(task="rte")
    baselines = read_baselines().with_columns(baseline=pl.lit(0.9))
    assert with_retention(points, baselines=baselines)["retention"].null_count() == points.height


# ---- against independent numbers -------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("task", ["sst2", "rte"])
def test_majority_baselines_are_the_label_counts(shared, task):
    counts = pl.read_parquet(shared / f"data/glue/{task}/validation.parquet")["label"].value_counts()["count"]
    assert BASELINES[task] == counts.max() / counts.sum()


@pytest.mark.parametrize("task", ["sst2", "cola", "stsb", "rte", "winogrande", "csqa"])
def test_baselines_are_those_of_the_task_files(task):
    assert BASELINES[task] == pytest.approx(load_task(task).baselines.majority, abs=5e-5)


def test_constant_answers_in_the_figure_without_fine_tuning():
    """QQP and QNLI at x = 0 of the untrained models: shares of one class, so the baseline is it or its complement."""
    starts = read_points().filter(figure="lmc_noft_performance", x="0.0")
    value = {name: starts.filter(series=f"{name}, sparsity 0.3")["value"].item() for name in ("QQP", "QNLI")}
    assert 1 - value["QQP"] == pytest.approx(BASELINES["qqp"], abs=5e-6)
    assert value["QNLI"] == pytest.approx(BASELINES["qnli"], abs=5e-6)


@pytest.mark.parametrize(
    ("figure", "task", "transfer", "levels"),
    [
        ("across_tasks_unstructured", "rte", "sparse", ["0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]),
        ("across_tasks_unstructured", "cola", "sparse", ["0.6", "0.7", "0.8", "0.9"]),
        ("transfer_modes_tasks_unstructured", "sst2", "sparse_to_dense", ["0.6", "0.7", "0.8", "0.9"]),
        ("transfer_modes_tasks_nm", "qnli", "sparse_to_dense", ["keep2of8", "keep1of8"]),
    ],
)
def test_flat_ends_of_curves_are_the_baseline(figure, task, transfer, levels):
    """Runs that collapsed to the majority have a retention of 0. The dense score comes from counts, the baseline from
    labels: they agree only if both are right."""
    ends = single_points().filter(pl.col("level").is_in(levels), figure=figure, task=task, transfer=transfer)
    assert ends.height == len(levels)
    assert ends["retention"].abs().max() < 5e-5


@pytest.mark.parametrize("task", ["sst2", "qnli", "rte"])
def test_points_are_whole_counts_of_the_inferred_dense_scores(task):
    """percent / 100 x dense count is a whole number, up to the rounding of the percentage to three decimals.

    One point in ten would pass by chance.
    """
    scores = pl.read_csv(FOLDER / "dense_scores.csv", infer_schema=False).with_columns(pl.col("knobs").fill_null(""))
    scores = scores.filter(pl.col("score").str.contains("/"), task=task)
    checked = 0
    for row in scores.iter_rows(named=True):
        count = int(row["score"].split("/")[0])
        for family in row["families"].split():
            points = condition_points().filter(
                ~pl.col("doubt").str.contains("whole number|unstructured figure"),
                **{name: row[name] for name in ("model", "task", "knobs")}, family=family, transfer="sparse",
            )  # fmt: skip
            answers = points["percent_of_dense"] / 100 * count
            assert (answers - answers.round()).abs().max() <= 0.0005 / 100 * count + 1e-6, row
            checked += points.height
    assert checked >= 16


@pytest.mark.parametrize(("task", "total"), [("sst2", 872), ("qnli", 5463), ("rte", 277)])
def test_dense_counts_are_sums_over_two_runs(task, total):
    scores = pl.read_csv(FOLDER / "dense_scores.csv", infer_schema=False).filter(pl.col("score").str.contains("/"))
    of = {int(score.split("/")[1]) for score in scores.filter(task=task)["score"]}
    assert of == {2 * total}
    assert all(Fraction(score) < 1 for score in scores["score"])
