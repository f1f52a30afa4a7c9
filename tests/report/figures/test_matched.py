import polars as pl
import pytest
from figure_pages import of_kind, points
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report.figures import matched


def table(**more) -> pl.DataFrame:
    settings = {
        "experiment": "x",
        "levels": (0.3, 0.6),
        "methods": ("magnitude", "random"),
        "compressions": ("rtn-3bit",),
    } | more
    return drops_table(
        [Condition("a", f"options={n}", f"{n}", 1 / n, d, 0.5, **settings) for n, d in ((2, 0.9), (3, 0.7), (4, 0.5))]
    )


def test_extra_loss_of_the_hardest_over_the_easiest_by_hand():
    rows = table()
    drawing = matched.marks(rows, "x")
    hard = rows.filter(knobs="options=4", compression="magnitude-0.6")["retention"][0]
    easy = rows.filter(knobs="options=2", compression="magnitude-0.6")["retention"][0]
    found = points(drawing, 0, series="magnitude")[1]
    assert found.x == pytest.approx(1 - (hard + easy) / 2)
    assert found.y == pytest.approx(easy - hard)
    assert found.color == "pruned-60"
    assert drawing.panels[0].title == "4 minus 2"
    assert {mark.series for mark in points(drawing, 0)} == {"magnitude", "random", "rtn"}
    assert [mark.y for mark in of_kind(drawing, 0, "rule")] == [0.0]


def test_one_condition_with_a_retention_is_a_message_and_none_compressed_an_error():
    rows = table().with_columns(retention=pl.when(pl.col("knobs") == "options=2").then("retention"))
    assert "fewer than two" in matched.marks(rows, "x").panels[0].message
    with pytest.raises(UserError, match="nothing is compressed"):
        matched.marks(table().filter(pl.col("method") == "dense"), "x")
