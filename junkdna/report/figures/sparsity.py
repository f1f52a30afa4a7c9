"""Relative score and chance-corrected retention against sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import SPARSITY

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl

FIGURE = Figure(
    label="Relative score and retention vs. sparsity",
    caption="Left: relative score; the dotted line in a condition's color is the relative score of guessing. Right: "
    "chance-corrected retention of the same cells, which is comparable between tasks with different chance levels. "
    "Bands are 95 % intervals. Open markers: at least one seed predicts the same class for every example.",
    order=2,
    modes="none",
    levels=("sparsity", "keep_of"),
)


def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw `experiment` without fine-tuning against sparsity (see `curves.draw`)."""
    return curves.draw(drops, experiment, FIGURE.label, SPARSITY)
