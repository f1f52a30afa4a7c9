import polars as pl
import pytest
from figure_pages import footer, legend, lines, outside
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report.figures import budget

QUANT = ("rtn-4bit", "rtn-3bit", "rtn-4bit,group=64", "rtn-8bit,group=64", "svd-rank0.25", "svd-rank0.9", "svd-rank0.5")


def one(**more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.3, 0.6), "compressions": QUANT} | more
    return drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, **settings)])


def many(**more) -> pl.DataFrame:
    settings = {"experiment": "m", "levels": (0.5, 0.7), "methods": ("magnitude", "random", "largest")} | more
    names = [f"A rather long name of condition {i}" for i in range(4)]
    return drops_table([Condition("t", f"k={i}", name, 0.25, 0.8, 0.5, **settings) for i, name in enumerate(names)])


def score_of(table: pl.DataFrame, tag: str, column: str) -> float:
    return table.filter(pl.col("compression") == tag)[column][0]


@pytest.mark.parametrize(("panel", "column"), [(0, "relative_score"), (1, "retention")])
def test_each_method_is_a_line_from_dense_to_its_fewest_bits(panel, column):
    """Bits by hand: 16 (1 - s) + 1; b + (16 + b) / g; 32 r of a square matrix, 16 at most."""
    table = one()
    found = lines(budget.draw(table, "x").axes[panel])
    expected = {
        "A|magnitude": {"dense": 16, "magnitude-0.3": 12.2, "magnitude-0.6": 7.4},
        "A|rtn": {"dense": 16, "rtn-4bit": 4.15625, "rtn-3bit": 3.1484375},
        "A|rtn,group=64": {"dense": 16, "rtn-8bit,group=64": 8.375, "rtn-4bit,group=64": 4.3125},
        "A|svd": {"dense": 16, "svd-rank0.9": 16, "svd-rank0.5": 16, "svd-rank0.25": 8},
    }
    for label, points in expected.items():
        assert list(found[label].get_xdata()) == pytest.approx(list(points.values()))
        assert list(found[label].get_ydata()) == pytest.approx([score_of(table, tag, column) for tag in points])
    assert len({str(found[label]._dash_pattern) for label in expected}) == 4


def test_each_number_format_is_a_line_from_dense_with_its_name():
    fig = budget.draw(one(methods=(), compressions=("rtn-4bit", "rtn-nvfp4", "rtn-mxfp4", "rtn-fp8")), "x")
    found = lines(fig.axes[0])
    for name, bits in (("rtn nvfp4", 4.5), ("rtn mxfp4", 4.25), ("rtn fp8", 8), ("rtn", 4.15625)):
        assert list(found[f"A|{name}"].get_xdata()) == pytest.approx([16, bits])
    assert {"RTN", "RTN FP8", "RTN NVFP4", "RTN MXFP4"} <= set(legend(fig))
    assert outside(fig) == []


def test_the_axis_falls_from_dense_and_halves_in_equal_steps():
    ax = budget.draw(one(), "x").axes[0]
    ax.figure.draw_without_rendering()
    left, right = ax.get_xlim()
    assert left > 16 > 3 > right > 0
    at = {bits: ax.transData.transform((bits, 50))[0] for bits in (16, 8, 4)}
    assert at[8] - at[16] == pytest.approx(at[4] - at[8])
    assert at[8] > at[16]
    assert {"16", "8", "4", "3"} <= {text.get_text() for text in ax.get_xticklabels()}
    assert "bits per weight" in ax.get_xlabel()


def test_bands_and_intervals_are_the_tables():
    table = one(methods=(), compressions=("rtn-4bit",))
    heights = budget.draw(table, "x").axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(table["relative_score_low"].min())
    assert heights.max() == pytest.approx(table["relative_score_high"].max())


def test_collapsed_is_open():
    table = one().with_columns(collapsed=pl.when(pl.col("compression") == "rtn-3bit").then(2).otherwise(0))
    fig = budget.draw(table, "x")
    mark = lines(fig.axes[0])["A|rtn|collapsed"]
    assert list(mark.get_xdata()) == pytest.approx([3.1484375])
    assert mark.get_markerfacecolor() == "white"
    assert any("single class" in text for text in legend(fig))


def test_legend_and_footer_name_all_that_is_drawn():
    fig = budget.draw(one(), "x")
    methods = {"smallest weights pruned (magnitude)", "RTN, groups of 128", "RTN, groups of 64", "SVD"}
    assert methods <= set(legend(fig))
    for text in ("n = 400", "3 seeds", "95 % intervals", "Effective bits:", "dense: 16"):
        assert text in footer(fig)
    assert outside(fig) == []


def test_what_is_not_on_the_axis_is_named():
    tags = ("band-0.1to0.2", "svd-rank0", "rtn-4bit")
    fig = budget.draw(one(compressions=tags), "x")
    assert not [label for label in lines(fig.axes[0]) if "band" in label or "svd" in label]
    assert "bands of |w|" in footer(fig)
    assert "no weight is kept (0 bits): SVD rank 0." in footer(fig)


@pytest.mark.parametrize("tags", [(), ("band-0.1to0.2",), ("svd-rank0",)])
def test_nothing_to_draw_says_why(tags):
    with pytest.raises(UserError, match="nothing to draw against effective bits"):
        budget.draw(one(methods=(), compressions=tags), "x")


def test_very_many_lines_are_split_into_pruned_and_not_on_the_same_axes():
    table = many(compressions=("rtn-4bit", "rtn-3bit", "svd-rank0.1"))
    fig = budget.draw(table, "m")
    titles = [ax.get_title(loc="left").replace("\n", " ") for ax in fig.axes]
    assert [title.split(":")[0] for title in titles] == ["Pruned"] * 2 + ["Quantized or low rank"] * 2
    assert len({ax.get_xlim() for ax in fig.axes}) == 1
    assert fig.axes[0].get_ylim() == fig.axes[2].get_ylim()
    first, second = ({label.split("|")[1] for label in lines(ax) if "|" in label} for ax in fig.axes[::2])
    assert first == {"chance", "magnitude", "random", "largest"}
    assert second == {"chance", "rtn", "svd"}
    assert outside(fig) == []
    fig.draw_without_rendering()
    assert all(ax._left_title.get_window_extent().x1 < fig.canvas.get_width_height()[0] for ax in fig.axes)


def test_few_lines_share_a_panel_and_each_model_has_its_row():
    tables = [one(model=model) for model in ("m10", "m9")]
    fig = budget.draw(pl.concat(tables), "x")
    assert [ax.get_title(loc="left").split(":")[0] for ax in fig.axes] == ["m9", "m9", "m10", "m10"]
