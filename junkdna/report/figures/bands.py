"""Drop against the place of the weights that were pruned: bands between two quantiles of |w|."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.figures import conditions, curves, layout, marks, series, style, text
from junkdna.study.cell import parse_compression

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ASIDE_PT = 3.0  # between the intervals of two conditions at one band
Ends = tuple[float, float]


@style.styled
def draw(drops: pl.DataFrame, experiment: str) -> Figure:
    """Draw what each condition of `experiment` loses by each band of |w|, without fine-tuning; a row of panels a model.

    A bar lies over the quantiles whose weights are pruned, at the height of what is left; its interval stands in its
    middle. Where bands of the same width are in the experiment, the smallest weights (magnitude) are drawn as the
    first of them and the largest as the last. Nothing is joined: bands differ in place, not in amount. Views and
    baselines are those of `curves.draw`. Raises UserError where the experiment has no band.
    """
    rows, left_out = select(drops, experiment)
    looks = conditions.looks(drops, experiment)
    shown = curves.models(rows)
    fig, axes = layout.panels(len(shown), 2)
    for (part, own), pair in zip(shown.items(), axes, strict=True):
        for view, ax in curves.heads(part, pair):
            _panel(ax, own, view, looks)
    alike = [text.method(name) for name in ("magnitude", "largest") if name in set(rows["method"])]
    remarks = [f"Drawn as the first or last band: {'; '.join(alike)}."] if alike else []
    remarks += [f"Not here: {'; '.join(left_out)}."] if left_out else []
    footer = " ".join([text.facts(rows, "Vertical lines"), *remarks, *curves.hidden_remarks(rows, looks)])
    legends = [curves.condition_keys(rows, looks), curves.mark_keys(rows)]
    title = f"Drop against the place of the pruned weights: {experiment}"
    return layout.finish(fig, title, legends, footer, curves.room(fig))


def select(drops: pl.DataFrame, experiment: str) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that are bands, and those of magnitude and largest of like width.

    All have the same options, the fewest there are; also the names of the compressions that are left out.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    bands = [line for line in series.present(rows) if line.kind == "band"]
    if not bands:
        raise UserError(
            f"experiment {experiment!r}: no figure of bands, because without fine-tuning it has none. Give it a "
            f"compression such as {{method: band, band: [[0.1, 0.2], [0.2, 0.3]]}}."
        )
    options = bands[0].options
    alike = [line for line in series.present(rows) if line.method in ("band", *ENDS) and line.options == options]
    found = series.on(rows, alike)
    widths = found.filter(pl.col("method") == "band")["sparsity"].unique()
    found = found.filter(pl.col("sparsity").is_in(widths.implode()))
    return found, [name for line, name in series.names(series.present(rows)).items() if line not in alike]


def ends(row: dict) -> Ends:
    """From which to which quantile of |w| the weights of a row are pruned."""
    if row["method"] in ENDS:
        return ENDS[row["method"]](row["sparsity"])
    return parse_compression(row["compression"]).value


ENDS = {"magnitude": lambda share: (0.0, share), "largest": lambda share: (1 - share, 1.0)}


def _panel(ax: Axes, rows: pl.DataFrame, view: str, looks: conditions.Looks) -> None:
    from matplotlib.transforms import ScaledTranslation

    groups = curves.by_condition(rows, looks)
    for at, (key, own) in enumerate(groups.items()):
        aside = ScaledTranslation((at - (len(groups) - 1) / 2) * ASIDE_PT / 72, 0, ax.figure.dpi_scale_trans)
        for row in own.drop_nulls(view).iter_rows(named=True):
            _bar(ax, row, view, looks.of[key], ax.transData + aside)
    curves.baselines(ax, rows, view, looks)
    if view == "relative_score":
        ax.axhline(100, color=style.GREY, linewidth=0.9, zorder=1, label="dense")
    ax.set_xlim(-3, 103)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("pruned weights by their quantile of |w|, %")


def _bar(ax: Axes, row: dict, view: str, look: conditions.Look, where: object) -> None:
    x = [100 * end for end in ends(row)]
    middle, label = sum(x) / 2, f"{look.label}|{row['compression']}"
    ax.plot(x, [row[view]] * 2, color=look.color, linewidth=2, solid_capstyle="butt", alpha=0.75, zorder=3, label=label)
    reach = [row[f"{view}_low"], row[f"{view}_high"]]
    ax.plot([middle] * 2, reach, color=look.color, linewidth=1, zorder=2, transform=where, label=f"{label}|bar")
    marks.points(ax, [middle], [row[view]], [row["collapsed"]], look.color, look.marker, label=label, transform=where)
