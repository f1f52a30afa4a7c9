"""Markers, reference lines, messages, legend entries and axis limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from junkdna.report.plotting.text import shorten
from junkdna.report.plotting.theme import DOTTED, FILLED, GREY, OPEN

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform


def numbers(values: pl.Series) -> list[float]:
    """Values as floats, with null as NaN, which matplotlib does not draw."""
    return [float("nan") if value is None else float(value) for value in values]


def key(label: str, **properties: object) -> Artist:
    """A legend entry: a line or marker with these matplotlib `properties`."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=shorten(label, 70), **properties)


def collapsed_keys(rows: pl.DataFrame) -> list[Artist]:
    """Legend entry of the open marker if any row is collapsed, else nothing."""
    if not (rows["collapsed"] > 0).any():
        return []
    return [key("open: at least one seed predicts a single class", color=GREY, marker="o", linestyle="none", **OPEN)]


def points(ax: Axes, x: Sequence[float], y: Sequence[float], collapsed: Sequence[int], **style: object) -> None:
    """Draw markers, open ones if `collapsed` is above 0. The artists' labels end in `|points` or `|collapsed`.

    `style` contains color, marker and label, and optionally other matplotlib properties.
    """
    label, color = style.pop("label"), style["color"]
    for is_open, name, face in ((False, "points", FILLED), (True, "collapsed", OPEN | {"markeredgecolor": color})):
        at = [i for i, count in enumerate(collapsed) if (count > 0) == is_open]
        if at:
            properties = {"linestyle": "none", "zorder": 4} | face | style
            ax.plot([x[i] for i in at], [y[i] for i in at], label=f"{label}|{name}", **properties)


def reference_lines(ax: Axes, dense: float | None = None, chance: float | None = None) -> None:
    """Draw a solid line at dense and a dotted line at chance, unless they are None."""
    if chance is not None:
        ax.axhline(chance, label="chance", zorder=1, **DOTTED)
    if dense is not None:
        ax.axhline(dense, label="dense", zorder=1, **DOTTED | {"linestyle": "-"})


def message(ax: Axes, text: str) -> None:
    """Write `text` in the middle of an empty panel."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)


def shifted(ax: Axes, at: int, count: int, step_pt: float) -> Transform:
    """Data coordinates with a horizontal offset for item `at` of `count` that are `step_pt` points apart."""
    from matplotlib.transforms import ScaledTranslation

    return ax.transData + ScaledTranslation((at - (count - 1) / 2) * step_pt / 72, 0, ax.figure.dpi_scale_trans)


def around(values: Iterable[float]) -> tuple[float, float]:
    """Limits of a difficulty axis: a margin on both sides, and a minimum range so that noise is not magnified."""
    low, high = min(values := list(values)), max(values)
    middle, half = (low + high) / 2, 0.56 * (high - low)
    half = max(half, 0.1 if abs(middle) <= 1 else 0.1 * abs(middle))
    return middle - half, middle + half


def within(must: Iterable[float], ends: Iterable[float], reach: float) -> tuple[float, float]:
    """Limits that contain all values of `must`, and the `ends` of intervals up to `reach` times their range.

    Intervals can be very wide if dense is barely above its baseline. They must not squeeze the points together.
    """
    low, high = min(must := list(must)), max(must)
    ends, room = [*ends, low, high], reach * (high - low)
    low, high = max(min(ends), low - room), min(max(ends), high + room)
    pad = 0.04 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad


def view_limits(rows: pl.DataFrame, view: str, must: Iterable[float], reach: float = 0.3) -> tuple[float, float]:
    """Limits from `within` for a column of the drops table and its interval."""
    ends = [*rows[f"{view}_low"].drop_nulls(), *rows[f"{view}_high"].drop_nulls()]
    return within([*must, *rows[view].drop_nulls()], ends, reach)
