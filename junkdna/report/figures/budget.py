"""Drop against effective bits per weight: the one axis that pruning, quantization and low rank share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import BITS

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl

FIGURE = Figure(
    label="Drop against effective bits per weight",
    caption="Pruning, quantization and low rank on one axis: what a weight would take on disk, dense (16 bits) at the "
    "left, half as much at each step of the same width to the right. Color is the condition, the style of the line the "
    "method. Left: percent of the dense score, with what guessing keeps dotted. Right: the same cells with chance "
    "taken out. Bands are 95 % intervals. Points of different methods at one place cost the same number of bits on "
    "paper.",
    order=3,
    modes="none",
    levels=("bits", "rank"),
)


def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw the drop of every condition of `experiment` against effective bits per weight, without fine-tuning (see
    `curves.draw`)."""
    return curves.draw(drops, experiment, FIGURE.label, BITS)
