import polars as pl
import pytest
from figure_pages import footer, legend, lines, outside
from figure_tables import LEVELS, Condition, drops_table, study

from junkdna.errors import UserError
from junkdna.report.figures import sparsity


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_lines_hold_the_tables_numbers():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6))])
    left, right = sparsity.draw(table, "one").axes
    rows = table.sort("sparsity")
    for ax, column in ((left, "relative_score"), (right, "retention")):
        line = lines(ax)["Alone|magnitude"]
        assert list(line.get_xdata()) == pytest.approx([0, 30, 60])
        assert list(line.get_ydata()) == pytest.approx(rows[column].to_list())
    baseline = lines(left)["Alone|chance"].get_ydata()[0]
    assert baseline == pytest.approx(25 / table["dense_score"][0])
    assert lines(right)["chance"].get_ydata()[0] == 0


def test_bands_reach_from_low_to_high():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6))])
    left = sparsity.draw(table, "one").axes[0]
    heights = left.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(table["relative_score_low"].min())
    assert heights.max() == pytest.approx(table["relative_score_high"].max())


def test_collapsed_levels_are_open_and_only_they():
    table = drops_table([Condition("a", "", "Alone", 0.25, 0.8, 0.5, "one")])
    flagged = table.filter(pl.col("collapsed") > 0)["sparsity"].to_list()
    assert flagged
    found = lines(sparsity.draw(table, "one").axes[0])
    collapsed, points = found["Alone|magnitude|collapsed"], found["Alone|magnitude|points"]
    assert list(collapsed.get_xdata()) == pytest.approx([100 * s for s in sorted(flagged)])
    assert collapsed.get_markerfacecolor() == "white"
    assert points.get_markerfacecolor() != "white"
    assert len(points.get_xdata()) + len(collapsed.get_xdata()) == len(LEVELS) + 1


def test_methods_differ_by_dash_and_conditions_by_color(drops):
    found = lines(sparsity.draw(drops, "controls").axes[0])
    own = [found[f"SciQ|{method}"] for method in ("magnitude", "random", "largest", "nm of 8")]
    assert len({str(line._dash_pattern) for line in own}) == 4
    assert len({line.get_color() for line in own}) == 1
    assert found["ARC easy|magnitude"].get_color() != own[0].get_color()


def test_a_condition_has_one_color_in_every_experiment(drops):
    first = lines(sparsity.draw(drops, "context").axes[0])["SciQ with passage|magnitude"]
    second = lines(sparsity.draw(drops, "models").axes[0])["SciQ with passage|magnitude"]
    assert first.get_color() == second.get_color()


def test_each_model_has_its_row_of_panels(drops):
    fig = sparsity.draw(drops, "models")
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert [title.split(":")[0] for title in titles] == ["SmolLM2-135M"] * 2 + ["SmolLM2-360M"] * 2


def test_dense_at_chance_is_omitted_on_the_right_and_named(drops):
    fig = sparsity.draw(drops, "context")
    assert "MMLU|magnitude" in lines(fig.axes[0])
    assert "MMLU|magnitude" not in lines(fig.axes[1])
    assert any("not above its baseline: MMLU" in text.get_text().replace("\n", " ") for text in fig.texts)


def test_footer_names_model_metric_n_seeds_and_interval(drops):
    text = " ".join(t.get_text().replace("\n", " ") for t in sparsity.draw(drops, "context").texts)
    for words in ("SmolLM2-135M", "accuracy", "n = 400", "3 seeds", "95 % intervals"):
        assert words in text


def test_one_seed_says_what_its_interval_covers():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", n_seeds=1)])
    text = " ".join(t.get_text().replace("\n", " ") for t in sparsity.draw(table, "one").texts)
    assert "over examples only" in text


def test_ten_conditions_fit_the_page_and_each_is_in_the_legend():
    conditions = [
        Condition("t", f"k={i}", f"A rather long name of condition {i}", 0.25, 0.8, 0.5, "m") for i in range(10)
    ]
    fig = sparsity.draw(drops_table(conditions), "m")
    shown = {text.get_text() for legend in fig.legends for text in legend.get_texts()}
    assert {c.label for c in conditions} <= shown
    assert outside(fig) == []


def test_a_hostile_label_is_drawn_as_it_is():
    table = drops_table([Condition("a", "", "<script>$\\frac{$ _x", 0.25, 0.8, 0.5, "one")])
    fig = sparsity.draw(table, "one")
    fig.draw_without_rendering()
    assert any(t.get_text() == "<script>$\\frac{$ _x" for t in fig.legends[0].get_texts())


def test_all_dense_models_at_chance_still_draw():
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one")])
    nulls = {name: pl.lit(None) for name in ("retention", "retention_low", "retention_high")}
    right = sparsity.draw(table.with_columns(**nulls).cast({pl.Null: pl.Float64}), "one").axes[1]
    assert "above its baseline" in right.texts[0].get_text()


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
        sparsity.draw(table.filter(keep), "one")


def test_what_is_not_on_the_axis_is_named_and_changes_no_line():
    tags = ("rtn-4bit,group=64", "svd-rank0.25", "band-0.2to0.3", "band-0.3to0.6")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6), compressions=tags)])
    fig = sparsity.draw(table, "one")
    drawn = [label for label in lines(fig.axes[0]) if "|" in label]
    assert set(drawn) == {"A|chance", "A|magnitude", "A|magnitude|points"}
    assert list(lines(fig.axes[0])["A|magnitude"].get_xdata()) == pytest.approx([0, 30, 60])
    assert "no sparsity (see effective bits): RTN; SVD." in footer(fig)
    assert "bands of |w|" in footer(fig)


def test_options_and_kinds_of_level_are_separate_lines():
    tags = ("magnitude-0.3,reference_ties=true", "wanda-0.5,calibration=c4", "wanda-keep2of4,calibration=c4")
    tags += ("wanda-keep4of8,calibration=c4", "wanda-0.5,calibration=wiki", "wanda-0.6,calibration=wiki")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6), compressions=tags)])
    fig = sparsity.draw(table, "one")
    found = {label: list(line.get_xdata()) for label, line in lines(fig.axes[0]).items() if label.count("|") == 1}
    assert found == {
        "A|chance": [0, 1],
        "A|magnitude": pytest.approx([0, 30, 60]),
        "A|magnitude,reference_ties=true": pytest.approx([0, 30]),
        "A|wanda,calibration=c4": pytest.approx([0, 50]),
        "A|wanda,calibration=wiki": pytest.approx([0, 50, 60]),
        "A|wanda of 4,calibration=c4": pytest.approx([0, 50]),
        "A|wanda of 8,calibration=c4": pytest.approx([0, 50]),
    }
    styles = {str(lines(fig.axes[0])[label]._dash_pattern) for label in found if label != "A|chance"}
    assert len(styles) == 6
    assert {"Wanda, calibrated on c4", "Wanda, N of 4 kept, calibrated on c4"} <= set(legend(fig))
    assert outside(fig) == []


def test_scores_below_zero_have_no_chance_in_percent_and_still_draw():
    shaky = Condition("cola", "", "CoLA", 0.0, 0.02, 0.4, "one", metric="matthews", levels=(0.3, 0.6))
    table = drops_table([shaky, Condition("a", "", "A", 0.25, 0.8, 0.5, "one", levels=(0.3, 0.6))])
    below = pl.when(pl.col("task") == "cola")
    table = table.with_columns(
        dense_score=below.then(-0.01).otherwise("dense_score"),
        relative_score=below.then(None).otherwise("relative_score"),
    )
    fig = sparsity.draw(table, "one")
    assert "CoLA|chance" not in lines(fig.axes[0])
    assert "A|chance" in lines(fig.axes[0])
    assert outside(fig) == []
