"""Relative score and retention after pruning bands of weights between two quantiles of |w|."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, layout, marks, series, text, theme
from junkdna.report.plotting.conditions import ConditionStyle, ConditionStyles, condition_styles
from junkdna.study.cell import parse_compression
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

FIGURE = Figure(
    label="Relative score and retention by band of pruned weights",
    caption="Each horizontal bar spans the weights that were pruned: those between two quantiles of |w|, from the "
    "smallest weights (left) to the largest (right). Its height is the relative score (left panel) or the "
    "chance-corrected retention (right panel). Thin vertical lines are 95 % intervals. Bars of equal width "
    "prune the same number of weights, so they differ only in which weights they prune.",
    order=4,
    modes="none",
    levels=("band",),
)
ENDS = {"magnitude": lambda share: (0.0, share), "largest": lambda share: (1 - share, 1.0)}
OFFSET_PT = 3.0  # between the intervals of two conditions at the same band


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw relative score and retention of `experiment` for each band of |w|, one row of panels per model.

    Shows cells without fine-tuning. A horizontal bar spans the quantiles of the pruned weights; its interval is in the
    middle. Magnitude pruning is drawn as the first band and pruning the largest weights as the last, if they have the
    width of a band. No lines join the bars, because bands differ in position and not in amount. The panels and
    baselines are those of `curves.draw`. Raises UserError if the experiment has no band.
    """
    rows, omitted = select(drops, experiment)
    styles, rows_of = condition_styles(drops, experiment), curves.models(rows)
    fig, axes = layout.panels(len(rows_of), 2)
    for (model, model_rows), pair in zip(rows_of.items(), axes, strict=True):
        for view, ax in curves.set_headings(model, pair):
            _panel(ax, model_rows, view, styles)
    outer = [METHODS[name].caption for name in ENDS if name in set(rows["method"])]
    remarks = [f"Drawn as the first or last band: {'; '.join(outer)}."] if outer else []
    remarks += [f"Not shown: {'; '.join(omitted)}."] if omitted else []
    footer = " ".join([text.facts(rows, "Vertical lines"), *remarks, *curves.hidden_remarks(rows, styles)])
    legends = [curves.condition_keys(rows, styles), curves.mark_keys(rows)]
    return layout.finish(fig, f"{FIGURE.label}: {experiment}", legends, footer, curves.room(fig))


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


def _panel(ax: Axes, rows: pl.DataFrame, view: str, styles: ConditionStyles) -> None:
    groups = styles.split(rows)
    for at, (key, condition) in enumerate(groups.items()):
        offset = marks.shifted(ax, at, len(groups), OFFSET_PT)
        for row in condition.drop_nulls(view).iter_rows(named=True):
            _bar(ax, row, view, styles.of[key], offset)
    curves.baselines(ax, rows, view, styles)
    if view == "relative_score":
        marks.reference_lines(ax, dense=100)
    ax.set_xlim(-3, 103)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("quantiles of |w| of the pruned weights, %")


def _bar(ax: Axes, row: dict, view: str, style: ConditionStyle, offset: Transform) -> None:
    x = [100 * end for end in ends(row)]
    middle, label = sum(x) / 2, f"{style.label}|{row['compression']}"
    thick = {"linewidth": 2, "solid_capstyle": "butt", "alpha": 0.75, "zorder": 3}
    ax.plot(x, [row[view]] * 2, color=style.color, label=label, **thick)
    interval = [row[f"{view}_low"], row[f"{view}_high"]]
    ax.plot([middle] * 2, interval, color=style.color, linewidth=1, zorder=2, transform=offset, label=f"{label}|bar")
    face = {"color": style.color, "marker": style.marker, "label": label, "transform": offset}
    marks.points(ax, [middle], [row[view]], [row["collapsed"]], **face)
