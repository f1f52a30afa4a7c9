import polars as pl
import pytest
from figure_pages import of_kind, points, titles
from figure_tables import Condition, drops_table
from other_tables import tables

from junkdna.errors import UserError
from junkdna.report import catalog
from junkdna.report.figures import bins


def table(name: str = "ab", **more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.3, 0.6)} | more
    return tables(drops_table([Condition(name, "", name.upper(), 0.25, 0.9, 0.5, **settings)]))["difficulty"]


def test_bins_are_in_the_published_order_with_their_measured_difficulty():
    rows = table()
    drawing = bins.marks(rows.sample(fraction=1, shuffle=True, seed=1), "x")
    assert titles(drawing) == ["AB"]
    assert [text for _, text in drawing.panels[0].x.ticks] == ["easy\n0.20", "medium\n0.50", "hard\n0.80"]
    assert "school grade, rated harder →" in drawing.panels[0].x.label
    own = rows.filter(compression="magnitude-0.6").sort("bin_rank")
    found = points(drawing, 0, series="magnitude-0.6")
    assert [mark.x for mark in found] == [0, 1, 2]
    assert [mark.y for mark in found] == own["retention"].to_list()
    assert [mark.low for mark in found] == own["retention_low"].to_list()
    assert [mark.label for mark in of_kind(drawing, 0, "label")] == ["30 %", "60 %"]


def test_a_bin_without_a_retention_is_a_cross():
    drawing = bins.marks(table("abc"), "x")
    assert [mark.x for mark in of_kind(drawing, 0, "missing")] == [2]
    assert [mark.x for mark in points(drawing, 0, series="magnitude-0.6")] == [0, 1]


def test_only_experiments_with_a_rated_task_have_it():
    drops = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, name, levels=(0.5,)) for name in ("one", "two")])
    names = catalog.figure_names(catalog.outlines(drops, {"two"}))
    assert [name for name in names if name.startswith("bins")] == ["bins_two"]
    with pytest.raises(UserError, match="no compressed row of it has a task"):
        bins.marks(table(), "other")
