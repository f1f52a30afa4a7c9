import pytest
from figure_pages import points
from figure_tables import Condition, drops_table

from junkdna.report.figures import rank


def test_ranks_fall_from_dense():
    tags = ("svd-rank0.25", "svd-rank0.9", "svd-rank0.5", "rtn-4bit")
    table = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "x", methods=(), compressions=tags)])
    drawing = rank.marks(table, "x", "retention")
    own = points(drawing, 0, series="svd")
    assert [mark.x for mark in own] == [1, 0.9, 0.5, 0.25]
    expected = [table.filter(compression=tag)["retention"][0] for tag in ("dense", *tags[1:3], tags[0])]
    assert [mark.y for mark in own] == pytest.approx(expected)
    assert [mark.color for mark in own] == ["ink", "rank-0.9", "rank-0.5", "rank-0.25"]
    left, right = drawing.panels[0].x.limits
    assert left > 1 > 0.25 > right > 0
    assert "they have no rank: RTN." in drawing.caption
