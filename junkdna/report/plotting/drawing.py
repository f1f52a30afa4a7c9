"""What a figure shows, as data: panels with axes, a table of marks, a key and a caption. Imports no matplotlib.

A figure's function returns a `Drawing`. Renderers draw nothing that is not in it: `render.py` with matplotlib, for
papers; the report page as SVG. Colors are names (`palette.py`), markers and lines are names of `theme.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["point", "run", "rule", "span", "label", "missing", "band"]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark: one row of the table of marks.

    - `point`: a marker at (`x`, `y`). `low` and `high` are the ends of its interval along the axis of values
      (`Panel.values`). A value beyond the limits of that axis is an arrow at the edge. Points of a series with a
      `line` are joined in order; a point without a value is a gap.
    - `run`: a small dot for one seed.
    - `rule`: a reference line at the value `y`, or `x` if the values are on x. `low` and `high` are its ends on the
      other axis; without them it crosses the panel.
    - `span`: a thick bar at `y` from `low` to `high` on x.
    - `label`: a text at (`x`, `y`); `anchor` is the side of the text that is there.
    - `band`: the interval from `low` to `high` at `x`; those of a series, in order, are one area behind its line.
    - `missing`: a cross at the edge of the panel for a condition without a value; `label` says why.

    `label` describes points, too: renderers may show it on request. `collapsed` is the share of the seeds that predict
    a single class: markers with 1 are hollow, with a share between half filled. `shift` moves the mark to the right,
    in points, so that marks at the same `x` do not overlap.
    """

    panel: int
    kind: Kind
    series: str = ""
    x: float | None = None
    y: float | None = None
    low: float | None = None
    high: float | None = None
    label: str = ""
    color: str = "ink"
    marker: str = ""
    line: str = ""
    collapsed: float = 0.0
    anchor: Literal["start", "middle", "end"] = "start"
    shift: float = 0.0


COLUMNS = tuple(field.name for field in fields(Mark))
NUMBERS = ("x", "y", "low", "high", "collapsed", "shift")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis: its label with the unit, its limits (left or bottom first; they may fall), and ticks with texts."""

    label: str
    limits: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `values` is the axis along which its intervals lie.

    `names` are texts above positions of x, with a thin line down: they are never rotated or cut. `message` stands in a
    panel without marks. `height_in` is its height in inches on paper.
    """

    title: str
    x: Axis
    y: Axis
    values: Literal["x", "y"] = "y"
    names: tuple[tuple[float, str], ...] = ()
    dividers: tuple[float, ...] = ()
    message: str = ""
    height_in: float = 2.0

    def edge(self, mark: Mark) -> float | None:
        """The limit of the axis of values beyond which a mark lies; None if it is inside or has no value."""
        low, high = sorted(getattr(self, self.values).limits)
        value = getattr(mark, self.values)
        return None if value is None or low <= value <= high else low if value < low else high


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of the legend: a marker, a line or both, and their meaning."""

    label: str
    color: str = "muted"
    marker: str = ""
    line: str = ""
    collapsed: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure: panels in reading order, `columns` in a row, the marks in them, legends and the caption."""

    title: str
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...]
    columns: int = 1
    keys: tuple[tuple[Key, ...], ...] = ()
    caption: str = ""

    def table(self) -> pl.DataFrame:
        """The table of marks: one row per mark, one column per field of `Mark`."""
        import polars as pl

        types = dict.fromkeys(COLUMNS, pl.String) | dict.fromkeys(NUMBERS, pl.Float64) | {"panel": pl.Int64}
        rows = [[getattr(mark, name) for name in COLUMNS] for mark in self.marks]
        return pl.DataFrame(rows, schema=types, orient="row")

    def of_panel(self, at: int) -> list[Mark]:
        """The marks of one panel in order."""
        return [mark for mark in self.marks if mark.panel == at]


def ends(marks: Iterable[Mark], values: str) -> list[float]:
    """All values and ends of intervals of points, runs, spans and bands along the axis `values`."""
    drawn = [mark for mark in marks if mark.kind in ("point", "run", "span", "band")]
    found = [getattr(mark, values) for mark in drawn]
    found += [end for mark in drawn if mark.kind in ("point", "band") for end in (mark.low, mark.high)]
    return [value for value in found if value is not None]
