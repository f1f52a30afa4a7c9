"""Differences without limits are said to be so: in the answer, the terminal, the page and the figures."""

from dataclasses import replace

import polars as pl
import pytest

from junkdna.analysis.compared_columns import COMPARED
from junkdna.cli import compare as command
from junkdna.compare import page_text
from junkdna.compare.page import drawings, page_html

LIMITS = [column.name for column in COMPARED["differences"].columns if column.name.endswith(("_low", "_high"))]
NOTHING = pl.lit(None, pl.Float64)


def without_limits(found, chosen: pl.Expr, names: list[str] = LIMITS):
    """The comparison with differing drops, without limits in the chosen rows."""
    planted = {"drop_difference": 0.1, "drop_difference_low": 0.05, "drop_difference_high": 0.2}
    has_drop = pl.col("drop_difference").is_not_null()
    table = found.differences.with_columns(
        pl.when(has_drop).then(value).otherwise(None).alias(name) for name, value in planted.items()
    )
    table = table.with_columns(pl.when(chosen).then(NOTHING).otherwise(pl.col(name)).alias(name) for name in names)
    return replace(found, tables={**found.tables, "differences": table})


@pytest.fixture
def same(first, compare):
    return compare(first, first)


STRONG = pl.col("compression_a") == "magnitude-0.6"


def test_pairs_without_limits_are_not_counted_as_tested(same) -> None:
    total = same.compressed.height
    bounded = page_text.answer(without_limits(same, pl.lit(False)))
    assert bounded.startswith(f"B loses more in {total} and less in none of {total} pairs")
    assert "unbounded" not in bounded
    some = page_text.answer(without_limits(same, STRONG))
    assert f"of {total - 1} pairs" in some
    assert some.endswith("The interval of one pair is unbounded.")
    assert page_text.answer(without_limits(same, pl.lit(True))) == (
        f"Whether A and B differ is open: the intervals of {'three' if total == 3 else total} pairs are unbounded."
    )


@pytest.mark.parametrize(
    ("bounded", "words"), [(0, "open: the intervals of two"), (1, "B loses more: the interval of B")]
)
def test_few_pairs_are_said_in_words(same, bounded: int, words: str) -> None:
    """Of two pairs, none or one has limits."""
    table = same.differences.filter(pl.col("compression_a").is_in(["dense", "magnitude-0.6", "magnitude-0.3"]))
    found = replace(same, tables={**same.tables, "differences": table})
    assert "Both pairs are paired" in " ".join(page_text.trust(found))
    found = without_limits(found, pl.lit(True) if not bounded else STRONG)
    assert words in page_text.answer(found)


def test_one_limit_is_enough_to_exclude_zero(same) -> None:
    found = without_limits(same, pl.lit(True), ["drop_difference_high"])
    assert page_text.tally(found) == (same.compressed.height, 0, same.compressed.height, 0)
    assert "(at least 0.050)" in page_text.largest(found)


def test_terminal_page_and_figures_show_no_limit_that_does_not_exist(same, tmp_path) -> None:
    found = without_limits(same, pl.lit(True))
    lines = "\n".join(command._lines(found, tmp_path))
    assert lines.count("0.100 (unbounded)") >= same.compressed.height
    drawn = drawings(found)
    for drawing in drawn.values():
        points = [mark for mark in drawing.marks if mark.kind == "point"]
        assert points
        assert {(mark.low, mark.high) for mark in points} == {(None, None)}
    page = page_html(found, drawn, "junkdna compare A B", [])
    assert "+0.100 (unbounded)" in page
    for wrong in ("nan", "inf to", "None", "– to"):
        assert f"({wrong}" not in page
