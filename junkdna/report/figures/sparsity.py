"""Retention, percent of dense and score against sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import SPARSITY

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.plotting.drawing import Drawing

FIGURE = Figure(
    label="Retention against sparsity",
    caption="One panel per condition, from easy to hard for the dense model. Read down from the solid line (as "
    "good as dense) to the dashed one (baseline). Color shows the level, marker and line the method. Dotted: the "
    "easiest condition again, for comparison. Bars are 95 % intervals; an arrow marks a bar that goes on. Hollow "
    "markers: every run gives the same answer to all examples.",
    order=2,
    modes="none",
    levels=("sparsity", "keep_of"),
    views=("retention", "percent", "score"),
)


def marks(drops: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """`experiment` without fine-tuning against sparsity (see `curves.drawing`)."""
    return curves.drawing(drops, experiment, SPARSITY, view)
