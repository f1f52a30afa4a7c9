import polars as pl
import pytest
from figure_pages import points
from figure_tables import Condition, drops_table
from other_tables import layers as layers_of

from junkdna.report.figures import layers


def table(levels=(0.3, 0.6), **more) -> pl.DataFrame:
    return layers_of(drops_table([Condition("a", "", "A", 0.3, 0.8, 0.5, "x", levels=levels, **more)]))


def test_a_line_per_level_through_the_blocks_of_each_kind():
    rows = table()
    drawing = layers.marks(rows, "errors")
    assert [panel.title for panel in drawing.panels] == ["attention.query", "output.dense"]
    for at, panel in enumerate(drawing.panels):
        for tag, color in (("magnitude-0.3", "pruned-30"), ("magnitude-0.6", "pruned-60")):
            own = points(drawing, at, series=f"{tag} weight_error")
            wanted = rows.filter(pl.col("kind") == panel.title, pl.col("compression") == tag)
            assert [(mark.x, mark.y) for mark in own] == wanted.select("block", "weight_error").rows()
            assert {mark.color for mark in own} == {color}
    assert "outside the blocks: head" in drawing.caption


def test_output_errors_are_dashed_and_only_where_they_are_known():
    drawing = layers.marks(table(compressions=("rtn-4bit",)), "errors")
    dashed = [mark for mark in drawing.marks if mark.series.endswith("output_error")]
    assert {mark.series for mark in dashed} == {"rtn-4bit output_error"}
    assert {mark.line for mark in dashed} == {"4 2"}
    assert [key.label for key in drawing.keys[1]] == ["weight error", "output error"]


def test_the_sparsity_of_what_prunes():
    drawing = layers.marks(table(compressions=("rtn-4bit",)), "sparsity")
    assert [mark.y for mark in points(drawing, 0)] == pytest.approx([30, 32, 34, 60, 62, 64])
    assert not any("rtn" in mark.series for mark in drawing.marks)


def test_methods_that_prune_all_matrices_alike_are_named_and_not_drawn():
    drawing = layers.marks(table(methods=("magnitude", "random")).with_columns(sparsity=0.3), "sparsity")
    assert "every matrix gets the same sparsity: random" in drawing.caption.replace(
        "smallest weights pruned (magnitude); ", ""
    )
    assert "same sparsity" in drawing.panels[0].message


def test_seeds_are_averaged():
    rows = table(levels=(0.5,), methods=("random",))
    seeds = [pl.lit(seed, pl.Int64).alias("seed") for seed in (0, 1)]
    both = pl.concat([rows.with_columns(seeds[0]), rows.with_columns(pl.col("weight_error") + 0.1, seeds[1])])
    drawing = layers.marks(both, "errors")
    assert [mark.y for mark in points(drawing, 0)] == pytest.approx(
        [value + 0.05 for value in rows.filter(kind="attention.query")["weight_error"]]
    )
    assert "Means over up to 2 seeds" in drawing.caption


def test_nothing_compressed_is_a_message():
    drawing = layers.marks(table().clear(), "sparsity")
    assert "pruned" in drawing.panels[0].message
    assert not drawing.marks


def test_levels_that_are_left_out_are_named():
    every = [level / 10 for level in range(1, 10)]
    assert "Levels not drawn: 10 %, 20 %, 40 %, 60 %, 80 %." in layers.marks(table(every), "errors").caption
    assert "Levels not drawn" not in layers.marks(table(every[:3]), "errors").caption
