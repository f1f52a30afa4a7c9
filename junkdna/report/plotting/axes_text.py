"""Titles, axis labels and the names of conditions around the panels, and the room that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from junkdna.report.plotting import layout, theme
from junkdna.report.plotting.drawing import Drawing, Mark, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIER_GAP_IN = 0.06
NAME_PT = 7.0
BOLD = {"fontweight": "bold"}


def write(fig: Figure, drawing: Drawing, marks: Sequence[Sequence[Mark]]) -> layout.Grid:
    """Write the texts around all panels; return the grid with room for them."""
    columns, panels = drawing.columns, drawing.panels
    rows = [range(at, min(at + columns, len(panels))) for at in range(0, len(panels), columns)]
    lefts = tuple(max(_left_in(fig, panel) for panel in panels[at::columns]) for at in range(columns))
    rights = tuple(max(_right_in(fig, each) for each in marks[at::columns]) for at in range(columns))
    grid = layout.Grid((0,), (0,), (0,), lefts, rights)
    heads, feet = [], []
    for row in rows:
        tiers = [_tiers(fig, panels[at], grid.wide) for at in row]
        titles = [_title(fig, panels[at].title, grid.wide) for at in row]
        name_in = max(sum(each.heights) for each in tiers)
        heads.append(name_in + 0.08 + max(0.16 * (title.count("\n") + 1) if title else 0.04 for title in titles))
        for at, title, each in zip(row, titles, tiers, strict=True):
            fig.axes[at].set_title(title, pad=5 + 72 * name_in)
            _names(fig.axes[at], panels[at], each)
            fig.axes[at].set_xlabel(layout.wrap(fig, panels[at].x.label, theme.RC["axes.labelsize"], grid.wide + 0.3))
            _label_y(fig.axes[at], panels[at])
            _fit_message(fig, fig.axes[at], grid.wide)
        feet.append(max(map(_foot_in, (fig.axes[at] for at in row))))
    heights = tuple(max(panels[at].height_in for at in row) for row in rows)
    return replace(grid, heads=tuple(heads), heights=heights, feet=tuple(feet))


def _left_in(fig: Figure, panel: Panel) -> float:
    """Room left of a panel: its tick texts and the axis label."""
    ticks = max((layout.measure(fig, text, 7.5)[0] for _, text in panel.y.ticks if text), default=0.0)
    lines = panel.y.label.count("\n") + 1 if panel.y.label and panel.values == "y" else 0
    return 0.14 + ticks + (0.1 if ticks else 0.0) + 0.16 * lines


def _right_in(fig: Figure, marks: Sequence[Mark]) -> float:
    """Room right of a panel for the labels that stand at its right edge."""
    labels = [mark for mark in marks if mark.kind == "label" and mark.anchor == "start"]
    wide = max((layout.measure(fig, mark.label, theme.LABEL_PT)[0] for mark in labels), default=0.0)
    return 0.12 + (wide + 0.06 if wide else 0.0)


def _label_y(ax: Axes, panel: Panel) -> None:
    """The label of the vertical axis: along an axis of values, or level and above the names of rows."""
    if panel.values == "y":
        ax.set_ylabel(panel.y.label)
        return
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    size = theme.RC["axes.labelsize"]
    ax.annotate(panel.y.label, (0, 1), xytext=(-6, 3), ha="right", va="bottom", fontsize=size, **place)


def _fit_message(fig: Figure, ax: Axes, wide_in: float) -> None:
    """Break the message of an empty panel into lines that fit into it."""
    for text in (text for text in ax.texts if text.get_label() == "message"):
        text.set_text(layout.wrap(fig, text.get_text().replace("\n", " "), theme.RC["font.size"], wide_in - 0.1))


def _title(fig: Figure, title: str, wide_in: float) -> str:
    return layout.wrap(fig, title, theme.RC["axes.titlesize"], wide_in + 0.1, **BOLD) if title else ""


def _foot_in(ax: Axes) -> float:
    """Room below a panel: its tick texts and the axis label."""
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    lines = max((text.count("\n") + 1 for text in ticks if text), default=0)
    label = ax.get_xlabel()
    return 0.14 + 0.14 * lines + (0.15 * (label.count("\n") + 1) + 0.04 if label else 0.0)


# ---- names above a panel ---------------------------------------------------------------------------------------------


class _Tiers:
    """Rows of names above a panel: of each name its tier and its center in inches; of each tier its height."""

    def __init__(self, wide_in: float) -> None:
        self.wide_in = wide_in  # of the panel
        self.places: list[tuple[int, float]] = []
        self.heights: list[float] = []
        self.ends: list[float] = []

    def add(self, center: float, wide: float, tall: float) -> None:
        """Put a name into the lowest tier in which it touches no other."""
        start = center - wide / 2
        tier = next((at for at, end in enumerate(self.ends) if start >= end + 0.08), len(self.ends))
        if tier == len(self.ends):
            self.ends.append(0.0)
            self.heights.append(0.0)
        self.ends[tier] = start + wide
        self.heights[tier] = max(self.heights[tier], tall + TIER_GAP_IN)
        self.places.append((tier, center))


def _tiers(fig: Figure, panel: Panel, wide_in: float) -> _Tiers:
    """Tiers of the names of a panel, which are ordered by x; names at the edges are moved inwards."""
    low, high = panel.x.limits
    tiers = _Tiers(wide_in)
    for x, text in panel.names:
        wide, tall = layout.measure(fig, text, NAME_PT)
        center = (x - low) / (high - low) * wide_in
        tiers.add(min(max(center, wide / 2), wide_in - wide / 2 + 0.04), wide, tall)
    return tiers


def _names(ax: Axes, panel: Panel, tiers: _Tiers) -> None:
    """Write the names, with a thin line from each down through the panel."""
    low, high = panel.x.limits
    for (x, text), (tier, center) in zip(panel.names, tiers.places, strict=True):
        lift = 72 * sum(tiers.heights[:tier])
        ax.axvline(x, color=theme.FAINT, linewidth=0.7, zorder=0.5, label="name")
        at = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
        if tier:
            stem = {
                "arrowprops": {"arrowstyle": "-", "color": theme.FAINT, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
            }
            ax.annotate("", (x, 1.0), xytext=(0, lift + 2), **at, **stem)
        inward = 72 * (center - (x - low) / (high - low) * tiers.wide_in)
        ax.annotate(text, (x, 1.0), xytext=(inward, 4 + lift), ha="center", va="bottom", fontsize=NAME_PT, **at)
