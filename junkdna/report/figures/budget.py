"""Retention, percent of dense and score against effective bits per weight, for pruning, quantization and low rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves
from junkdna.report.plotting.axes import BITS

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.plotting.drawing import Drawing

FIGURE = Figure(
    label="Retention against effective bits per weight",
    caption="Pruning, quantization and low rank on one axis: the storage that a weight would need, on a log "
    "scale from dense (16 bits, left) to the strongest compression (right). One panel per condition, from easy to "
    "hard for the dense model. Marker and line show the method, color the level: warm for pruning, blue for bits, "
    "green for ranks. Bars are 95 % intervals. Points at the same x need the same nominal storage.",
    order=3,
    modes="none",
    levels=("bits", "format", "rank", "external"),
    views=("retention", "percent", "score"),
)


def marks(drops: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """`experiment` without fine-tuning against effective bits per weight (see `curves.drawing`)."""
    return curves.drawing(drops, experiment, BITS, view)
