"""What is drawn inside a panel: markers, line styles, legend entries, and limits of the axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from junkdna.report.figures.style import FILLED, GREY, OPEN
from junkdna.report.figures.text import shorten

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


def numbers(values: pl.Series) -> list[float]:
    """Values as floats, null as not-a-number, which matplotlib leaves out."""
    return [float("nan") if value is None else float(value) for value in values]


def key(text: str, **look: object) -> Artist:
    """Legend entry: a line or marker with `look`, labeled `text`."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=shorten(text, 70), **look)


def collapsed_key() -> Artist:
    """Legend entry of the open marker."""
    return key("open: a seed predicts one class only", color=GREY, marker="o", linestyle="none", **OPEN)


def points(
    ax: Axes,
    x: Sequence[float],
    y: Sequence[float],
    collapsed: Sequence[int],
    color: str,
    marker: str,
    **more: object,
) -> None:
    """Draw markers, open where `collapsed` is above 0; the line's label ends in `|points` or `|collapsed`."""
    label = more.pop("label")
    for is_open, name, face in ((False, "points", FILLED), (True, "collapsed", OPEN | {"markeredgecolor": color})):
        at = [i for i, count in enumerate(collapsed) if (count > 0) == is_open]
        if at:
            look = {"color": color, "marker": marker, "linestyle": "none", "zorder": 4} | face | more
            ax.plot([x[i] for i in at], [y[i] for i in at], label=f"{label}|{name}", **look)


def around(values: Iterable[float]) -> tuple[float, float]:
    """Limits of a difficulty axis: room on both sides, and never so narrow that noise fills the page."""
    low, high = min(values := list(values)), max(values)
    middle, half = (low + high) / 2, 0.56 * (high - low)
    half = max(half, 0.1 if abs(middle) <= 1 else 0.1 * abs(middle))
    return middle - half, middle + half


def within(must: Iterable[float], ends: Iterable[float], reach: float) -> tuple[float, float]:
    """Limits that hold every value of `must`, and ends of intervals as far as `reach` times the range of these.

    Intervals can be very wide where a reference is barely above chance; they are not to squeeze the points.
    """
    low, high = min(must := list(must)), max(must)
    ends, room = [*ends, low, high], reach * (high - low)
    low, high = max(min(ends), low - room), min(max(ends), high + room)
    pad = 0.04 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad
