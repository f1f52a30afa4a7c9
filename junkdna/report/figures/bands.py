"""Drop against the place of the weights that were pruned: bands between two quantiles of |w|."""

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
    label="Drop against the place of the pruned weights",
    caption="Each bar lies over the weights that were pruned: those between two quantiles of |w|, the smallest weights "
    "at the left and the largest at the right. Its height is what is left of the score: left in percent of dense, "
    "right with chance taken out. Thin vertical lines are 95 % intervals. Bars of one width prune the same number of "
    "weights, so that only their place differs.",
    order=4,
    modes="none",
    levels=("band",),
)
ENDS = {"magnitude": lambda share: (0.0, share), "largest": lambda share: (1 - share, 1.0)}
ASIDE_PT = 3.0  # between the intervals of two conditions at one band


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw what each condition of `experiment` loses by each band of |w|, without fine-tuning; a row of panels a model.

    A bar lies over the quantiles whose weights are pruned, at the height of what is left, with its interval in the
    middle. Where bands of the same width are in the experiment, the smallest weights (magnitude) are drawn as the
    first of them and the largest as the last. Nothing is joined: bands differ in place, not in amount. Views and
    baselines are those of `curves.draw`. Raises UserError where the experiment has no band.
    """
    rows, left_out = select(drops, experiment)
    styles, parts = condition_styles(drops, experiment), curves.models(rows)
    fig, axes = layout.panels(len(parts), 2)
    for (name, part), pair in zip(parts.items(), axes, strict=True):
        for view, ax in curves.heads(name, pair):
            _panel(ax, part, view, styles)
    ends = [METHODS[name].caption for name in ENDS if name in set(rows["method"])]
    remarks = [f"Drawn as the first or last band: {'; '.join(ends)}."] if ends else []
    remarks += [f"Not here: {'; '.join(left_out)}."] if left_out else []
    footer = " ".join([text.facts(rows, "Vertical lines"), *remarks, *curves.hidden_remarks(rows, styles)])
    legends = [curves.condition_keys(rows, styles), curves.mark_keys(rows)]
    return layout.finish(fig, f"{FIGURE.label}: {experiment}", legends, footer, curves.room(fig))


def select(drops: pl.DataFrame, experiment: str) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that are bands, and those of magnitude and largest of the same width.

    All have the same options, the fewest there are; also the labels of the compressions that are left out.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    bands = [one for one in present if one.kind == "band"]
    if not bands:
        raise UserError(
            f"experiment {experiment!r}: no figure of bands, because without fine-tuning it has none. Give it a "
            f"compression such as {{method: band, band: [[0.1, 0.2], [0.2, 0.3]]}}."
        )
    shown = [one for one in present if one.method in ("band", *ENDS) and one.options == bands[0].options]
    placed = series.select(rows, shown)
    widths = placed.filter(pl.col("method") == "band")["sparsity"].unique()
    left_out = [label for one, label in series.labels(present).items() if one not in shown]
    return placed.filter(pl.col("sparsity").is_in(widths.implode())), left_out


def ends(row: dict) -> tuple[float, float]:
    """From which to which quantile of |w| the weights of a row are pruned."""
    if row["method"] in ENDS:
        return ENDS[row["method"]](row["sparsity"])
    return parse_compression(row["compression"]).value


def _panel(ax: Axes, rows: pl.DataFrame, view: str, styles: ConditionStyles) -> None:
    groups = styles.split(rows)
    for at, (key, condition) in enumerate(groups.items()):
        aside = marks.shifted(ax, at, len(groups), ASIDE_PT)
        for row in condition.drop_nulls(view).iter_rows(named=True):
            _bar(ax, row, view, styles.of[key], aside)
    curves.baselines(ax, rows, view, styles)
    if view == "relative_score":
        marks.reference_lines(ax, dense=100)
    ax.set_xlim(-3, 103)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("pruned weights by their quantile of |w|, %")


def _bar(ax: Axes, row: dict, view: str, style: ConditionStyle, aside: Transform) -> None:
    x = [100 * end for end in ends(row)]
    middle, label = sum(x) / 2, f"{style.label}|{row['compression']}"
    thick = {"linewidth": 2, "solid_capstyle": "butt", "alpha": 0.75, "zorder": 3}
    ax.plot(x, [row[view]] * 2, color=style.color, label=label, **thick)
    interval = [row[f"{view}_low"], row[f"{view}_high"]]
    ax.plot([middle] * 2, interval, color=style.color, linewidth=1, zorder=2, transform=aside, label=f"{label}|bar")
    face = {"color": style.color, "marker": style.marker, "label": label, "transform": aside}
    marks.points(ax, [middle], [row[view]], [row["collapsed"]], **face)
