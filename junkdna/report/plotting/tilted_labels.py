"""Tilted labels of conditions above a panel, spread so that they do not touch, with lines to their x."""

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
    """A text above a panel at `x` (data coordinates), and the style of the marker below the text."""

    x: float
    text: str
    style: ConditionStyle


def height_in(fig: Figure, labels: Iterable[TiltedLabel]) -> float:
    """Height in inches of the labels above a panel; 0 if there are none."""
    tall = max((layout.measure(fig, label.text, SIZE, rotation=TILT)[1] for label in labels), default=None)
    return 0.0 if tall is None else tall + 0.16


def with_room(fig: Figure, room: layout.Room, columns: int, panels: list[Panel]) -> layout.Room:
    """`room` with gaps and a right margin wide enough for the labels of all panels (labels, x limits)."""
    for _ in range(3):  # narrower panels move the labels; converges within three rounds
        wide = room.panel_wide_in(columns)
        over = max(_overhang_in(fig, labels, limits, wide) for labels, limits in panels)
        room = replace(room, gap_in=max(room.gap_in, over + 0.1), right_in=max(room.right_in, over + 0.08))
    return room


def _overhang_in(fig: Figure, labels: list[TiltedLabel], limits: tuple[float, float], wide_in: float) -> float:
    """Inches by which labels extend beyond the right edge of a panel of width `wide_in`; at least 0."""
    ends = [
        at + layout.measure(fig, label.text, SIZE, rotation=TILT)[0]
        for at, label in zip(_positions(labels, limits, wide_in), labels, strict=True)
    ]
    return max([*(end - wide_in for end in ends), 0.0])


def draw_labels(ax: Axes, labels: list[TiltedLabel], wide_in: float) -> None:
    """Draw `labels`, sorted by x, above `ax`, whose x limits are set and whose width will be `wide_in` inches."""
    from matplotlib.lines import Line2D

    low, high = ax.get_xlim()
    trans = ax.get_xaxis_transform()
    for label, inches in zip(labels, _positions(labels, (low, high), wide_in), strict=True):
        ax.axvline(label.x, color=theme.FAINT, linewidth=0.6, zorder=0, label="condition")
        x = low + inches / wide_in * (high - low)
        leader = {"transform": trans, "color": theme.GREY, "linewidth": 0.5, "clip_on": False}
        ax.add_line(Line2D([label.x, x], [1.0, 1.05], **leader))
        dot = {"marker": label.style.marker, "color": label.style.color, "markersize": 4, "linestyle": "none"}
        ax.add_line(Line2D([x], [1.06], transform=trans, label="name", clip_on=False, **dot))
        position = {"xycoords": trans, "xytext": (1, 4), "textcoords": "offset points", "va": "bottom"}
        ax.annotate(label.text, (x, 1.06), rotation=TILT, rotation_mode="anchor", fontsize=SIZE, **position)
    ax.set_xlim(low, high)


def _positions(labels: list[TiltedLabel], limits: tuple[float, float], wide_in: float) -> list[float]:
    """Start of each label in inches from the panel's left edge."""
    low, high = limits
    return spread([(label.x - low) / (high - low) * wide_in for label in labels], STEP_IN, wide_in)


def spread(targets: list[float], step: float, width: float) -> list[float]:
    """Positions close to the increasing `targets`, at least `step` apart, within 0 to `width`.

    Neighbors that would touch form a block around their mean (pool adjacent violators). If there is not enough room,
    the step is reduced.
    """
    step = min(step, width / max(len(targets) - 1, 1))
    blocks: list[list[float]] = []
    for at, x in enumerate(targets):
        blocks.append([x - at * step])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [fmean(block) for block in blocks for _ in block]
    top = width - (len(targets) - 1) * step
    return [min(max(base, 0.0), top) + at * step for at, base in enumerate(level)]
