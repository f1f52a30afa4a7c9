import polars as pl
import pytest
from figure_pages import legend, of_kind, outside, points, titles
from figure_tables import LEVELS, Condition, drops_table, study

from junkdna.errors import UserError
from junkdna.report.figures import sparsity
from junkdna.report.plotting import curves, render

COLUMNS = {"retention": "retention", "percent": "relative_score", "score": "score"}


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


@pytest.mark.parametrize("view", COLUMNS)
def test_points_hold_the_tables_numbers(view):
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6))])
    drawing, column = sparsity.marks(table, "one", view), COLUMNS[view]
    rows = table.sort("sparsity")
    own = points(drawing, 0, series="magnitude")
    assert [mark.x for mark in own] == pytest.approx([0, 30, 60])
    assert [mark.y for mark in own] == pytest.approx(rows[column].to_list())
    assert [mark.low for mark in own[1:]] == pytest.approx(rows[f"{column}_low"].to_list()[1:])
    assert [mark.high for mark in own[1:]] == pytest.approx(rows[f"{column}_high"].to_list()[1:])
    assert [mark.color for mark in own] == ["ink", "pruned-30", "pruned-60"]
    places = {mark.series: mark.y for mark in of_kind(drawing, 0, "rule")}
    dense = table["dense_score"][0]
    expected = {"retention": (1, 0), "percent": (100, 25 / dense), "score": (dense, 0.25)}[view]
    assert (places["dense"], places["baseline"]) == pytest.approx(expected)


@pytest.mark.parametrize(("first", "joined"), [(0.1, True), (0.3, True), (0.4, False), (0.7, False)])
def test_a_line_starts_at_dense_only_if_the_first_level_is_near(first, joined):
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(first, 0.9))])
    own = points(sparsity.marks(table, "one", "score"), 0, series="magnitude")
    assert [mark.x for mark in own] == pytest.approx([0.0] * joined + [100 * first, 90])


def test_dense_has_its_interval_in_the_view_of_scores_only():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3,))])
    dense = table.filter(pl.col("method") == "dense").row(0, named=True)
    (own,) = points(sparsity.marks(table, "one", "score"), 0, series="dense")
    assert (own.low, own.high) == (dense["score_low"], dense["score_high"])
    for view in ("retention", "percent"):
        drawing = sparsity.marks(table, "one", view)
        assert points(drawing, 0, series="dense") == []
        assert points(drawing, 0, x=0.0)[0].low is None


def test_collapsed_levels_and_only_they_are_marked():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, "one")])
    flagged = table.filter(pl.col("collapsed") > 0)["sparsity"].sort().to_list()
    assert flagged
    own = points(sparsity.marks(table, "one", "retention"), 0, series="magnitude")
    assert [mark.x / 100 for mark in own if mark.collapsed == 1] == pytest.approx(flagged)
    assert len(own) == len(LEVELS) + 1


def test_methods_differ_by_line_and_marker_and_a_level_has_one_color(drops):
    drawing = sparsity.marks(drops, "controls", "retention")
    own = {name: points(drawing, 0, series=name) for name in ("magnitude", "random", "largest", "nm of 8")}
    assert len({marks[0].line for marks in own.values()}) == 4
    assert len({marks[1].marker for marks in own.values()}) == 4
    assert {mark.color for marks in own.values() for mark in marks if mark.x == 50} == {"pruned-50"}
    assert not points(drawing, 1, series=curves.GHOST)


def test_conditions_are_panels_from_easy_to_hard_with_the_easiest_repeated(drops):
    drawing = sparsity.marks(drops, "context", "retention")
    hard = [drops.filter(label=title, experiment="context")["difficulty"][0] for title in titles(drawing)]
    assert hard == sorted(hard)
    first = [(mark.x, mark.y) for mark in points(drawing, 0, series="magnitude")]
    for at in range(1, len(drawing.panels)):
        assert [(mark.x, mark.y) for mark in points(drawing, at, series=curves.GHOST)] == first
    assert not points(drawing, 0, series=curves.GHOST)
    assert f"easiest condition ({titles(drawing)[0]})" in drawing.caption


def test_options_are_in_numeric_order():
    given = [(4, 0.8), (2, 0.95), (10, 0.5), (3, 0.9)]
    table = drops_table([Condition("a", f"options={n}", f"{n} options", 1 / n, dense, 0.5, "x", levels=(0.5,))
                         for n, dense in given])  # fmt: skip
    assert titles(sparsity.marks(table, "x", "score")) == ["2 options", "3 options", "4 options", "10 options"]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 3), (7, 3)])
def test_panels_fill_the_width(count, columns):
    conditions = [Condition(f"t{at}", "", f"T{at}", 0.25, 0.8, 0.5, "x", levels=(0.5,)) for at in range(count)]
    drawing = sparsity.marks(drops_table(conditions), "x", "retention")
    assert drawing.columns == columns
    fig = render.draw(drawing)
    right = max(ax.get_position().x1 for ax in fig.axes)
    left = min(ax.get_position().x0 for ax in fig.axes)
    assert right > 0.95
    assert left < 0.13


def test_each_model_has_its_panels(drops):
    names = [title.partition(", ")[2] for title in titles(sparsity.marks(drops, "models", "retention"))]
    assert names == ["SmolLM2-135M", "SmolLM2-360M", "SmolLM2-360M"]


def test_dense_at_chance_has_no_retention_and_is_named(drops):
    drawing = sparsity.marks(drops, "context", "retention")
    at = titles(drawing).index("MMLU")
    assert "no retention" in drawing.panels[at].message
    assert points(drawing, at, series="magnitude") == []
    assert "dense is not above its baseline: MMLU" in drawing.caption
    assert points(sparsity.marks(drops, "context", "score"), at, series="magnitude")


def test_caption_names_model_metric_baseline_n_seeds_interval_and_range(drops):
    caption = sparsity.marks(drops, "context", "retention").caption
    words = (
        "SmolLM2-135M",
        "accuracy",
        "Baseline: chance",
        "n = 400",
        "3 seeds",
        "95 % intervals",
        "Sparsity: 10 to 90 %",
    )
    for word in words:
        assert word in caption


@pytest.mark.parametrize(("seeds", "dots", "intervals"), [(1, 0, True), (2, 2, False), (3, 3, True)])
def test_two_seeds_are_dots_without_an_interval(seeds, dots, intervals):
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", n_seeds=seeds, levels=(0.3,))])
    drawing = sparsity.marks(table, "one", "retention")
    (point,) = points(drawing, 0, color="pruned-30")
    assert (point.low is not None) == intervals
    runs = of_kind(drawing, 0, "run")
    assert len(runs) == dots
    if seeds > 1:
        row = table.filter(pl.col("sparsity") == 0.3).row(0, named=True)
        expected = [(score - 0.25) / (row["dense_score"] - 0.25) for score in row["score_seeds"]]
        assert [mark.y for mark in runs] == pytest.approx(expected)
    over = {1: "over examples only (one seed)", 2: "the two seeds", 3: "over seeds and examples"}[seeds]
    assert over in drawing.caption


def test_ten_conditions_fit_the_page_and_each_has_its_whole_name():
    names = [f"A rather long name of condition {i} that goes on and on and needs some lines" for i in range(10)]
    drawing = sparsity.marks(
        drops_table([Condition(f"t{i}", "", name, 0.25, 0.8, 0.5, "m", levels=(0.5,)) for i, name in enumerate(names)]),
        "m", "percent",
    )  # fmt: skip
    assert sorted(titles(drawing)) == names
    assert outside(render.draw(drawing)) == []


def test_a_hostile_label_is_drawn_as_it_is():
    table = drops_table([Condition("a", "", "<script>$\\frac{$ _x", 0.25, 0.8, 0.5, "one", levels=(0.5,))])
    fig = render.draw(sparsity.marks(table, "one", "retention"))
    fig.draw_without_rendering()
    assert fig.axes[0].get_title(loc="left").startswith("<script>$\\frac{$ _x")


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (pl.col("method") == "dense", "only dense rows"),
        (pl.col("experiment") == "other", "only dense rows"),
        (pl.col("compression").is_in(["dense", "rtn-4bit"]), "only RTN"),
        (pl.col("compression").is_in(["dense", "band-0.2to0.3"]), "two quantiles"),
    ],
)
def test_nothing_to_draw_says_why(keep, words):
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", compressions=("rtn-4bit", "band-0.2to0.3"))])
    with pytest.raises(UserError, match=words):
        sparsity.marks(table.filter(keep), "one", "retention")


def test_what_is_not_on_the_axis_is_named_and_changes_no_line():
    tags = ("rtn-4bit,group=64", "svd-rank0.25", "band-0.2to0.3", "band-0.3to0.6")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6), compressions=tags)])
    drawing = sparsity.marks(table, "one", "retention")
    assert {mark.series for mark in points(drawing, 0)} == {"magnitude"}
    assert "no sparsity (see effective bits): RTN; SVD." in drawing.caption
    assert "bands of |w|" in drawing.caption


def test_options_and_kinds_of_level_are_separate_lines():
    tags = ("magnitude-0.3,reference_ties=true", "wanda-0.5,calibration=c4", "wanda-keep2of4,calibration=c4")
    tags += ("wanda-keep4of8,calibration=c4", "wanda-0.5,calibration=wiki", "wanda-0.6,calibration=wiki")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6), compressions=tags)])
    drawing = sparsity.marks(table, "one", "retention")
    found = {mark.series: [p.x for p in points(drawing, 0, series=mark.series)] for mark in points(drawing, 0)}
    assert found == {
        "magnitude": pytest.approx([0, 30, 60]),
        "magnitude,reference_ties=true": pytest.approx([0, 30]),
        "wanda,calibration=c4": pytest.approx([50]),  # no line from dense: nothing was measured between
        "wanda,calibration=wiki": pytest.approx([50, 60]),
        "wanda of 4,calibration=c4": pytest.approx([50]),
        "wanda of 8,calibration=c4": pytest.approx([50]),
    }
    assert len({points(drawing, 0, series=name)[0].line for name in found}) == 6
    assert len({points(drawing, 0, series=name)[-1].marker for name in found}) == 6
    assert {"Wanda, calibrated on c4", "Wanda, N of 4 kept, calibrated on c4"} <= set(legend(drawing))


def test_scores_below_zero_have_no_chance_in_percent_and_still_draw():
    shaky = Condition("cola", "", "CoLA", 0.0, 0.02, 0.4, "one", metric="matthews", levels=(0.3, 0.6))
    table = drops_table([shaky, Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6))])
    below = pl.when(pl.col("task") == "cola")
    table = table.with_columns(
        dense_score=below.then(-0.01).otherwise("dense_score"),
        relative_score=below.then(None).otherwise("relative_score"),
    )
    drawing = sparsity.marks(table, "one", "percent")
    at = titles(drawing).index("CoLA")
    assert "baseline" not in {mark.series for mark in of_kind(drawing, at, "rule")}
    assert "no percentage" in drawing.panels[at].message
    assert "the dense score is not above 0: CoLA" in drawing.caption
