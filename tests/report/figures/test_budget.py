import polars as pl
import pytest
from figure_pages import legend, points, titles
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report.figures import budget
from junkdna.report.plotting import render

QUANT = ("rtn-4bit", "rtn-3bit", "rtn-4bit,group=64", "rtn-8bit,group=64", "svd-rank0.25", "svd-rank0.9", "svd-rank0.5")
COLUMNS = {"retention": "retention", "percent": "relative_score", "score": "score"}


def one(**more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.3, 0.6), "compressions": QUANT} | more
    return drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, **settings)])


def score_of(table: pl.DataFrame, tag: str, column: str) -> float:
    return table.filter(pl.col("compression") == tag)[column][0]


@pytest.mark.parametrize("view", COLUMNS)
def test_each_method_is_a_line_from_dense_to_its_fewest_bits(view):
    """Bits by hand: 16 (1 - s) + 1; b + (16 + b) / g; 32 r of a square matrix, 16 at most."""
    table = one()
    drawing = budget.marks(table, "x", view)
    expected = {
        "magnitude": {"dense": 16, "magnitude-0.3": 12.2, "magnitude-0.6": 7.4},
        "rtn": {"dense": 16, "rtn-4bit": 4.15625, "rtn-3bit": 3.1484375},
        "rtn,group=64": {"dense": 16, "rtn-8bit,group=64": 8.375, "rtn-4bit,group=64": 4.3125},
        "svd": {"dense": 16, "svd-rank0.9": 16, "svd-rank0.5": 16, "svd-rank0.25": 8},
    }
    for name, at in expected.items():
        own = points(drawing, 0, series=name)
        assert [mark.x for mark in own] == pytest.approx(list(at.values()))
        assert [mark.y for mark in own] == pytest.approx([score_of(table, tag, COLUMNS[view]) for tag in at])
    assert len({points(drawing, 0, series=name)[0].line for name in expected}) == 4
    assert len({points(drawing, 0, series=name)[1].marker for name in expected}) == 4


def test_pruning_is_warm_and_bits_and_ranks_have_ramps_of_their_own():
    colors = {mark.color.partition("-")[0] for mark in points(budget.marks(one(), "x", "retention"), 0)}
    assert colors == {"ink", "pruned", "bits", "rank"}


def test_each_number_format_is_a_point_with_its_name_and_no_line():
    table = one(methods=(), compressions=("rtn-4bit", "rtn-nvfp4", "rtn-mxfp4", "rtn-fp8"))
    drawing = budget.marks(table, "x", "retention")
    for name, bits in (("rtn nvfp4", 4.5), ("rtn mxfp4", 4.25), ("rtn fp8", 8), ("rtn", 4.15625)):
        (own,) = points(drawing, 0, series=name)
        assert (own.x, own.shift) == (pytest.approx(bits), 0)
    lines = {key.label: key.line for keys in drawing.keys for key in keys}
    assert {lines[name] for name in ("RTN", "RTN FP8", "RTN NVFP4", "RTN MXFP4")} == {""}
    assert {"RTN", "RTN FP8", "RTN NVFP4", "RTN MXFP4"} <= set(legend(drawing))
    colors = {mark.color for mark in points(drawing, 0, series="rtn nvfp4")}
    assert colors == {"bits-4.5"}


def test_only_series_that_share_a_position_are_moved_apart():
    """A shift on an axis of bits looks like other bits."""
    table = one(levels=(0.3, 0.6), compressions=("rtn-3bit", "rtn-4bit", "gptq-3bit", "gptq-4bit"))
    drawing = budget.marks(table, "x", "retention")
    shifts = {name: {mark.shift for mark in points(drawing, 0, series=name)[1:]} for name in ("magnitude", "rtn")}
    assert shifts["magnitude"] == {0}
    assert shifts["rtn"] == {-mark.shift for mark in points(drawing, 0, series="gptq")[1:]} != {0}


def test_the_axis_falls_from_dense_and_halves_in_equal_steps():
    drawing = budget.marks(one(), "x", "retention")
    left, right = drawing.panels[0].x.limits
    assert left > 16 > 3 > right > 0
    ax = render.draw(drawing).axes[0]
    at = {bits: ax.transData.transform((bits, 0.5))[0] for bits in (16, 8, 4)}
    assert at[8] - at[16] == pytest.approx(at[4] - at[8])
    assert at[8] > at[16]
    assert {"16", "8", "4", "3"} <= {text for _, text in drawing.panels[0].x.ticks}
    assert "bits per weight" in drawing.panels[0].x.label


def test_collapsed_is_the_share_of_the_seeds():
    table = one().with_columns(collapsed=pl.when(pl.col("compression") == "rtn-3bit").then(2).otherwise(0))
    drawing = budget.marks(table, "x", "retention")
    assert [mark.x for mark in points(drawing, 0) if mark.collapsed] == pytest.approx([3.1484375])
    assert {mark.collapsed for mark in points(drawing, 0)} == {0, 2 / 3}
    assert "half: some runs collapsed" in legend(drawing)


def test_legend_and_caption_name_all_that_is_drawn():
    drawing = budget.marks(one(), "x", "retention")
    methods = {"smallest weights pruned (magnitude)", "RTN, groups of 128", "RTN, groups of 64", "SVD"}
    levels = {"30 % pruned", "60 % pruned", "8 bits", "4 bits", "3 bits", "rank 0.25"}
    assert methods | levels <= set(legend(drawing))
    for text in (
        "n = 400",
        "3 seeds",
        "95 % intervals",
        "Effective bits:",
        "dense: 16",
        "Baseline: chance",
        "30 to 60 %",
    ):
        assert text in drawing.caption


def test_what_is_not_on_the_axis_is_named():
    tags = ("band-0.1to0.2", "svd-rank0", "rtn-4bit")
    drawing = budget.marks(one(compressions=tags), "x", "retention")
    assert not [mark for mark in drawing.marks if "band" in mark.series or "svd" in mark.series]
    assert "bands of |w|" in drawing.caption
    assert "no weight is kept (0 bits): SVD rank 0." in drawing.caption


@pytest.mark.parametrize("tags", [(), ("band-0.1to0.2",), ("svd-rank0",)])
def test_nothing_to_draw_says_why(tags):
    with pytest.raises(UserError, match="nothing to draw against effective bits"):
        budget.marks(one(methods=(), compressions=tags), "x", "retention")


def test_each_model_has_its_panels_in_natural_order():
    drawing = budget.marks(pl.concat([one(model=model) for model in ("m10", "m9")]), "x", "retention")
    assert titles(drawing) == ["A, m9", "A, m10"]
    assert len({panel.y.limits for panel in drawing.panels}) == 1
