"""Relative score and retention against effective bits per weight, for pruning, quantization and low rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import BITS

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl

FIGURE = Figure(
    label="Relative score and retention vs. effective bits per weight",
    caption="Pruning, quantization and low rank on one axis: the storage that a weight would need, on a log scale from "
    "dense (16 bits, left) to the strongest compression (right). Color shows the condition, line style the method. "
    "Left: relative score; dotted lines show the relative score of guessing. Right: chance-corrected retention of the "
    "same cells. Bands are 95 % intervals. Points at the same x need the same nominal storage.",
    order=3,
    modes="none",
    levels=("bits", "rank", "external"),
)


def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw `experiment` without fine-tuning against effective bits per weight (see `curves.draw`)."""
    return curves.draw(drops, experiment, FIGURE.label, BITS)
