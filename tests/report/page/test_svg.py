"""The page's SVG and matplotlib draw the same table of marks; each is read back from what it drew."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise
from math import log10

import polars as pl
import pytest
from figure_pages import drawn, expected
from figure_tables import Condition, drops_table, study
from other_tables import tables

from junkdna.report import catalog, draw
from junkdna.report.page import page_figures, scales, shapes, svg_marks, svg_panel
from junkdna.report.plotting import render
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel

DROPS = drops_table(
    [
        *study(),
        Condition("a", "", "A", 0.25, 0.8, 0.5, "mixed", levels=(0.1, 0.5), compressions=("rtn-4bit", "svd-rank0.25")),
        Condition("b", "", "B", 0.2, 0.5, 0.5, "mixed", levels=(0.1, 0.5), compressions=("rtn-4bit", "band-0.1to0.2")),
    ]
)
CONNECTED = ("modes",)
NAMES = catalog.figure_names(catalog.outlines(DROPS, (), CONNECTED))
KINDS = {"pt": "point", "run": "run", "span": "span", "rule": "rule", "lab": "label", "band": "band"}


def value(axis: Axis, ends: tuple[float, float], pixel: float) -> float:
    """The value at a pixel, by hand."""
    share = (pixel - ends[0]) / (ends[1] - ends[0])
    low, high = (log10(limit) if axis.log else limit for limit in axis.limits)
    at = low + share * (high - low)
    return 10**at if axis.log else at


def read_svg(drawing: Drawing, at: int, text: str) -> Counter:
    """What a panel's SVG shows: (kind, series, numbers), as `figure_pages.drawn` reads from matplotlib."""
    panel, root, found = drawing.panels[at], ET.fromstring(text), Counter()
    ends = [tuple(map(float, root.get(f"data-{name}").split(","))) for name in "xy"]

    def numbers(x: list[float], y: list[float]) -> tuple:
        return (*(value(panel.x, ends[0], each) for each in x), *(value(panel.y, ends[1], each) for each in y))

    for element in root.iter():
        classes = element.get("class", "").split()
        kind = "missing" if "missing" in classes else KINDS.get(classes[0]) if classes else None
        for entry in READ[kind](element, panel.values) if kind else ():
            found[entry[0], entry[1], numbers(*entry[2:]) if entry[2:] else ()] += 1
    return found


def _series(element: ET.Element) -> str:
    return element.get("data-s", "")


def _shift(element: ET.Element) -> float:
    return float(element.get("data-h", 0)) * 96 / 72


def _read_point(element: ET.Element, along: str) -> list[tuple]:
    x, y = map(float, re.findall(r"-?[\d.]+", element.get("transform")))
    x, series = x - _shift(element), _series(element)
    if any(part.get("class") == "m cut" for part in element):
        return [("cut", series)]
    found = [("point", series, [x], [y])]
    for part in element:
        if part.get("class") == "ci":
            low, high = (float(part.get(f"{along}{end}")) for end in "12")
            places = ([x] * 2, [y + low, y + high]) if along == "y" else ([x + low, x + high], [y] * 2)
            found.append(("interval", series, *places))
        found += [("cut", series)] if part.get("class") == "cut" else []
    return found


def _read_run(element: ET.Element, along: str) -> list[tuple]:
    return [("run", _series(element), [float(element.get("cx")) - _shift(element)], [float(element.get("cy"))])]


def _read_span(element: ET.Element, along: str) -> list[tuple]:
    x = [float(element.get(name)) for name in ("x1", "x2")]
    return [("span", _series(element), x, [float(element.get("y1"))])]


def _read_band(element: ET.Element, along: str) -> list[tuple]:
    """One entry for each corner of the area."""
    corners = {tuple(map(float, each)) for each in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.get("d"))}
    return [("band corner", _series(element), [x], [y]) for x, y in sorted(corners)]


READ = {
    "point": _read_point,
    "run": _read_run,
    "span": _read_span,
    "band": _read_band,
    "rule": lambda element, along: [("rule", _series(element))],
    "missing": lambda element, along: [("missing", _series(element))],
    "label": lambda element, along: [("label", element.text)],
}


def comparable(counter: Counter) -> list[tuple]:
    """Kind, name and numbers of every mark, sorted."""
    entries = [(key[0], key[1], *(key[2] if len(key) > 2 else ())) for key in counter.elements()]
    return sorted(entries, key=lambda entry: (entry[0], entry[1], *(round(number, 1) for number in entry[2:])))


@pytest.fixture(scope="module")
def all_tables() -> dict[str, pl.DataFrame]:
    return tables(DROPS)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_and_matplotlib_draw_the_same(all_tables, name):
    drawing = draw.drawing_of(all_tables[catalog.named(name).figure.table], name)
    papers = drawn(render.draw(drawing))
    assert papers == expected(drawing)
    for at, panel in enumerate(drawing.panels):
        for wide in (358.0, 660.0):
            svg, _ = svg_panel.panel_svg(panel, drawing.of_panel(at), wide, "")
            ours, theirs = comparable(read_svg(drawing, at, svg)), comparable(papers[at])
            assert [each[:2] for each in ours] == [each[:2] for each in theirs]
            assert_close(ours, theirs, panel)


def assert_close(ours: list[tuple], theirs: list[tuple], panel: Panel) -> None:
    """Equal numbers up to a few hundredths of a pixel; marks of a series in any order."""
    step = 2e-4 * max(abs(axis.limits[1] - axis.limits[0]) for axis in (panel.x, panel.y))
    for kind, series in {each[:2] for each in ours}:
        mine, other = ([e[2:] for e in each if e[:2] == (kind, series)] for each in (ours, theirs))
        for numbers in mine:
            best = min(other, key=lambda each: sum(abs(a - b) for a, b in zip(numbers, each, strict=True)))
            assert numbers == pytest.approx(best, rel=2e-3, abs=step), (kind, series)
            other.remove(best)


def one(mark: Mark, values: str = "y", limits: tuple[float, float] = (0.0, 1.0)) -> str:
    axis = Axis(label="label", limits=limits, ticks=((0.5, "half"),))
    return svg_panel.panel_svg(Panel(title="", x=axis, y=axis, values=values), [mark], 300.0, "")[0]


def test_a_changed_mark_is_noticed():
    """The comparison above can fail."""
    axis = Axis(label="", limits=(0.0, 1.0), ticks=())
    drawing = Drawing(
        title="",
        panels=(Panel(title="", x=axis, y=axis),),
        marks=(Mark(panel=0, kind="point", x=0.5, y=0.5, marker="circle"),),
    )
    moved = Mark(panel=0, kind="point", x=0.5, y=0.52, marker="circle")
    svg, _ = svg_panel.panel_svg(drawing.panels[0], [moved], 300.0, "")
    with pytest.raises(AssertionError):
        assert_close(
            comparable(read_svg(drawing, 0, svg)), comparable(drawn(render.draw(drawing))[0]), drawing.panels[0]
        )


@pytest.mark.parametrize("limits", [(0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("values", ["x", "y"])
def test_arrows_point_out_of_the_panel(values, limits):
    mark = Mark(panel=0, kind="point", x=0.5, y=0.5, low=0.4, high=3.0, marker="circle")
    (path,) = re.findall(r'class="cut" d="M([-\d.]+),([-\d.]+)L([-\d.]+),([-\d.]+)', one(mark, values, limits))
    tip, base = (float(path[at]) for at in ((1, 3) if values == "y" else (0, 2)))
    rising = limits[0] < limits[1]
    outward = tip < base if values == "y" else tip > base  # pixels of y grow downward
    assert outward == rising


@pytest.mark.parametrize("values", ["x", "y"])
@pytest.mark.parametrize("value", [-1.0, 3.0])
def test_a_point_beyond_the_edge_is_an_arrow_there_that_says_its_value(values, value):
    place = {"x": 0.5, "y": 0.5} | {values: value}
    svg = one(Mark(panel=0, kind="point", **place, low=-2.0, high=4.0, marker="circle", label="far"), values)
    assert svg.count('class="m cut"') == svg.count("<title>far</title>") == 1
    assert 'class="ci"' not in svg
    root = ET.fromstring(svg)
    first, last = map(float, root.get(f"data-{values}").split(","))
    (point,) = (each for each in root.iter() if each.get("class", "").startswith("pt "))
    x, y = map(float, re.findall(r"-?[\d.]+", point.get("transform")))
    assert (x if values == "x" else y) == (first if value < 0 else last)


def test_collapsed_points_are_hollow_and_partly_collapsed_ones_half_filled():
    for share, name in ((0.0, None), (0.5, "half"), (1.0, "hollow")):
        svg = one(Mark(panel=0, kind="point", x=0.5, y=0.5, marker="circle", collapsed=share))
        assert (name is None) == ("hollow" not in svg and 'half"' not in svg.replace("half</text>", ""))
        assert name is None or f" {name}" in svg


def test_texts_are_escaped():
    mark = Mark(panel=0, kind="point", x=0.5, y=0.5, marker="circle", label="<script>'\"&", series="<s>")
    assert "<script>" not in one(mark)
    ET.fromstring(one(mark))


def test_names_above_do_not_overlap_and_stay_inside():
    names = [(at, f"condition {at:.0f}") for at in (10.0, 15.0, 20.0, 200.0, 290.0)]
    placed = scales.tiers(names, 0, 300)
    half = scales.width("condition 10") / 2
    assert all(half - 1 <= middle <= 300 - half + 6 for _, middle in placed)
    for (row, middle), (other, further) in pairwise(placed):
        assert row != other or further - middle >= 2 * half - 10


def test_many_names_become_numbers_with_a_list():
    axis = Axis(label="", limits=(0.0, 1.0), ticks=())
    names = tuple((0.5, f"a condition with a long name {at}") for at in range(20))
    panel = Panel(title="", x=axis, y=axis, names=names)
    svg, listed = svg_panel.panel_svg(panel, [], 300.0, "")
    assert len(listed) == 20
    assert ">20</text>" in svg
    assert "long name" not in svg


def test_every_marker_and_line_of_the_theme_can_be_drawn():
    assert all(shapes.shape(name) for name in shapes.MARKERS)
    assert shapes.shape("") == ""
    assert shapes.dashes("solid", 1) == ""
    assert shapes.dashes("dashed", 2) == "9 5"
    assert shapes.dashes("5 2.2", 1) == "5 2.2"


def test_classes_of_colors_are_valid():
    assert svg_marks.color_class("rank-0.25") == "c-rank-0_25"


def test_no_line_of_a_name_is_drawn_over_another_name():
    axis = Axis(label="", limits=(0.0, 1.0), ticks=())
    panel = Panel(title="", x=axis, y=axis, names=((0.5, "SciQ\nno passage, 3 options"), (0.55, "SciQ\nno passage")))
    svg, listed = svg_panel.panel_svg(panel, [], 660, "")
    root = ET.fromstring(svg)
    order = [element.get("class") for element in root if element.get("class") in ("guide", "halo", "halo b")]
    assert order == ["guide"] * 2 + ["halo b", "halo"] * 2
    assert listed == []


def test_a_name_wider_than_the_panel_becomes_a_number():
    axis = Axis(label="", limits=(0.0, 1.0), ticks=())
    name = "a benchmark with an unusually long title about reading comprehension"
    panel = Panel(title="", x=axis, y=axis, names=((0.5, name), (0.9, "SciQ")))
    assert svg_panel.panel_svg(panel, [], 358, "")[1] == [name, "SciQ"]
    assert svg_panel.panel_svg(panel, [], 1200, "")[1] == []


def test_the_legend_switches_series_and_never_a_rule():
    """The dotted line of the easiest condition has the color of the baseline, which is a rule."""
    panel = Panel(title="", x=Axis(label="", limits=(0, 1), ticks=()), y=Axis(label="", limits=(0, 1), ticks=()))
    marks = [
        Mark(panel=0, kind="rule", series="baseline", y=0.0, color="muted", line="dashed"),
        Mark(panel=0, kind="point", series="ghost", x=0.1, y=0.1, color="muted", line="dotted"),
        Mark(panel=0, kind="point", series="broken", x=0.1, y=0.2, color="pruned-30", line="solid"),
        Mark(panel=0, kind="point", series="fixed", x=0.1, y=0.3, color="pruned-30", line="4 2"),
    ]
    keys = [Key(label="baseline", line="dashed"), Key(label="broke", line="solid"), Key(label="were fixed", line="4 2")]
    drawing = Drawing(title="", panels=(panel,), marks=tuple(marks), keys=(tuple(keys),))
    view = page_figures.page_view("v", "V", "v", drawing, 1)
    assert [switch for _, _, switch in view.keys[0]] == ["", '[data-l="solid"]', '[data-l="4 2"]']
