import polars as pl
import pytest
from figure_pages import legend, of_kind, points, titles
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report.figures import bands

TENTHS = tuple(f"band-{low / 10:g}to{(low + 1) / 10:g}" for low in range(1, 9))
COLUMNS = {"retention": "retention", "percent": "relative_score", "score": "score"}


def table(labels: str = "A", **more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.1, 0.5), "methods": ("magnitude", "largest", "random")} | more
    tags = {"compressions": TENTHS} | settings
    return drops_table([Condition(name, "", name, 0.25, 0.8, 0.5, **tags) for name in labels])


@pytest.mark.parametrize("view", COLUMNS)
def test_a_bar_lies_over_the_weights_that_were_pruned(view):
    drops, column = table(), COLUMNS[view]
    drawing = bands.marks(drops, "x", view)
    expected = {tag: (10 * at, 10 * at + 10) for at, tag in enumerate(TENTHS, 1)}
    expected |= {"magnitude-0.1": (0, 10), "largest-0.1": (90, 100)}
    spans = {mark.series: mark for mark in of_kind(drawing, 0, "span")}
    assert set(spans) == set(expected)
    for tag, ends in expected.items():
        row = drops.filter(pl.col("compression") == tag).row(0, named=True)
        assert (spans[tag].low, spans[tag].high) == pytest.approx(ends)
        assert spans[tag].y == pytest.approx(row[column])
        (point,) = points(drawing, 0, series=tag)
        assert point.x == pytest.approx(sum(ends) / 2)
        assert (point.low, point.high) == pytest.approx((row[f"{column}_low"], row[f"{column}_high"]))
        assert point.color == "pruned-10"


def test_other_widths_and_methods_are_left_out():
    drawing = bands.marks(table(), "x", "retention")
    assert not [mark for mark in drawing.marks if "magnitude-0.5" in mark.series or "random" in mark.series]
    assert "Not shown: random weights pruned." in drawing.caption
    assert "smallest weights pruned (magnitude)" in drawing.caption


def test_bands_alone_have_a_panel_for_each_condition():
    drawing = bands.marks(table("AB", methods=()), "x", "retention")
    assert "Drawn as" not in drawing.caption
    assert sorted(titles(drawing)) == ["A", "B"]
    assert legend(drawing) == ["10 % pruned", "dense", "baseline"]


def test_bands_with_other_options_are_not_drawn_over_them():
    drawing = bands.marks(table(compressions=(*TENTHS, "band-0.1to0.2,embeddings=true")), "x", "retention")
    assert not [mark for mark in drawing.marks if "embeddings" in mark.series]
    assert "with embeddings" in drawing.caption


def test_no_band_is_a_users_error():
    with pytest.raises(UserError, match="no figure of bands"):
        bands.marks(table(compressions=()), "x", "retention")
