"""Names of conditions above a panel: tilted, moved apart where they would touch, with a line to their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.report.figures import layout, style
from junkdna.report.figures.conditions import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, STEP_IN, TILT = 6.8, 0.14, 55


@dataclass(frozen=True)
class Name:
    """What stands above a panel at `x`, in the panel's units."""

    x: float
    words: str
    look: Look


def height_in(fig: Figure, names: list[Name]) -> float:
    """Inches above a panel that its names take; 0 where there are none."""
    tall = max((layout.measure(fig, name.words, SIZE, rotation=TILT)[1] for name in names), default=None)
    return 0.0 if tall is None else tall + 0.16


def overhang_in(fig: Figure, names: list[Name], limits: tuple[float, float], wide_in: float) -> float:
    """Inches by which names lean over the right edge of a panel `wide_in` wide; at least 0."""
    ends = [
        at + layout.measure(fig, name.words, SIZE, rotation=TILT)[0]
        for at, name in zip(_places(names, limits, wide_in), names, strict=True)
    ]
    return max([*(end - wide_in for end in ends), 0.0])


def draw(ax: Axes, names: list[Name], wide_in: float) -> None:
    """Write `names` (rising x) above `ax`, whose x limits are set and which will be `wide_in` wide."""
    from matplotlib.lines import Line2D

    low, high = ax.get_xlim()
    trans = ax.get_xaxis_transform()
    for name, inches in zip(names, _places(names, (low, high), wide_in), strict=True):
        ax.axvline(name.x, color=style.FAINT, linewidth=0.6, zorder=0, label="condition")
        shown = low + inches / wide_in * (high - low)
        leader = Line2D([name.x, shown], [1.0, 1.05], transform=trans, color=style.GREY, linewidth=0.5, clip_on=False)
        dot = {"marker": name.look.marker, "color": name.look.color, "markersize": 4}
        ax.add_line(leader)
        ax.add_line(Line2D([shown], [1.06], transform=trans, label="name", linestyle="none", clip_on=False, **dot))
        ax.annotate(
            name.words,
            (shown, 1.06),
            xycoords=trans,
            xytext=(1, 4),
            textcoords="offset points",
            rotation=TILT,
            rotation_mode="anchor",
            fontsize=SIZE,
            va="bottom",
        )
    ax.set_xlim(low, high)


def _places(names: list[Name], limits: tuple[float, float], wide_in: float) -> list[float]:
    """Inches from the panel's left edge at which each name starts."""
    low, high = limits
    return spread([(name.x - low) / (high - low) * wide_in for name in names], STEP_IN, wide_in)


def spread(wanted: list[float], step: float, wide: float) -> list[float]:
    """Positions as near as possible to the rising `wanted` ones, at least `step` apart, within 0 to `wide`.

    Neighbors that would touch become one block, which stands round its own mean (pool adjacent violators).
    """
    step = min(step, wide / max(len(wanted) - 1, 1))
    blocks: list[list[float]] = []
    for at, x in enumerate(wanted):
        blocks.append([x - at * step])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [_mean(block) for block in blocks for _ in block]
    top = wide - (len(wanted) - 1) * step
    return [min(max(base, 0.0), top) + at * step for at, base in enumerate(level)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
