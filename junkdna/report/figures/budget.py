"""Drop against effective bits per weight: the one axis that pruning, quantization and low rank share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.figures import conditions, curves, series, style
from junkdna.report.figures.axes import BUDGET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEANING = (
    "Effective bits: what the weights in the scope of compression would take on disk, masks, scales, zero points and "
    "factors included (dense: 16); a count on paper, no speed follows from it."
)


@style.styled
def draw(drops: pl.DataFrame, experiment: str) -> Figure:
    """Draw the drop of every condition of `experiment` against effective bits per weight, without fine-tuning.

    See `curves.draw`; the axis is logarithmic and falls from dense (16) at the left (`axes.BUDGET`). Bands of |w| are
    left out: they differ in place and hardly in bits. So are compressions that keep nothing: 0 has no place on the
    axis. Both are named. Raises UserError when nothing else is compressed.
    """
    rows, remarks = select(drops, experiment)
    title, looks = f"Drop against effective bits per weight: {experiment}", conditions.looks(drops, experiment)
    return curves.draw(rows, looks, BUDGET, title, [MEANING, *remarks])


def select(drops: pl.DataFrame, experiment: str) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that have a place on the axis, and remarks on those that have none."""
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    bands = [line for line in series.present(rows) if line.kind == "band"]
    some = pl.col("effective_bits_per_weight") > 0
    placed = series.with_dense(rows, set(series.present(rows)) - set(bands)).filter(some)
    if not series.present(placed):
        raise UserError(
            f"experiment {experiment!r}: nothing to draw against effective bits, because without fine-tuning nothing "
            f"of it is compressed to more than 0 bits. Give the experiment transfer: [none] and compressions."
        )
    remarks = ["Not here: bands of |w|, which have a figure of their own."] if bands else []
    nothing = sorted({series.compression(tag) for tag in rows.filter(~some)["compression"]})
    remarks += [f"Not here, as nothing is kept (0 bits): {'; '.join(nothing)}."] if nothing else []
    return placed, remarks
