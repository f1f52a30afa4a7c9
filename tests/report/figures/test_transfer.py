import itertools

import polars as pl
import pytest
from figure_pages import footer, legend, lines, outside
from figure_tables import Condition, drops_table, study

from junkdna.errors import UserError
from junkdna.report.figures import transfer

MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")


def tuned(**more) -> Condition:
    settings = {"experiment": "modes", "transfers": MODES, "levels": (0.3, 0.6)} | more
    return Condition("a", "", "Alone", 0.5, 0.9, 0.5, **settings)


def test_lines_seeds_and_baselines_hold_the_tables_numbers():
    table = drops_table([tuned()])
    ax = transfer.draw(table, "modes").axes[0]
    found = lines(ax)
    for mode in MODES[1:]:
        own = table.filter(pl.col("transfer") == mode).sort("sparsity")
        assert list(found[f"{mode}|magnitude"].get_xdata()) == pytest.approx([30, 60])
        assert list(found[f"{mode}|magnitude"].get_ydata()) == pytest.approx(own["score"].to_list())
    dense = table.filter(pl.col("transfer") == "dense")
    assert found["dense"].get_ydata()[0] == pytest.approx(dense["score"][0])
    assert found["chance"].get_ydata()[0] == 0.5
    assert found["majority"].get_ydata()[0] == pytest.approx(table["majority"][0])
    dots = sorted(y for line in ax.get_lines() if line.get_label() == "seeds" for y in line.get_ydata())
    assert dots == pytest.approx(sorted(table["score_seeds"].explode().to_list()))


def test_dense_band_is_its_interval():
    table = drops_table([tuned()])
    dense = table.filter(pl.col("transfer") == "dense")
    band = transfer.draw(table, "modes").axes[0].patches[0]
    assert band.get_y() == pytest.approx(dense["score_low"][0])
    assert band.get_y() + band.get_height() == pytest.approx(dense["score_high"][0])


def test_a_panel_for_each_condition():
    fig = transfer.draw(drops_table(study()), "modes")
    titles = [ax.get_title(loc="left").split("\n")[0] for ax in fig.axes if ax.get_visible()]
    assert titles == ["MNLI", "QNLI", "RTE", "SST-2"]


def test_one_level_shows_its_interval_as_a_bar():
    table = drops_table([tuned(levels=(0.5,), transfers=("dense", "sparse"))])
    bar = lines(transfer.draw(table, "modes").axes[0])["sparse|magnitude|bar"]
    own = table.filter(pl.col("transfer") == "sparse")
    assert list(bar.get_ydata()) == pytest.approx([own["score_low"][0], own["score_high"][0]])


def test_collapsed_is_open():
    table = drops_table([tuned()]).with_columns(collapsed=pl.when(pl.col("sparsity") > 0.5).then(1).otherwise(0))
    mark = lines(transfer.draw(table, "modes").axes[0])["sparse|magnitude|collapsed"]
    assert mark.get_markerfacecolor() == "white"
    assert list(mark.get_xdata()) == pytest.approx([60])


@pytest.mark.parametrize("majority", [0.5, 0.51, 0.49, 0.8, None])
def test_baselines_are_labeled_wherever_majority_is(majority):
    table = drops_table([tuned()]).with_columns(majority=pl.lit(majority, dtype=pl.Float64))
    ax = transfer.draw(table, "modes").axes[0]
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == (1 if majority in (0.5, None) else 2)
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize(("transfers", "words"), [(("none",), "no fine-tuned row"), (("dense",), "compressed")])
def test_nothing_to_draw_says_why(transfers, words):
    with pytest.raises(UserError, match=words):
        transfer.draw(drops_table([tuned(transfers=transfers)]), "modes")


def test_several_metrics_are_named_above_their_panels():
    few = {"experiment": "modes", "transfers": MODES, "levels": (0.3, 0.6)}
    cola = Condition("cola", "", "CoLA", 0.0, 0.1, 0.3, metric="matthews", n_examples=150, **few)
    table = drops_table([cola, Condition("sst2", "", "SST-2", 0.5, 0.9, 0.5, **few)])
    fig = transfer.draw(table, "modes")
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["CoLA\nMatthews, n = 150", "SST-2\naccuracy, n = 400"]
    assert fig.axes[0].get_ylabel() == "score"
    assert fig.axes[0].get_ylim()[0] < min(table["score_low"]) < 0
    assert outside(fig) == []


def test_methods_without_sparsity_put_all_on_the_axis_of_bits():
    tags = ("rtn-4bit", "rtn-3bit", "band-0.1to0.3")
    table = drops_table([tuned(transfers=("dense", "sparse_to_dense"), compressions=tags)])
    fig = transfer.draw(table, "modes")
    ax, found = fig.axes[0], lines(fig.axes[0])
    assert "effective bits" in ax.get_xlabel()
    assert list(found["sparse_to_dense|rtn"].get_xdata()) == pytest.approx([4 + 20 / 128, 3 + 19 / 128])
    assert list(found["sparse_to_dense|magnitude"].get_xdata()) == pytest.approx([1 + 16 * 0.7, 1 + 16 * 0.4])
    own = [table.filter(pl.col("compression") == tag)["score"][0] for tag in tags[:2]]
    assert list(found["sparse_to_dense|rtn"].get_ydata()) == pytest.approx(own)
    assert "Not shown: band 10 to 30 %." in footer(fig)
    assert {"RTN", "smallest weights pruned (magnitude)"} <= set(legend(fig))
    assert outside(fig) == []
