import polars as pl
import pytest
from figure_pages import legend, points, titles
from figure_tables import Condition, drops_table
from other_tables import tables

from junkdna.errors import UserError
from junkdna.report.figures import behavior


def table(**more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.3, 0.6)} | more
    return tables(
        drops_table([Condition(t, "", t.upper(), 0.25, d, 0.5, **settings) for t, d in (("b", 0.5), ("a", 0.9))])
    )["behavior"]


def test_both_directions_of_flips_are_curves_in_percent_from_nothing_at_dense():
    rows = table()
    drawing = behavior.marks(rows, "x", "flips")
    assert titles(drawing)[0].startswith("A")
    own = rows.filter(task="a").sort("sparsity")
    for column in ("broken", "fixed"):
        found = points(drawing, 0, series=column)
        assert [mark.x for mark in found] == pytest.approx([0, 30, 60])
        assert [mark.y for mark in found] == pytest.approx([0, *(100 * own[column])])
        assert [mark.low for mark in found[1:]] == pytest.approx((100 * own[f"{column}_low"]).to_list())
        assert [mark.color for mark in found[1:]] == ["pruned-30", "pruned-60"]
    assert {"broke", "were fixed"} <= set(legend(drawing))
    assert drawing.panels[0].y.label == "answers, % of examples"


def test_divergence_is_in_nats():
    rows = table()
    drawing = behavior.marks(rows, "x", "kl")
    own = rows.filter(task="a").sort("sparsity")
    assert [mark.y for mark in points(drawing, 0)] == pytest.approx([0, *own["kl_divergence"]])
    assert drawing.panels[0].y.label == "KL divergence, nats"


def test_bits_have_an_axis_of_their_own():
    drawing = behavior.marks(table(compressions=("rtn-8bit", "rtn-3bit")), "x", "flips")
    assert titles(drawing) == ["A, pruned", "A, quantized", "B, pruned", "B, quantized"]
    axis = drawing.panels[1].x
    assert axis.label == "bits per weight"
    assert [text for _, text in axis.ticks] == ["8", "3"]
    assert [mark.color for mark in points(drawing, 1, series="broken rtn")] == ["bits-8", "bits-3"]


def test_methods_share_a_panel_and_differ_by_marker():
    rows = table(methods=("magnitude", "random"))
    drawing = behavior.marks(rows, "x", "flips")
    assert titles(drawing) == ["A", "B"]
    found = {name: points(drawing, 0, series=f"broken {name}") for name in ("magnitude", "random")}
    for name, marks in found.items():
        expected = rows.filter(task="a", method=name).sort("sparsity")["broken"]
        assert [mark.y for mark in marks] == pytest.approx([0, *(100 * expected)])
    assert [marks[1].marker for marks in found.values()] == ["circle", "triangle"]
    assert found["magnitude"][1].shift == -found["random"][1].shift != 0
    assert {"smallest weights pruned (magnitude)", "random weights pruned"} <= set(legend(drawing))


def test_number_formats_are_places_on_the_axis_of_bits():
    drawing = behavior.marks(table(levels=(), compressions=("rtn-nf4", "rtn-fp8", "rtn-4bit")), "x", "kl")
    axis = drawing.panels[0].x
    assert axis.label == "bits per weight, or number format"
    assert [text for _, text in axis.ticks] == ["4", "FP8", "NF4"]
    assert {mark.series: mark.x for mark in points(drawing, 0)} == {
        "kl_divergence rtn": 0, "kl_divergence rtn fp8": 1, "kl_divergence rtn nf4": 2,
    }  # fmt: skip


def test_the_caption_says_the_baseline_and_the_range_of_levels():
    caption = behavior.marks(table(compressions=("rtn-8bit", "rtn-3bit", "svd-rank0.5")), "x", "flips").caption
    for part in ("Baseline: the dense model", "n = 400 examples", "Sparsity: 30 to 60 %.", "Bits: 3 to 8.", "0.5."):
        assert part in caption


def test_modes_have_panels_with_their_markers():
    drawing = behavior.marks(table(transfers=("dense", "sparse", "sparse_to_dense")), "x", "flips")
    assert [name.split(", ", 1)[1] for name in titles(drawing)[:2]] == [
        "sparse (mask fixed)",
        "sparse to dense (mask released)",
    ]
    assert points(drawing, 0)[1].marker == "diamond"


def test_an_undefined_number_is_a_gap_and_two_seeds_have_no_interval():
    rows = table(n_seeds=2).with_columns(broken=pl.when(pl.col("sparsity") == 0.3).then(None).otherwise("broken"))
    drawing = behavior.marks(rows, "x", "flips")
    assert [mark.x for mark in points(drawing, 0, series="broken")] == pytest.approx([0, 60])
    assert {mark.low for mark in points(drawing, 0)} == {None}
    assert "two seeds" in drawing.caption
    assert "Bars" not in drawing.caption


def test_nothing_compressed_says_so():
    with pytest.raises(UserError, match="nothing is compressed"):
        behavior.marks(table(), "other", "flips")
