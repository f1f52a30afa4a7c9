"""The figures of a comparison: what they draw is what the table says, with both renderers."""

import polars as pl
import pytest
from figure_pages import drawn, expected, outside, points
from study_folders import STUDY, chance_of, write_study

from junkdna.compare.page import PLOTS, drawings
from junkdna.compare.words import MEASURES
from junkdna.report.draw import render
from junkdna.report.page.page_figures import page_view


@pytest.fixture(scope="module")
def found(first, tmp_path_factory, compare):
    def worse(cell):
        return chance_of(cell) - (0.15 if cell.compression.level else 0)

    return compare(first, write_study(tmp_path_factory.mktemp("b"), {**STUDY, "study": "two"}, worse))


@pytest.fixture(scope="module")
def all_drawings(found):
    return drawings(found)


def test_every_figure_has_both_views(all_drawings):
    assert list(all_drawings) == ["overview", "overview-lost", "conditions", "conditions-lost"]


@pytest.mark.parametrize("name", ["overview", "overview-lost", "conditions", "conditions-lost"])
def test_matplotlib_draws_the_table_of_marks(all_drawings, name):
    figure = render(all_drawings[name])
    assert drawn(figure) == expected(all_drawings[name])
    assert outside(figure) == []


@pytest.mark.parametrize("measure", MEASURES)
def test_a_point_of_the_overview_is_a_row_of_the_table(found, all_drawings, measure):
    drawing = all_drawings["overview" if measure.view == "drop" else "overview-lost"]
    shown = [mark for mark in points(drawing, 0) if mark.series != "equal"]
    rows = found.compressed.to_dicts()
    assert len(shown) == len(rows) == 3
    for mark, row in zip(shown, rows, strict=True):
        name = measure.column
        assert (mark.x, mark.y) == (row[f"{name}_a"], row[f"{name}_b"])
        if row["compression_a"].startswith("random"):  # two seeds: no bar
            assert mark.low is mark.high is None
        else:
            assert mark.low - mark.x == pytest.approx(row[f"{name}_difference_low"])
            assert mark.high - mark.x == pytest.approx(row[f"{name}_difference_high"])
            crosses = mark.low < mark.x < mark.high
            assert crosses == (row[f"{name}_difference_low"] < 0 < row[f"{name}_difference_high"])


def test_a_dumbbell_has_both_studies_and_the_difference_in_words(found, all_drawings):
    marks = all_drawings["conditions"].of_panel(0)
    rows = {row["compression_a"]: row for row in found.compressed.to_dicts()}
    dots = [mark for mark in marks if mark.kind == "point"]
    assert [mark.marker for mark in dots] == ["ring", "circle"] * 3
    first = rows["magnitude-0.3"]
    assert [mark.x for mark in dots[:2]] == [first["drop_a"], first["drop_b"]]
    assert (dots[0].low, dots[0].high) == (first["drop_a_low"], first["drop_a_high"])
    words = [mark for mark in marks if mark.kind == "label"]
    assert words[0].label.startswith(f"+{100 * first['drop_difference']:.1f} (")
    assert words[0].color == ("ink" if first["drop_difference_low"] > 0 else "muted")


def test_the_page_draws_the_same_points(all_drawings):
    for plot in PLOTS:
        drawing = all_drawings[plot.name]
        view = page_view("drop", "Drop", plot.name, drawing, 1)
        for at, panel in enumerate(view.panels):
            count = sum(mark.kind == "point" and bool(mark.marker) for mark in drawing.of_panel(at))
            assert panel.svgs[0].count('class="m"') == count
    table = drawing.table()
    assert table.filter(pl.col("kind") == "point").height == 6
