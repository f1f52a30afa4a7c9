"""What matplotlib drew is what the table of marks says, for every figure; an independent reading of its artists."""

import re

import polars as pl
import pytest
from figure_pages import drawn, expected, outside
from figure_tables import Condition, drops_table, study
from other_tables import tables

from junkdna.report import catalog, draw
from junkdna.report.plotting import render
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel

TAGS = ("rtn-4bit", "rtn-3bit", "svd-rank0.25", "band-0.1to0.2", "band-0.2to0.3")
MORE = [
    Condition("a", "", "A", 0.25, 0.8, 0.5, "mixed", levels=(0.1, 0.5), compressions=TAGS, n_seeds=2),
    Condition("b", "", "B", 0.2, 0.5, 0.5, "mixed", levels=(0.1, 0.5), compressions=TAGS, n_seeds=1, human=0.9),
    Condition("rte", "", "RTE", 0.5, 0.9, 0.5, "paper", hub="FacebookAI/roberta-large", levels=(0.3, 0.8),
              transfers=("dense", "sparse", "sparse_to_dense")),
    *[Condition("c", "", "C", 0.5, 0.9, 0.5, "longer", protocol=name, levels=(0.3, 0.8), transfers=("dense", "sparse"))
      for name in ("short", "short-x3")],
]  # fmt: skip
RATED = ("mixed", "models")


@pytest.fixture(scope="module")
def all_tables() -> dict[str, pl.DataFrame]:
    return tables(drops_table([*study(), *MORE]))


CONNECTED = ("paper", "longer")
NAMES = catalog.figure_names(catalog.outlines(drops_table([*study(), *MORE]), RATED, CONNECTED))


@pytest.mark.parametrize("name", NAMES)
def test_artists_are_the_table_of_marks_and_no_text_leaves_the_page(all_tables, name):
    drawing = draw.drawing_of(all_tables[catalog.named(name).figure.table], name)
    assert drawing.marks
    fig = render.draw(drawing)
    assert drawn(fig) == expected(drawing)
    assert outside(fig) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_states_the_range_of_the_sparsities_that_are_drawn(all_tables, name):
    drawing = draw.drawing_of(all_tables[catalog.named(name).figure.table], name)
    if any(mark.color.startswith("pruned-") for mark in drawing.marks):
        assert re.search(r"Sparsity: [\d.]+( to [\d.]+)? %[.]", drawing.caption)


def test_every_declared_figure_is_among_them():
    assert {catalog.named(name).figure.name for name in NAMES} == set(catalog.FIGURES)


def one(mark: Mark, values: str = "y", limits: tuple[float, float] = (0.0, 1.0)) -> Drawing:
    axis = Axis(label="x", limits=limits, ticks=())
    return Drawing(title="t", panels=(Panel(title="", x=axis, y=axis, values=values),), marks=(mark,), keys=((KEY,),))


KEY = Key(label="k", marker="circle", line="dashed")


@pytest.mark.parametrize("values", ["x", "y"])
@pytest.mark.parametrize(("low", "high", "cuts"), [(0.2, 0.8, 0), (-1.0, 0.8, 1), (0.2, 3.0, 1), (-1.0, 3.0, 2)])
def test_an_interval_that_goes_on_has_an_arrow_at_the_edge(values, low, high, cuts):
    ax = render.draw(one(Mark(panel=0, kind="point", x=0.5, y=0.5, low=low, high=high, marker="circle"), values)).axes[
        0
    ]
    arrows = [line for line in ax.get_lines() if line.get_label().startswith("cut|")]
    assert len(arrows) == cuts
    places = sorted(float((line.get_xdata() if values == "x" else line.get_ydata())[0]) for line in arrows)
    assert places == [edge for edge, end in ((0.0, low), (1.0, high)) if not 0 <= end <= 1]


def test_the_arrow_points_out_of_the_panel_on_a_falling_axis_too():
    mark = Mark(panel=0, kind="point", x=0.5, y=0.5, low=0.2, high=3.0, marker="circle")
    for limits, arrow in (((0.0, 1.0), "^"), ((1.0, 0.0), "v")):
        lines = render.draw(one(mark, limits=limits)).axes[0].get_lines()
        assert [line.get_marker() for line in lines if line.get_label().startswith("cut|")] == [arrow]


@pytest.mark.parametrize("values", ["x", "y"])
@pytest.mark.parametrize(("value", "edge"), [(-1.0, 0.0), (3.0, 1.0)])
def test_a_point_beyond_the_edge_is_an_arrow_there(values, value, edge):
    place = {"x": 0.5, "y": 0.5} | {values: value}
    mark = Mark(panel=0, kind="point", **place, low=value - 0.1, high=value + 0.1, marker="circle")
    lines = [line for line in render.draw(one(mark, values)).axes[0].get_lines() if "|" in line.get_label()]
    assert [line.get_label() for line in lines] == ["cut|"]
    assert lines[0].get_marker() == render.ARROW[values][edge == 1.0]
    assert (lines[0].get_xdata() if values == "x" else lines[0].get_ydata()) == [edge]


@pytest.mark.parametrize(("share", "face", "style"), [(0.0, None, "full"), (0.5, None, "left"), (1.0, "white", "full")])
def test_collapsed_points_are_hollow_and_partly_collapsed_ones_half_filled(share, face, style):
    mark = Mark(panel=0, kind="point", x=0.5, y=0.5, marker="circle", color="pruned-30", collapsed=share)
    (line,) = (line for line in render.draw(one(mark)).axes[0].get_lines() if line.get_label() == "point|")
    assert line.get_fillstyle() == style
    assert line.get_markerfacecolor() == (face or "#cc7018")


def test_a_point_without_a_value_interrupts_the_line():
    marks = [Mark(panel=0, kind="point", series="s", x=x, y=y, line="solid") for x, y in
             ((0.1, 0.5), (0.2, 0.5), (0.3, None), (0.4, 0.5), (0.5, 0.6))]  # fmt: skip
    axis = Axis(label="x", limits=(0.0, 1.0), ticks=())
    drawing = Drawing(title="t", panels=(Panel(title="", x=axis, y=axis),), marks=tuple(marks))
    lines = [line for line in render.draw(drawing).axes[0].get_lines() if line.get_label() == "line|s"]
    assert [list(line.get_xdata()) for line in lines] == [[0.1, 0.2], [0.4, 0.5]]


def test_the_table_has_a_column_for_every_field_of_a_mark():
    table = one(Mark(panel=0, kind="rule", y=0.5, color="muted", line="dashed")).table()
    assert table.columns == ["panel", "kind", "series", "x", "y", "low", "high", "label", "color", "marker", "line",
                             "collapsed", "anchor", "shift"]  # fmt: skip
    assert table.row(0, named=True)["y"] == 0.5
    assert table["x"].dtype == pl.Float64
