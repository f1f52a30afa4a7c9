"""One panel of a difficulty figure: score or chance-corrected retention of dense and of each level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Literal

import polars as pl

from junkdna.analysis.series import natural, strength
from junkdna.report.plotting import difficulty_axes, marks, series, theme
from junkdna.report.plotting.tilted_labels import TiltedLabel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

DASHES = ("-", (0, (2.6, 1.3)), (0, (1, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (6, 1.5)))
DENSE = "dense"
OFFSET_PT = 3.0  # between the strands of one condition, less if there are many


@dataclass(frozen=True)
class Panel:
    """Contents of a panel: `rows` of one model and transfer mode, on the x axis `scale`.

    `other_knobs` vary in addition to the knob of the axis. Their values are variants, shown by line style and marker.
    `labels` are drawn above the panel.
    """

    rows: pl.DataFrame
    view: Literal["score", "retention"]
    scale: difficulty_axes.Scale
    title: str
    other_knobs: tuple[str, ...] = ()
    labels: tuple[TiltedLabel, ...] = ()

    def variants(self) -> list[str]:
        """Labels of the variants in natural order; one empty label if there are no other knobs."""
        return sorted({self.variant(row) for row in self.rows.iter_rows(named=True)}, key=natural)

    def variant(self, row: dict) -> str:
        """The variant of a row."""
        return difficulty_axes.variant(row, self.other_knobs)

    def drawn_rows(self) -> list[dict]:
        """Rows whose condition is on the axis."""
        return [row for row in self.rows.iter_rows(named=True) if difficulty_axes.condition(row) in self.scale.at]

    def x(self, row: dict) -> float:
        """Position of a row on the x axis."""
        return self.scale.at[difficulty_axes.condition(row)]


@dataclass(frozen=True)
class Palette:
    """Styles in all panels of a figure: color of each compression tag, dense first; marker and dash of each variant."""

    colors: dict[str, str]
    variants: dict[str, tuple[str, object]]


def palette(panels: list[Panel]) -> Palette:
    """Styles of all compressions and variants in `panels`."""
    tags = {tag for panel in panels for tag in panel.rows["compression"]} - {DENSE}
    variants = sorted({name for panel in panels for name in panel.variants()}, key=natural)
    styles = zip(cycle(theme.CONDITION_MARKERS), cycle(DASHES), strict=False)
    colors = {DENSE: theme.INK} | series.colors(sorted(tags, key=strength))
    return Palette(colors, dict(zip(variants, styles, strict=False)))


def draw(ax: Axes, panel: Panel, styles: Palette, wide_in: float) -> None:
    """Draw `panel` into `ax`, which will be `wide_in` inches wide. The caller sets the y limits."""
    ax.set_xlim(*panel.scale.limits)
    if panel.scale.ticks:
        ax.set_xticks([x for x, _ in panel.scale.ticks], [label for _, label in panel.scale.ticks])
    else:
        ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(panel.scale.label)
    for x in panel.scale.dividers:
        ax.axvline(x, color=theme.FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0, label="divider")
    if panel.view == "retention":
        marks.reference_lines(ax, dense=1, chance=0)
        _undefined(ax, panel)
    else:
        _chance(ax, panel)
    tags = [tag for tag in styles.colors if tag != DENSE or panel.view == "score"]  # from left to right
    strands = [(tag, variant) for tag in tags for variant in panel.variants()]
    step = min(OFFSET_PT, 0.55 * 72 * wide_in / (max(len(set(panel.scale.at.values())), 1) * len(strands)))
    for at, (tag, variant) in enumerate(strands):
        _draw_strand(ax, panel, styles, tag, variant, marks.shifted(ax, at, len(strands), step))


def _undefined(ax: Axes, panel: Panel) -> None:
    """Draw a cross at the bottom for each condition whose dense model is not above its baseline."""
    x = sorted({panel.x(row) for row in panel.drawn_rows() if row["retention"] is None})
    if x:
        cross = {"linestyle": "none", "marker": "x", "color": theme.GREY, "markersize": 4.5, "markeredgewidth": 1.1}
        ax.plot(x, [0.03] * len(x), transform=ax.get_xaxis_transform(), label="undefined", zorder=4, **cross)


def _chance(ax: Axes, panel: Panel) -> None:
    """Draw chance as dotted steps for each variant on a joined axis, else as a short dotted line at each condition."""
    dotted = theme.DOTTED | {"zorder": 1, "label": "chance"}
    low, high = panel.scale.limits
    if not panel.scale.joined:
        reach = 0.035 * (high - low)
        for x, y in sorted({(panel.x(row), row["chance"]) for row in panel.drawn_rows()}):
            ax.plot([x - reach, x + reach], [y, y], **dotted)
        return
    steps = set()
    for name in panel.variants():
        chance = {panel.x(row): row["chance"] for row in panel.drawn_rows() if panel.variant(row) == name}
        steps.add(tuple(sorted(chance.items())))
    for step in sorted(steps):
        x, y = zip(*step, strict=True)
        edges = [low, *((a + b) / 2 for a, b in pairwise(x)), high]
        ax.stairs(y, edges, baseline=None, **dotted)


def _draw_strand(ax: Axes, panel: Panel, styles: Palette, tag: str, variant: str, offset: Transform) -> None:
    """Draw dense or one level of one variant: points with intervals, joined by lines.

    Lines are faint across a divider and interrupted where retention is undefined.
    """
    drawn = [row for row in panel.drawn_rows() if row["compression"] == tag and panel.variant(row) == variant]
    rows = sorted((row for row in drawn if row[panel.view] is not None), key=panel.x)
    x, y = [panel.x(row) for row in rows], [row[panel.view] for row in rows]
    label = "|".join(filter(None, [DENSE if tag == DENSE else series.level_text(tag), variant]))
    top = 1 if tag == DENSE else 0
    marker, dash = styles.variants[variant]
    style = {"color": styles.colors[tag], "transform": offset}
    for row, at in zip(rows, x, strict=True):
        ends = [row[f"{panel.view}_low"], row[f"{panel.view}_high"]]
        if None not in ends:
            ax.plot([at, at], ends, linewidth=1, zorder=2 + top, label=f"{label}|bar", **style)
    gaps = {panel.x(row) for row in drawn if row[panel.view] is None}
    for (x0, y0), (x1, y1) in pairwise(zip(x, y, strict=True)):
        if not panel.scale.joined or any(x0 < gap < x1 for gap in gaps):
            continue
        faint = any(x0 < divider < x1 for divider in panel.scale.dividers)
        line = {"linewidth": 0.7, "alpha": 0.45} if faint else {"linewidth": 1.3}
        ax.plot([x0, x1], [y0, y1], linestyle=dash, zorder=3 + top, label=f"{label}|line", **line, **style)
    collapsed = [row["collapsed"] for row in rows]
    marks.points(ax, x, y, collapsed, marker=marker, label=label, markersize=4.5, zorder=4 + top, **style)


def cut_off(ax: Axes, panel: Panel) -> bool:
    """Whether an interval drawn in `ax` extends beyond its y limits."""
    low, high = ax.get_ylim()
    ends = [row[f"{panel.view}_{end}"] for row in panel.drawn_rows() for end in ("low", "high")]
    return any(not low <= end <= high for end in ends if end is not None)


def y_limits(panels: list[Panel]) -> tuple[float, float]:
    """Limits that contain the points and chance of all `panels`, and as much of their intervals as is reasonable."""
    rows = pl.concat([panel.rows for panel in panels])
    view = panels[0].view
    return marks.view_limits(rows, view, [-0.08, 1.08] if view == "retention" else rows["chance"])
