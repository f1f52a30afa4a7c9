"""Retention after pruning bands of weights between two quantiles of |w|."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, views
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.drawing import Axis, Drawing, Mark
from junkdna.study.cell import parse_compression
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURE = Figure(
    label="Retention by band of pruned weights",
    caption="Each horizontal bar spans the weights that were pruned: those between two quantiles of |w|, from "
    "the smallest weights (left) to the largest (right). One panel per condition, from easy to hard for the dense "
    "model; the lower the bar, the more these weights mattered. Thin vertical lines are 95 % intervals. Bars of "
    "equal width prune the same number of weights, so they differ only in which weights they prune.",
    order=4,
    modes="none",
    levels=("band",),
    views=("retention", "percent", "score"),
)
ENDS = {"magnitude": lambda share: (0.0, share), "largest": lambda share: (1 - share, 1.0)}
QUANTILES = Axis(
    label="quantiles of |w| of the pruned weights, %",
    limits=(-3.0, 103.0),
    ticks=tuple((float(at), str(at)) for at in range(0, 101, 20)),
)


def marks(drops: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """A view of `experiment` for each band of |w|, one panel per model and condition, without fine-tuning.

    A horizontal bar spans the quantiles of the pruned weights; its interval is in the middle. Magnitude pruning is
    drawn as the first band and pruning the largest weights as the last, if they have the width of a band. No lines
    join the bars, because bands differ in position and not in amount. Raises UserError if the experiment has no band.
    """
    rows, omitted = select(drops, experiment)
    named = conditions(drops, experiment)
    groups = curves.split(rows, named)
    drawn = [mark for at, group in enumerate(groups.values()) for mark in _panel(at, group, view)]
    outer = [METHODS[name].caption for name in ENDS if name in set(rows["method"])]
    remarks = [f"Drawn as the first or last band: {'; '.join(outer)}."] if outer else []
    remarks += [f"Not shown: {'; '.join(omitted)}."] if omitted else []
    widths = {palette.level_color(tag): f"{100 * share:g} % pruned" for tag, share in rows.select(*WIDTH).rows()}
    keys = [curves.LegendKey(label=label, color=name, marker="circle") for name, label in sorted(widths.items())]
    return Drawing(
        title=f"{views.VIEWS[view].title} by band of pruned weights: {text.spaced(experiment)}",
        panels=curves.panels(groups, named, QUANTILES, view),
        marks=tuple(drawn),
        columns=curves.COLUMNS.get(len(groups), 3),
        keys=((*keys, *curves.other_keys(rows)),),
        caption=" ".join([text.facts(rows, "Vertical lines"), *remarks, *curves.hidden_remarks(rows, view, named)]),
    )


WIDTH = ("compression", "sparsity")


def select(drops: pl.DataFrame, experiment: str) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning to draw, and the labels of the compressions that are not drawn.

    Drawn are bands, and magnitude and largest pruning with the width of a band, all with the same, fewest options.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    bands = [item for item in present if item.kind == "band"]
    if not bands:
        raise UserError(
            f"experiment {experiment!r}: no figure of bands, because no cell without fine-tuning prunes a band. Add a "
            f"compression such as {{method: band, band: [[0.1, 0.2], [0.2, 0.3]]}}."
        )
    drawn = [item for item in present if item.method in ("band", *ENDS) and item.options == bands[0].options]
    rows = series.select(rows, drawn)
    widths = rows.filter(pl.col("method") == "band")["sparsity"].unique()
    omitted = [label for item, label in series.labels(present).items() if item not in drawn]
    return rows.filter(pl.col("sparsity").is_in(widths.implode())), omitted


def ends(row: dict) -> tuple[float, float]:
    """The lower and upper quantile of |w| between which a row's weights are pruned."""
    if row["method"] in ENDS:
        return ENDS[row["method"]](row["sparsity"])
    return parse_compression(row["compression"]).value


def _panel(at: int, rows: pl.DataFrame, view: str) -> Iterator[Mark]:
    yield from curves.references(at, rows, view)
    for row in rows.iter_rows(named=True):
        y, low, high = views.value(row, view)
        left, right = (100 * end for end in ends(row))
        where = {"panel": at, "series": row["compression"], "color": palette.level_color(row["compression"]), "y": y}
        if y is not None:
            yield Mark(**where, kind="span", low=left, high=right)
        middle, share = (left + right) / 2, row["collapsed"] / row["n_seeds"]
        face = {"marker": theme.method_marker(row["method"]), "collapsed": share, "label": curves.described(row, view)}
        yield Mark(**where, kind="point", x=middle, low=low, high=high, **face)
        yield from (Mark(**where | {"y": seed}, kind="run", x=middle) for seed in views.seeds(row, view))
