"""The figure of the lines between dense and sparse transfer: two panels per condition, bands, barriers, the control."""

import polars as pl
import pytest
from figure_pages import legend, of_kind, points, titles
from figure_tables import Condition, drops_table
from other_tables import lines

from junkdna.errors import UserError
from junkdna.report import catalog
from junkdna.report.figures import connectivity

HUB = "FacebookAI/roberta-large"


def table(**more: object) -> pl.DataFrame:
    settings = {"levels": (0.3, 0.8), "transfers": ("dense", "sparse"), "n_seeds": 3} | more
    return lines(drops_table([Condition("qqp", "", "QQP", 0.5, 0.9, 0.5, "x", hub=HUB, **settings)]))


def test_metric_and_loss_with_a_line_for_each_level_and_the_control():
    rows = table()
    drawing = connectivity.marks(rows, "x")
    assert drawing.columns == 2
    assert titles(drawing) == ["QQP", "QQP"]
    assert [panel.y.label for panel in drawing.panels] == ["accuracy", "loss, nats"]
    for at, name in enumerate(("score", "loss")):
        assert {mark.series for mark in points(drawing, at)} == {"control", "magnitude-0.3", "magnitude-0.8"}
        for tag, color in (("magnitude-0.3", "pruned-30"), ("magnitude-0.8", "pruned-80")):
            own = rows.filter(compression=tag).sort("alpha")
            drawn = points(drawing, at, series=tag)
            assert [(mark.x, mark.y) for mark in drawn] == own.select("alpha", name).rows()
            assert {(mark.color, mark.line) for mark in drawn} == {(color, "solid")}
            bands = [mark for mark in of_kind(drawing, at, "band") if mark.series == tag]
            assert [(mark.x, mark.low, mark.high) for mark in bands] == own.select(
                "alpha", f"{name}_low", f"{name}_high"
            ).rows()
        assert {(mark.color, mark.line) for mark in points(drawing, at, series="control")} == {("muted", "dotted")}


def test_barriers_are_in_titles_and_at_their_places_if_above_zero():
    drawing = connectivity.marks(table(levels=(0.05, 0.8)), "x")
    assert drawing.panels[1].title == "QQP\nbarrier: control 1.00, 5 % 0.05, 80 % 0.80"
    labels = [(mark.series, mark.x, mark.label) for mark in of_kind(drawing, 1, "label")]
    assert labels == [("control", 0.5, "+1.00"), ("magnitude-0.8", 0.5, "+0.80")], "the interval of 5 % contains 0"
    assert [mark.label for mark in of_kind(drawing, 0, "label")] == ["−0.30", "−0.24"]
    assert "80 % 0.80 (0.70 to 0.90)" in drawing.caption


def test_two_lines_are_dots_without_a_band():
    drawing = connectivity.marks(table(n_seeds=2), "x")
    assert {mark.series for mark in of_kind(drawing, 1, "band")} == {"control"}
    assert len([mark for mark in of_kind(drawing, 1, "run") if mark.series == "magnitude-0.3"]) == 10


def test_collapsed_models_are_hollow():
    drawing = connectivity.marks(table(), "x")
    hollow = [(mark.series, mark.x) for mark in points(drawing, 0) if mark.collapsed == 1]
    assert hollow == [("magnitude-0.8", 0.5)]
    assert any(label.startswith("collapsed") for label in legend(drawing))


def test_published_values_are_dashed_where_there_are_any():
    rows = table().with_columns(
        published_loss=pl.when(pl.col("compression") == "magnitude-0.3").then(pl.col("alpha") * 0 + 0.25)
    )
    drawing = connectivity.marks(rows, "x")
    assert points(drawing, 0, line="dashed") == []
    dashed = points(drawing, 1, line="dashed")
    assert {mark.series for mark in dashed} == {"published magnitude-0.3"}
    assert {mark.y for mark in dashed} == {0.25}
    assert "published (first version)" in legend(drawing)


def test_undefined_losses_are_gaps():
    known = pl.when(pl.col("alpha") != 0.5)
    rows = table().with_columns(known.then(pl.col(name)).alias(name) for name in ("loss", "loss_low", "loss_high"))
    drawing = connectivity.marks(rows, "x")
    assert {mark.x for mark in points(drawing, 1)} == {0.0, 0.25, 0.75, 1.0}
    assert 0.5 not in {mark.x for mark in of_kind(drawing, 1, "band")}


def test_drawn_only_for_experiments_with_lines():
    drops = drops_table([Condition("qqp", "", "QQP", 0.5, 0.9, 0.5, "x", transfers=("dense", "sparse"))])
    assert "connectivity_x" in catalog.figure_names(catalog.outlines(drops, (), {"x"}))
    assert "connectivity_x" not in catalog.figure_names(catalog.outlines(drops))
    with pytest.raises(UserError, match=r"Add `connectivity: \{points: 21\}`"):
        connectivity.marks(table(), "other")
