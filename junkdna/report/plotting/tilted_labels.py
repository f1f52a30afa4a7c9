"""Labels of conditions above a panel: tilted, moved apart where they would touch, with a line to their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from junkdna.report.plotting import layout, theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from junkdna.report.plotting.conditions import ConditionStyle

SIZE, STEP_IN, TILT = 6.8, 0.14, 55
Panel = tuple[list["TiltedLabel"], tuple[float, float]]


@dataclass(frozen=True)
class TiltedLabel:
    """A text above a panel at `x`, in the panel's units, and the marker below the text."""

    x: float
    text: str
    style: ConditionStyle


def height_in(fig: Figure, labels: Iterable[TiltedLabel]) -> float:
    """Inches above a panel that its labels take; 0 where there are none."""
    tall = max((layout.measure(fig, label.text, SIZE, rotation=TILT)[1] for label in labels), default=None)
    return 0.0 if tall is None else tall + 0.16


def with_room(fig: Figure, room: layout.Room, columns: int, panels: list[Panel]) -> layout.Room:
    """`room` with wider gaps and right margin, so that the labels of no panel (with its x limits) leave the page."""
    for _ in range(3):  # narrower panels move the labels: settles at once or nearly
        wide = room.panel_wide_in(columns)
        over = max(_overhang_in(fig, labels, limits, wide) for labels, limits in panels)
        room = replace(room, gap_in=max(room.gap_in, over + 0.1), right_in=max(room.right_in, over + 0.08))
    return room


def _overhang_in(fig: Figure, labels: list[TiltedLabel], limits: tuple[float, float], wide_in: float) -> float:
    """Inches by which labels lean over the right edge of a panel `wide_in` wide; at least 0."""
    ends = [
        at + layout.measure(fig, label.text, SIZE, rotation=TILT)[0]
        for at, label in zip(_places(labels, limits, wide_in), labels, strict=True)
    ]
    return max([*(end - wide_in for end in ends), 0.0])


def draw_labels(ax: Axes, labels: list[TiltedLabel], wide_in: float) -> None:
    """Write `labels` (rising x) above `ax`, whose x limits are set and which will be `wide_in` wide."""
    from matplotlib.lines import Line2D

    low, high = ax.get_xlim()
    trans = ax.get_xaxis_transform()
    for label, inches in zip(labels, _places(labels, (low, high), wide_in), strict=True):
        ax.axvline(label.x, color=theme.FAINT, linewidth=0.6, zorder=0, label="condition")
        x = low + inches / wide_in * (high - low)
        leader = {"transform": trans, "color": theme.GREY, "linewidth": 0.5, "clip_on": False}
        ax.add_line(Line2D([label.x, x], [1.0, 1.05], **leader))
        dot = {"marker": label.style.marker, "color": label.style.color, "markersize": 4, "linestyle": "none"}
        ax.add_line(Line2D([x], [1.06], transform=trans, label="name", clip_on=False, **dot))
        place = {"xycoords": trans, "xytext": (1, 4), "textcoords": "offset points", "va": "bottom"}
        ax.annotate(label.text, (x, 1.06), rotation=TILT, rotation_mode="anchor", fontsize=SIZE, **place)
    ax.set_xlim(low, high)


def _places(labels: list[TiltedLabel], limits: tuple[float, float], wide_in: float) -> list[float]:
    """Inches from the panel's left edge at which each label starts."""
    low, high = limits
    return spread([(label.x - low) / (high - low) * wide_in for label in labels], STEP_IN, wide_in)


def spread(wanted: list[float], step: float, wide: float) -> list[float]:
    """Positions as near as possible to the rising `wanted` ones, at least `step` apart, within 0 to `wide`.

    Neighbors that would touch become one block around their own mean (pool adjacent violators).
    """
    step = min(step, wide / max(len(wanted) - 1, 1))
    blocks: list[list[float]] = []
    for at, x in enumerate(wanted):
        blocks.append([x - at * step])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [fmean(block) for block in blocks for _ in block]
    top = wide - (len(wanted) - 1) * step
    return [min(max(base, 0.0), top) + at * step for at, base in enumerate(level)]
