"""One panel of a difficulty figure: scores, or chance-corrected retention, of dense and of each level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Literal

import polars as pl

from junkdna.report.figures import marks, style
from junkdna.report.figures import series as report_figures_series
from junkdna.report.figures import text as report_figures_text
from junkdna.report.figures.difficulty_axes import Scale, place, variant
from junkdna.report.figures.labels import Name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VIEWS = {"score": "Score", "retention": "Retention (chance-corrected)"}
DASHES = ("-", (0, (2.6, 1.3)), (0, (1, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (6, 1.5)))
DENSE = "dense"
ASIDE_PT = 3.0  # between the series of one condition, less where there are many


@dataclass(frozen=True)
class Panel:
    """What one panel shows: `rows` of one model and transfer mode, on the axis `scale`.

    `beside` are the knobs that vary beside that of the axis: their values are variants, told apart by line and marker.
    `names` stand above the panel, at the conditions they name.
    """

    rows: pl.DataFrame
    view: Literal["score", "retention"]
    scale: Scale
    title: str
    beside: tuple[str, ...] = ()
    names: tuple[Name, ...] = ()

    def variants(self) -> list[str]:
        """The knob values beside the axis, in their order; one empty text where there are none."""
        return sorted({self.variant(row) for row in self.rows.iter_rows(named=True)}, key=report_figures_text.natural)

    def variant(self, row: dict) -> str:
        """The variant that a row belongs to."""
        return variant(row, self.beside)

    def placed(self) -> list[dict]:
        """Rows whose condition has a place on the axis."""
        return [row for row in self.rows.iter_rows(named=True) if place(row) in self.scale.at]

    def x(self, row: dict) -> float:
        """Where a row stands on the axis."""
        return self.scale.at[place(row)]


@dataclass(frozen=True)
class Series:
    """Rows drawn alike: dense or one level, of one variant; `aside_pt` moves them sideways on paper only."""

    rows: list[dict]
    label: str
    color: str
    marker: str
    dash: object
    aside_pt: float


@dataclass(frozen=True)
class Palette:
    """Looks of series in all panels of a figure: color of each compression (a tag, dense first), marker and line of
    each variant."""

    shades: dict[str, str]
    variants: dict[str, tuple[str, object]]


def palette(panels: list[Panel]) -> Palette:
    """Looks of all series of `panels`."""
    drawn = sorted(
        {tag for panel in panels for tag in panel.rows["compression"]} - {DENSE}, key=report_figures_series.strength
    )
    variants = sorted({name for panel in panels for name in panel.variants()}, key=report_figures_text.natural)
    looks = zip(cycle(style.CONDITION_MARKERS), cycle(DASHES), strict=False)
    return Palette({DENSE: style.INK} | report_figures_series.colors(drawn), dict(zip(variants, looks, strict=False)))


def draw(ax: Axes, panel: Panel, looks: Palette, wide_in: float) -> None:
    """Draw `panel` into `ax`, which will be `wide_in` wide. The y limits are left to the caller."""
    ax.set_xlim(*panel.scale.limits)
    if panel.scale.ticks:
        ax.set_xticks([x for x, _ in panel.scale.ticks], [text for _, text in panel.scale.ticks])
    else:
        ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(panel.scale.label)
    for x in panel.scale.dividers:
        ax.axvline(x, color=style.FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0, label="divider")
    if panel.view == "retention":
        ax.axhline(0, color=style.GREY, linewidth=0.9, linestyle=style.DOTS, zorder=1, label="chance")
        ax.axhline(1, color=style.GREY, linewidth=0.9, zorder=1, label="dense")
        _undefined(ax, panel)
    else:
        _chance(ax, panel)
    for series in _series(panel, looks, wide_in):
        _draw_series(ax, series, panel)


def _undefined(ax: Axes, panel: Panel) -> None:
    """A cross at the foot for each condition whose dense model is not clearly above chance."""
    x = sorted({panel.x(row) for row in panel.placed() if row["retention"] is None})
    if x:
        look = {"linestyle": "none", "marker": "x", "color": style.GREY, "markersize": 4.5, "markeredgewidth": 1.1}
        ax.plot(x, [0.03] * len(x), transform=ax.get_xaxis_transform(), label="undefined", zorder=4, **look)


def _chance(ax: Axes, panel: Panel) -> None:
    """Chance as a dotted step along a joined axis, a step for each variant; else a short dotted line at each place."""
    dotted = {"color": style.GREY, "linewidth": 0.9, "linestyle": style.DOTS, "zorder": 1, "label": "chance"}
    low, high = panel.scale.limits
    if not panel.scale.joined:
        reach = 0.035 * (high - low)
        for x, y in sorted({(panel.x(r), r["chance"]) for r in panel.placed()}):
            ax.plot([x - reach, x + reach], [y, y], **dotted)
        return
    steps = set()
    for name in panel.variants():
        own = {panel.x(r): r["chance"] for r in panel.placed() if panel.variant(r) == name}
        steps.add(tuple(sorted(own.items())))
    for step in sorted(steps):
        x, y = zip(*step, strict=True)
        edges = [low, *((a + b) / 2 for a, b in pairwise(x)), high]
        ax.stairs(y, edges, baseline=None, **dotted)


def _series(panel: Panel, looks: Palette, wide_in: float) -> list[Series]:
    """All that is drawn, from left to right: dense (where scores are shown), then the levels."""
    shown = [tag for tag in looks.shades if tag != DENSE or panel.view == "score"]
    pairs = [(tag, name) for tag in shown for name in panel.variants()]
    step = min(ASIDE_PT, 0.55 * 72 * wide_in / (max(len(set(panel.scale.at.values())), 1) * len(pairs)))
    found = []
    for at, (tag, name) in enumerate(pairs):
        rows = [r for r in panel.placed() if r["compression"] == tag and panel.variant(r) == name]
        label = "|".join(filter(None, [DENSE if tag == DENSE else report_figures_series.level_text(tag), name]))
        marker, dash = looks.variants[name]
        found.append(Series(rows, label, looks.shades[tag], marker, dash, (at - (len(pairs) - 1) / 2) * step))
    return found


def _draw_series(ax: Axes, series: Series, panel: Panel) -> None:
    """Points, their intervals, and lines between them: faint where a divider stands, none beside an undefined share."""
    from matplotlib.transforms import ScaledTranslation

    where = ax.transData + ScaledTranslation(series.aside_pt / 72, 0, ax.figure.dpi_scale_trans)
    rows = sorted((r for r in series.rows if r[panel.view] is not None), key=lambda r: panel.x(r))
    x, y = [panel.x(row) for row in rows], [row[panel.view] for row in rows]
    top = 1 if series.label.startswith(DENSE) else 0
    for row, at in zip(rows, x, strict=True):
        ends = [row[f"{panel.view}_low"], row[f"{panel.view}_high"]]
        if None not in ends:
            bar = {"linewidth": 1, "zorder": 2 + top, "transform": where, "label": f"{series.label}|bar"}
            ax.plot([at, at], ends, color=series.color, **bar)
    if panel.scale.joined:
        gaps = {panel.x(row) for row in series.rows if row[panel.view] is None}
        for (x0, y0), (x1, y1) in pairwise(zip(x, y, strict=True)):
            if any(x0 < gap < x1 for gap in gaps):
                continue
            faint = any(x0 < divider < x1 for divider in panel.scale.dividers)
            line = {"linewidth": 0.7, "alpha": 0.45} if faint else {"linewidth": 1.3}
            look = {"linestyle": series.dash, "zorder": 3 + top, "transform": where, "label": f"{series.label}|line"}
            ax.plot([x0, x1], [y0, y1], color=series.color, **look, **line)
    collapsed = [row["collapsed"] for row in rows]
    more = {"label": series.label, "transform": where, "markersize": 4.5, "zorder": 4 + top}
    marks.points(ax, x, y, collapsed, series.color, series.marker, **more)


def cut_off(ax: Axes, panel: Panel) -> bool:
    """Whether an interval drawn in `ax` reaches over its limits."""
    low, high = ax.get_ylim()
    ends = [row[f"{panel.view}_{end}"] for row in panel.placed() for end in ("low", "high")]
    return any(not low <= end <= high for end in ends if end is not None)


def y_limits(panels: list[Panel]) -> tuple[float, float]:
    """Limits that hold the points and chance of all `panels`, and their intervals as far as these do not squeeze."""
    rows = pl.concat([panel.rows for panel in panels])
    view = panels[0].view
    must = [-0.08, 1.08] if view == "retention" else [*rows["chance"]]
    ends = [*rows[f"{view}_low"].drop_nulls(), *rows[f"{view}_high"].drop_nulls()]
    return marks.within([*must, *rows[view].drop_nulls()], ends, 0.3)
