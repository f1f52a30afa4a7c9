"""Drop against sparsity: two views of one experiment (percent of dense, chance-corrected retention)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import SPARSITY

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl

FIGURE = Figure(
    label="Drop against sparsity",
    caption="Left: percent of the dense score, the usual view; the dotted line in a condition's color is what guessing "
    "keeps. Right: the same cells with chance taken out, where tasks with different baselines can be compared. Bands "
    "are 95 % intervals; open markers are levels at which a seed predicts one class only.",
    order=2,
    modes="none",
    levels=("sparsity", "keep_of"),
)


def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw the drop of every condition of `experiment` against sparsity, without fine-tuning (see `curves.draw`)."""
    return curves.draw(drops, experiment, FIGURE.label, SPARSITY)
