"""Retention, percent of dense and score against the rank of low-rank models (SVD)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, series
from junkdna.report.plotting.axes import RANK
from junkdna.study.cell import parse_compression

if TYPE_CHECKING:
    from junkdna.report.plotting.drawing import Drawing

FIGURE = Figure(
    label="Retention against rank",
    caption="Low-rank models (SVD): the share of the singular values of every matrix that is kept, on a log "
    "scale from all (left, dense) to few. One panel per condition, from easy to hard for the dense model. Color "
    "shows the rank. Dotted: the easiest condition again, for comparison. Bars are 95 % intervals; an arrow marks "
    "a bar that goes on.",
    order=3.2,
    modes="none",
    levels=("rank",),
    views=("retention", "percent", "score"),
)


def marks(drops: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """`experiment` without fine-tuning against the share of the rank (see `curves.drawing`); dense has all of it."""
    ranks = [_rank(tag) for tag in drops["compression"]]
    return curves.drawing(drops.with_columns(pl.Series("rank", ranks, dtype=pl.Float64)), experiment, RANK, view)


def _rank(tag: str) -> float | None:
    """The rank of a compression, as a share of the full one: 1 for dense, None for other compressions."""
    item = series.series_of(tag)
    if item is None:
        return 1.0
    return float(parse_compression(tag).value) if item.kind == "rank" else None
