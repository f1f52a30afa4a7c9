"""Drop against sparsity: one experiment, two views of it (percent of dense, chance-corrected retention)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.figures import conditions, curves, series, style
from junkdna.report.figures.axes import SPARSITY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def draw(drops: pl.DataFrame, experiment: str) -> Figure:
    """Draw the drop of every condition of `experiment` against sparsity, without fine-tuning (see `curves.draw`).

    Compressions without a sparsity (bits, rank) and bands of |w|, which differ in place and not in sparsity, are left
    out and named. Raises UserError when the experiment has nothing that stands on a sparsity axis.
    """
    rows, left_out = select(drops, experiment)
    title, looks = f"Drop against sparsity: {experiment}", conditions.looks(drops, experiment)
    return curves.draw(rows, looks, SPARSITY, title, _remarks(left_out))


def select(drops: pl.DataFrame, experiment: str) -> tuple[pl.DataFrame, list[series.Line]]:
    """Rows of `experiment` without fine-tuning that have a place on a sparsity axis, and the lines that have none."""
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    pruned = [line for line in present if line.kind in series.PRUNING]
    left_out = [line for line in present if line not in pruned]
    if not pruned:
        has = f"only {', '.join(series.names(left_out).values())}" if left_out else "only dense rows"
        raise UserError(
            f"experiment {experiment!r}: nothing to draw against sparsity, because without fine-tuning it has {has}. "
            f"Give the experiment transfer: [none] and a compression that prunes (for example magnitude at 0.5)."
        )
    return series.with_dense(rows, pruned), left_out


def _remarks(left_out: list[series.Line]) -> list[str]:
    named = series.names(left_out)
    plain = [named[line] for line in left_out if line.kind in series.PLAIN]
    remarks = [f"Not here but on the axis of effective bits, having no sparsity: {'; '.join(plain)}."] if plain else []
    if any(line.kind == "band" for line in left_out):
        remarks.append("Not here: bands of |w|, which have a figure of their own.")
    return remarks
