"""The published points, the reasons to doubt some, and the conditions of a study that the curves show."""

import tomllib
from collections import Counter

import polars as pl
import pytest
from project import ROOT

from junkdna.analysis.published_curves import (
    BASE,
    CURVE,
    FOLDER,
    LARGE,
    TASKS,
    VICUNA,
    Condition,
    condition,
    condition_points,
    distinct_points,
    read_points,
)  # fmt: skip
from junkdna.errors import UserError
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS
from junkdna.study.task_files import load_task

WHOLE = "A whole number off the grid of its neighbors"
REPEATED = "Equals a point of the same line in the unstructured figure"
SCALED = "100 is the run at 10 % pruned, not the dense run"

# ---- points ----------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_points_are_those_of_the_extraction(shared):
    source = pl.read_csv(shared / "paper/curves.csv", infer_schema=False).with_columns(pl.all().fill_null(""))
    points = read_points()
    assert points.drop("doubt", "value").equals(source.select(points.columns[:-1]).drop("value"))
    assert points["value"].to_list() == [float(value) for value in source["value"]]


def test_every_curve_has_the_levels_of_its_figure():
    points = read_points()
    assert points.height == 1798
    assert points.select(CURVE).n_unique() == 200
    assert points.null_count().sum_horizontal().item() == 0
    steps = {(f"{tens}0",) for tens in range(1, 10)}
    for figure in ("across_tasks", "data_fraction", "transfer_modes_tasks", "transfer_modes_data"):
        curves = points.filter(figure=f"{figure}_unstructured").group_by(CURVE)
        assert {frozenset(rows.select("x").rows()) for _, rows in curves} == {frozenset(steps)}
        curves = points.filter(figure=f"{figure}_nm").group_by(CURVE)
        assert {tuple(rows["x"]) for _, rows in curves} == {tuple(f"{keep}:8" for keep in range(7, 0, -1))}


def test_package_data_includes_the_tables():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["junkdna"]
    packed = {path for pattern in patterns for path in (ROOT / "junkdna").glob(pattern)}
    assert {file for file in FOLDER.iterdir() if file.suffix == ".csv"} <= packed
    assert len(list(FOLDER.iterdir())) == 4


# ---- doubts ----------------------------------------------------------------------------------------------------------


def doubted(points: pl.DataFrame, reason: str) -> pl.DataFrame:
    return points.filter(pl.col("doubt").str.contains(reason, literal=True))


def keys(points: pl.DataFrame) -> set[tuple]:
    return set(points.select(*CURVE, "x").iter_rows())


def test_documented_number_of_doubts():
    count = read_points().filter(pl.col("doubt") != "").height
    assert f"{count} points have one" in (ROOT / "docs/published.md").read_text(encoding="utf-8")


def test_every_doubt_selects_points():
    reasons = pl.read_csv(FOLDER / "doubts.csv", infer_schema=False)
    points = read_points()
    for row in reasons.iter_rows(named=True):
        rows = doubted(points.filter(figure=row["figure"]), row["doubt"])
        assert rows.height
        for x in (row["x"] or "").split():
            assert x in rows["x"], row
        for name in ("panel", "series"):
            assert row[name] is None or row[name] in rows[name], row


def test_doubted_whole_numbers_are_the_whole_numbers():
    """All that are not 0 or 100, except those on a grid: 88 % of 1,625 answers is 1,430, and 55 % of 120 is 66."""
    points = condition_points()
    value = pl.col("percent_of_dense")
    percent = pl.col("figure").str.starts_with("open_closed").not_()
    whole = keys(points.filter(percent & (value == value.round()) & ~value.is_in([0.0, 100.0])))
    exceptions = {
        ("data_fraction_nm", "SST-2", "10% data", "4:8"),
        ("transfer_modes_data_nm", "SST-2 (10% data)", "Sparse Transfer", "4:8"),
        ("across_tasks_nm", "Arithmetic Reasoning", "SVAMP", "3:8"),
    }
    assert keys(doubted(points, WHOLE)) == whole - exceptions
    assert exceptions < whole


def test_repeated_points_occur_in_the_unstructured_line():
    points = read_points()
    of_figure = {name: points.filter(figure=f"transfer_modes_data_{name}") for name in ("nm", "unstructured")}
    equal = of_figure["nm"].join(of_figure["unstructured"], on=["panel", "series", "value"], how="semi")
    lines = Counter(equal.select("panel", "series").iter_rows())
    many = {line for line, count in lines.items() if count > 3}
    assert many == {
        ("QNLI (100% data)", "Sparse to Dense Transfer"),
        ("QNLI (100% data)", "Dense Transfer with Freezing"),
        ("SST-2 (100% data)", "Sparse to Dense Transfer"),
    }
    repeated = equal.filter(pl.struct("panel", "series").map_elements(lambda row: tuple(row.values()) in many, bool))
    assert keys(doubted(points, REPEATED)) == keys(repeated)
    whole_lines = {row for row in of_figure["nm"].iter_rows(named=False) if row[1:3] in many}
    assert {row[:3] for row in whole_lines if "unstructured figure" not in row[-1]} == set()


def test_figures_scaled_by_the_first_run_are_those_in_which_every_curve_starts_at_100():
    mildest = condition_points().filter(pl.col("x").is_in(["10", "7:8"]))
    starts = mildest.group_by("figure").agg((pl.col("percent_of_dense") == 100).all().alias("at_100"))
    scaled = set(starts.filter("at_100")["figure"])
    assert set(doubted(read_points(), SCALED)["figure"]) == scaled
    assert doubted(read_points(), SCALED).height == 135 + 162


def test_lines_of_the_file_without_fine_tuning_repeat_those_with_it():
    lines = {
        figure: read_points().filter(figure=figure).select("panel", "series", "x", "value")
        for figure in ("lmc_performance", "lmc_noft_performance")
    }
    same = lines["lmc_performance"].join(lines["lmc_noft_performance"], on=["panel", "series", "x", "value"])
    repeated = {series for series, count in Counter(same["series"]).items() if count == 11}
    assert repeated == {f"STS-B, sparsity {level}" for level in (0.3, 0.4, 0.5)}
    assert set(doubted(read_points(), "fine-tuned model")["series"]) == repeated


# ---- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (
            ("across_tasks_unstructured", "GLUE (Single Sentence)", "CoLA", "unstructured"),
            Condition(LARGE, False, "cola", "", "unstructured", "magnitude", "sparse"),
        ),
        (
            ("across_tasks_nm", "Commonsense Reasoning", "CSQA", "n:m"),
            Condition(LARGE, True, "csqa", "", "nm", "nm", "sparse"),
        ),
        (
            ("across_tasks_nm", "Arithmetic Reasoning", "SVAMP", "n:m"),
            Condition(None, False, "svamp", "", "nm", "nm", "sparse"),
        ),
        (
            ("data_fraction_unstructured", "MNLI", "25% data", "unstructured"),
            Condition(BASE, False, "mnli", "data_fraction=25", "unstructured", "magnitude", "sparse"),
        ),
        (
            ("data_fraction_nm", "QNLI", "100% data", "n:m"),
            Condition(BASE, False, "qnli", "", "nm", "nm", "sparse"),
        ),
        (
            ("transfer_modes_tasks_unstructured", "MNLI", "Dense Transfer with Freezing", "unstructured"),
            Condition(LARGE, True, "mnli", "", "unstructured", "magnitude", "dense_freeze"),
        ),
        (
            ("transfer_modes_data_nm", "SST-2 (10% data)", "Sparse to Dense Transfer", "n:m"),
            Condition(BASE, True, "sst2", "data_fraction=10", "nm", "nm", "sparse_to_dense"),
        ),
        (
            ("open_closed_fine_unstructured", "Magnitude", "Closed Book", "unstructured"),
            Condition(VICUNA, True, "trivia_qa", "", "unstructured", "magnitude_layer", "none"),
        ),
        (
            ("open_closed_nm", "Wanda", "Open Book", "n:m"),
            Condition(VICUNA, True, "trivia_qa", "context=passage", "nm", "wanda", "none"),
        ),
        (("mbart_nm", "mBART few-shot", "Majority languages", "n:m"), None),
        (("lmc_loss", "QNLI vs RTE", "RTE, sparsity 0.3", ""), None),
    ],
)
def test_conditions_of_curves(curve, expected):
    assert condition(*curve) == expected


def test_unknown_figure():
    with pytest.raises(UserError, match=r"across_task_nm.*across_tasks_nm"):
        condition("across_task_nm", "", "CoLA", "n:m")


def test_models_are_those_that_the_source_states():
    """Where the source names a model, the repository is of that name; it is inferred wherever the source names none."""
    points = condition_points().join(read_points().rename({"model": "stated"}), on=[*CURVE, "x"])
    names = {"roberta-large": LARGE, "roberta-base": BASE, "vicuna-7b": VICUNA}
    for row in points.select("stated", "model", "model_inferred").unique().iter_rows(named=True):
        assert row["model"] == names[row["stated"]] if row["stated"] else row["model"] in (LARGE, None), row
        assert row["stated"] or row["model_inferred"] == (row["model"] is not None), row


def test_conditions_are_names_of_tasks_knobs_and_methods_of_a_study():
    tasks = {name: load_task(name) for name in (*TASKS.values(), "trivia_qa")}
    for row in condition_points().select("task", "knobs", "method", "level").unique().iter_rows(named=True):
        defaults = tasks[row["task"]].knob_defaults()
        for name, value in (pair.split("=") for pair in row["knobs"].split(",") if pair):
            assert name in defaults
            assert str(defaults[name]) != value
        assert not row["level"] or parse_level(row["level"])[0] in METHODS[row["method"]].levels


def test_levels_and_relative_scores():
    points = condition_points()
    row = points.filter(figure="across_tasks_nm", series="STS-B", x="2:8").row(0, named=True)
    assert (row["level"], row["compression"], row["sparsity"]) == ("keep2of8", "nm-keep2of8", 0.75)
    assert row["percent_of_dense"] == 56.765
    fine = points.filter(figure="open_closed_fine_unstructured", panel="Wanda", series="Closed Book")
    assert fine["level"].to_list()[:3] == ["", "0.05", "0.1"]
    assert fine["compression"].to_list()[:2] == ["dense", "wanda-0.05"]
    source = read_points().filter(figure="open_closed_fine_unstructured", panel="Wanda", series="Closed Book")
    assert fine["percent_of_dense"].to_list() == [100 * (1 + value) for value in source["value"]]


def test_distinct_points_lose_only_repetitions():
    points, distinct = condition_points(), distinct_points()
    same = ["model", "task", "knobs", "family", "method", "transfer", "level"]
    assert distinct.select(same).is_unique().all()
    both = points.join(distinct, on=same, how="left", nulls_equal=True)
    assert both.height == points.height
    difference = (both["percent_of_dense"] - both["percent_of_dense_right"]).abs()
    assert difference.max() < 0.006  # TriviaQA is drawn at two scales, the others are the same numbers
    assert difference.filter(both["task"] != "trivia_qa").max() == 0
    closed = distinct.filter(task="trivia_qa", knobs="", method="wanda", family="unstructured")
    assert closed["figure"].unique().to_list() == ["open_closed_fine_unstructured"]
    assert closed.height == 17
