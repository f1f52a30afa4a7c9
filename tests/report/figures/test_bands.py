import polars as pl
import pytest
from figure_pages import footer, lines, outside
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report.figures import bands

TENTHS = tuple(f"band-{low / 10:g}to{(low + 1) / 10:g}" for low in range(1, 9))


def table(labels: str = "A", **more) -> pl.DataFrame:
    settings = {"experiment": "x", "levels": (0.1, 0.5), "methods": ("magnitude", "largest", "random")} | more
    tags = {"compressions": TENTHS} | settings
    return drops_table([Condition(name, "", name, 0.25, 0.8, 0.5, **tags) for name in labels])


@pytest.mark.parametrize(("panel", "column"), [(0, "relative_score"), (1, "retention")])
def test_a_bar_lies_over_the_weights_that_were_pruned(panel, column):
    drops = table()
    found = lines(bands.draw(drops, "x").axes[panel])
    spans = {tag: [10 * at, 10 * at + 10] for at, tag in enumerate(TENTHS, 1)}
    spans |= {"magnitude-0.1": [0, 10], "largest-0.1": [90, 100]}
    assert {label for label in found if label.count("|") == 1 and "chance" not in label} == {f"A|{t}" for t in spans}
    for tag, span in spans.items():
        row = drops.filter(pl.col("compression") == tag).row(0, named=True)
        assert list(found[f"A|{tag}"].get_xdata()) == pytest.approx(span)
        assert list(found[f"A|{tag}"].get_ydata()) == pytest.approx([row[column]] * 2)
        assert list(found[f"A|{tag}|bar"].get_ydata()) == pytest.approx([row[f"{column}_low"], row[f"{column}_high"]])


def test_other_widths_and_methods_are_left_out():
    fig = bands.draw(table(), "x")
    assert not [label for label in lines(fig.axes[0]) if "magnitude-0.5" in label or "random" in label]
    assert "Not shown: random weights pruned." in footer(fig)
    assert "smallest weights pruned (magnitude)" in footer(fig)


def test_bands_alone_and_two_conditions_fit_the_page():
    fig = bands.draw(table("AB", methods=()), "x")
    assert "Drawn as" not in footer(fig)
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {"A", "B"}
    assert outside(fig) == []


def test_bands_with_other_options_are_not_drawn_over_them():
    fig = bands.draw(table(compressions=(*TENTHS, "band-0.1to0.2,embeddings=true")), "x")
    assert not [label for label in lines(fig.axes[0]) if "embeddings" in label]
    assert "with embeddings" in footer(fig)


def test_no_band_is_a_users_error():
    with pytest.raises(UserError, match="no figure of bands"):
        bands.draw(table(compressions=()), "x")
