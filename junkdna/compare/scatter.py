"""The figure of all pairs: what compression costs in A against what it costs in B."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import Series, series_of
from junkdna.compare.words import Measure, described, few_seeds, pair_label
from junkdna.report.plotting import palette, series, text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from junkdna.compare.tables import Comparison

CAPTION = (
    "One point per matched condition and compression: across, what it costs in A; upward, what it costs in B. On the "
    "diagonal both lose the same; above it B loses more. The bar is the 95 % interval of the difference B − A, drawn "
    "from the diagonal: a bar that does not reach the diagonal shows a difference. Intervals are not corrected for the "
    "number of points."
)
HEIGHT_IN = 4.4
EQUAL = "equal"


def scatter(found: Comparison, measure: Measure) -> Drawing:
    """`measure` of B against that of A, one panel per metric, in the color of the level in A."""
    rows = found.compressed.filter(pl.col(f"{measure.column}_difference").is_not_null())
    kinds = series.present(rows.select(compression="compression_a"))
    groups = rows.partition_by("metric", maintain_order=True) if measure.by_metric else [rows] * bool(rows.height)
    panels, marks = [], []
    for at, group in enumerate(groups):
        points = [_point(at, row, measure, series.markers(kinds)) for row in group.iter_rows(named=True)]
        limits = _limits(points)
        metric = f" ({text.metric_label(group['metric'][0])})" if measure.by_metric else ""
        panels.append(_panel(found, measure, limits, metric))
        marks += [*_diagonal(at, limits), *points, *_corners(at, limits)]
    if not panels:
        panels = [_panel(found, measure, (0.0, 1.0), "", "Nothing to show: no pair has this value in A and in B")]
    tags = set(rows["compression_a"])
    return Drawing(
        title=f"{measure.title}: A against B",
        panels=tuple(panels),
        marks=tuple(marks),
        columns=min(len(panels), 2),
        keys=(tuple(series.level_keys(tags)), (*series.marker_keys(kinds), Key(label="equal", line="dashed"))),
        caption=_facts(found, rows),
    )


def _point(at: int, row: dict, measure: Measure, markers: Mapping[Series, str]) -> Mark:
    name = measure.column
    x, low, high = row[f"{name}_a"], row[f"{name}_difference_low"], row[f"{name}_difference_high"]
    known = None not in (low, high) and not few_seeds(row)
    tag = row["compression_a"]
    return Mark(
        panel=at, kind="point", series=f"{row['label']} {tag}", x=x, y=row[f"{name}_b"],
        low=x + low if known else None, high=x + high if known else None, label=described(row, measure),
        color=palette.level_color(tag), marker=markers[series_of(tag)],
    )  # fmt: skip


def _limits(points: Sequence[Mark]) -> tuple[float, float]:
    """The same limits for both axes."""
    values = [value for mark in points for value in (mark.x, mark.y)]
    ends = [end for mark in points for end in (mark.low, mark.high) if end is not None]
    return ticks.within([0.0, *values], ends, 0.2)


def _diagonal(at: int, limits: tuple[float, float]) -> list[Mark]:
    return [Mark(panel=at, kind="point", series=EQUAL, x=end, y=end, color="muted", line="dashed") for end in limits]


def _corners(at: int, limits: tuple[float, float]) -> list[Mark]:
    low, high = limits
    near, far = low + 0.03 * (high - low), high - 0.03 * (high - low)
    return [
        Mark(panel=at, kind="label", series=EQUAL, x=near, y=far, label="B loses more", color="muted"),
        Mark(panel=at, kind="label", series=EQUAL, x=far, y=near, label="A loses more", color="muted", anchor="end"),
    ]


def _panel(found: Comparison, measure: Measure, limits: tuple, metric: str, message: str = "") -> Panel:
    places = ticks.round_ticks(*limits)
    x, y = (
        Axis(label=f"{measure.axis}{metric}, {pair_label(side)}", limits=limits, ticks=places) for side in found.sides
    )
    return Panel(title="", x=x, y=y, message=message, height_in=HEIGHT_IN)


def _facts(found: Comparison, rows: pl.DataFrame) -> str:
    a, b = found.sides
    counts = rows["interval"].value_counts().sort("interval").rows()
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts)
    few = ", none for two seeds" if any(map(few_seeds, rows.iter_rows(named=True))) else ""
    return f"A: {a.name}. B: {b.name}. {rows.height} pairs ({kinds or 'none'}). Bars: 95 % intervals of B − A{few}."
