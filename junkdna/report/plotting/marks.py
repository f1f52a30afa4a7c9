"""What is drawn inside a panel: markers, reference lines, legend entries, and limits of the axes."""

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
    """Values as floats, null as not-a-number, which matplotlib leaves out."""
    return [float("nan") if value is None else float(value) for value in values]


def key(label: str, **properties: object) -> Artist:
    """Legend entry: a line or marker with matplotlib's `properties`."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=shorten(label, 70), **properties)


def collapsed_keys(rows: pl.DataFrame) -> list[Artist]:
    """Legend entry of the open marker, where a row is collapsed."""
    if not (rows["collapsed"] > 0).any():
        return []
    return [key("open: a seed predicts one class only", color=GREY, marker="o", linestyle="none", **OPEN)]


def points(ax: Axes, x: Sequence[float], y: Sequence[float], collapsed: Sequence[int], **style: object) -> None:
    """Draw markers, open where `collapsed` is above 0; the artist's label ends in `|points` or `|collapsed`.

    `style` has a color, a marker and a label, and may have other properties.
    """
    label, color = style.pop("label"), style["color"]
    for is_open, name, face in ((False, "points", FILLED), (True, "collapsed", OPEN | {"markeredgecolor": color})):
        at = [i for i, count in enumerate(collapsed) if (count > 0) == is_open]
        if at:
            properties = {"linestyle": "none", "zorder": 4} | face | style
            ax.plot([x[i] for i in at], [y[i] for i in at], label=f"{label}|{name}", **properties)


def reference_lines(ax: Axes, dense: float | None = None, chance: float | None = None) -> None:
    """A solid line at dense and a dotted one at chance, where given."""
    if chance is not None:
        ax.axhline(chance, label="chance", zorder=1, **DOTTED)
    if dense is not None:
        ax.axhline(dense, label="dense", zorder=1, **DOTTED | {"linestyle": "-"})


def message(ax: Axes, text: str) -> None:
    """Write `text` into the middle of a panel that shows nothing."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=GREY)


def shifted(ax: Axes, at: int, count: int, step_pt: float) -> Transform:
    """Data coordinates moved sideways on paper, for number `at` of `count` neighbors that are `step_pt` apart."""
    from matplotlib.transforms import ScaledTranslation

    return ax.transData + ScaledTranslation((at - (count - 1) / 2) * step_pt / 72, 0, ax.figure.dpi_scale_trans)


def around(values: Iterable[float]) -> tuple[float, float]:
    """Limits of a difficulty axis: room on both sides, and never so narrow that noise fills the page."""
    low, high = min(values := list(values)), max(values)
    middle, half = (low + high) / 2, 0.56 * (high - low)
    half = max(half, 0.1 if abs(middle) <= 1 else 0.1 * abs(middle))
    return middle - half, middle + half


def within(must: Iterable[float], ends: Iterable[float], reach: float) -> tuple[float, float]:
    """Limits that hold every value of `must`, and ends of intervals as far as `reach` times the range of these.

    Intervals can be very wide where a reference is barely above chance; they must not squeeze the points.
    """
    low, high = min(must := list(must)), max(must)
    ends, room = [*ends, low, high], reach * (high - low)
    low, high = max(min(ends), low - room), min(max(ends), high + room)
    pad = 0.04 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad


def view_limits(rows: pl.DataFrame, view: str, must: Iterable[float], reach: float = 0.3) -> tuple[float, float]:
    """`within` for a column of the drops table and its interval."""
    ends = [*rows[f"{view}_low"].drop_nulls(), *rows[f"{view}_high"].drop_nulls()]
    return within([*must, *rows[view].drop_nulls()], ends, reach)
