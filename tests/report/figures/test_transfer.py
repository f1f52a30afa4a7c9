import polars as pl
import pytest
from figure_pages import legend, of_kind, points, titles
from figure_tables import Condition, drops_table, study

from junkdna.errors import UserError
from junkdna.report.figures import transfer

MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")


def tuned(**more) -> Condition:
    settings = {"experiment": "modes", "transfers": MODES, "levels": (0.3, 0.6)} | more
    return Condition("a", "", "Alone", 0.5, 0.9, 0.5, **settings)


def test_lines_seeds_and_baselines_hold_the_tables_numbers():
    table = drops_table([tuned()])
    drawing = transfer.marks(table, "modes", "score")
    dense = table.filter(pl.col("transfer") == "dense").row(0, named=True)
    for mode in MODES[1:]:
        own = table.filter(pl.col("transfer") == mode).sort("sparsity")
        found = points(drawing, 0, series=mode)
        assert [mark.x for mark in found] == pytest.approx([0, 30, 60])
        assert [mark.y for mark in found] == pytest.approx([dense["score"], *own["score"]])
        assert [mark.low for mark in found] == [None, *own["score_low"]]
        assert [mark.color for mark in found] == ["ink", "pruned-30", "pruned-60"]
        assert found[0].marker == ""
    (start,) = points(drawing, 0, series="dense")
    assert (start.low, start.high) == (dense["score_low"], dense["score_high"])
    places = {mark.series: mark.y for mark in of_kind(drawing, 0, "rule")}
    assert places == {"dense": dense["score"], "baseline": 0.5}
    dots = sorted(mark.y for mark in of_kind(drawing, 0, "run"))
    assert dots == pytest.approx(sorted(table["score_seeds"].explode().to_list()))


def test_modes_have_the_marker_and_line_of_the_key():
    drawing = transfer.marks(drops_table([tuned()]), "modes", "score")
    keys = {key.label: (key.marker, key.line) for keys in drawing.keys for key in keys}
    found = {mode: points(drawing, 0, series=mode)[1] for mode in MODES[1:]}
    assert len({mark.marker for mark in found.values()}) == len({mark.line for mark in found.values()}) == 3
    assert (found["sparse"].marker, found["sparse"].line) == keys["sparse (mask fixed)"] == ("diamond", "solid")


def test_a_panel_for_each_condition_from_easy_to_hard():
    drops = drops_table(study())
    drawing = transfer.marks(drops, "modes", "retention")
    hard = [drops.filter(label=title)["difficulty"][0] for title in titles(drawing)]
    assert sorted(titles(drawing)) == ["MNLI", "QNLI", "RTE", "SST-2"]
    assert hard == sorted(hard)


def test_collapsed_is_marked():
    table = drops_table([tuned()]).with_columns(collapsed=pl.when(pl.col("sparsity") > 0.5).then(3).otherwise(0))
    found = points(transfer.marks(table, "modes", "score"), 0, series="sparse")
    assert [mark.collapsed for mark in found] == [0, 0, 1]


def test_chance_is_a_rule_of_its_own_where_the_baseline_is_majority():
    table = drops_table([tuned()]).with_columns(baseline=pl.lit("majority"))
    drawing = transfer.marks(table, "modes", "score")
    places = {mark.series: (mark.y, mark.line) for mark in of_kind(drawing, 0, "rule")}
    assert places["baseline"] == (pytest.approx(0.53), "dashed")
    assert places["chance"] == (0.5, "dotted")
    low, high = drawing.panels[0].y.limits
    assert low < 0.5 < high
    assert "chance" in legend(drawing)
    assert "majority" in drawing.caption
    assert "chance" not in {mark.series for mark in transfer.marks(table, "modes", "retention").marks}


@pytest.mark.parametrize(("transfers", "words"), [(("none",), "no fine-tuned row"), (("dense",), "compressed")])
def test_nothing_to_draw_says_why(transfers, words):
    with pytest.raises(UserError, match=words):
        transfer.marks(drops_table([tuned(transfers=transfers)]), "modes", "score")


def test_several_metrics_have_their_own_labels_and_limits():
    few = {"experiment": "modes", "transfers": MODES, "levels": (0.3, 0.6)}
    cola = Condition("cola", "", "CoLA", 0.0, 0.1, 0.3, metric="matthews", n_examples=150, **few)
    table = drops_table([cola, Condition("sst2", "", "SST-2", 0.5, 0.9, 0.5, **few)])
    drawing = transfer.marks(table, "modes", "score")
    at = titles(drawing).index("CoLA")
    assert drawing.panels[at].y.label == "Matthews correlation"
    assert drawing.panels[1 - at].y.label == "accuracy"
    assert "n = 150" in drawing.panels[at].title
    assert drawing.panels[at].y.limits[0] < min(table["score"]) < 0
    assert drawing.panels[1 - at].y.limits[0] > 0


def test_methods_without_sparsity_put_all_on_the_axis_of_bits_in_panels_of_their_own():
    tags = ("rtn-4bit", "rtn-3bit", "band-0.1to0.3")
    table = drops_table([tuned(transfers=("dense", "sparse_to_dense"), compressions=tags)])
    drawing = transfer.marks(table, "modes", "score")
    assert titles(drawing) == ["Alone, smallest weights pruned (magnitude)", "Alone, RTN"]
    assert "effective bits" in drawing.panels[0].x.label
    bits = points(drawing, 1, series="sparse_to_dense")
    assert [mark.x for mark in bits] == pytest.approx([16, 4 + 20 / 128, 3 + 19 / 128])
    assert [mark.x for mark in points(drawing, 0, series="sparse_to_dense")] == pytest.approx([16, 12.2, 7.4])
    own = [table.filter(pl.col("compression") == tag)["score"][0] for tag in tags[:2]]
    assert [mark.y for mark in bits[1:]] == pytest.approx(own)
    assert "Not shown: band 10 to 30 %." in drawing.caption


def test_recovery_lengths_are_conditions_of_their_own():
    table = drops_table([tuned(protocol=name) for name in ("short", "short-x3")])
    assert len(titles(transfer.marks(table, "modes", "score"))) == 2
