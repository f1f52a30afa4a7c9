"""The figure of each condition: A and B side by side at every compression, with the difference in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.analysis.interval_words import excludes_zero
from junkdna.analysis.series import natural, series_of, strength
from junkdna.compare.words import Measure, compressions, described, few_seeds, hundredths, pair_label, place
from junkdna.report.page.words import interval, mode, number
from junkdna.report.plotting import palette, text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from junkdna.compare.side import Side
    from junkdna.compare.tables import Comparison

CAPTION = (
    "One panel per condition, one row per compression. Open: A. Filled: B. Bars are 95 % intervals of each. At the "
    "right 100 times the difference B − A with its own interval, which is the one to read: A and B often answer the "
    "same examples, so their bars may overlap although they differ. Gray: the interval includes 0."
)
MARKERS = {"A": "ring", "B": "circle"}
MOST = 40  # panels; the table of differences has all conditions
ROW_IN, APART = 0.27, 0.17  # height of a row; half the distance of A and B in it
SAME = ("label", "metric", *(f"{name}_{part}" for name in ("model", "knobs", "protocol", "transfer") for part in "ab"))


def dumbbells(found: Comparison, measure: Measure) -> Drawing:
    """`measure` of A and of B at every compression, one panel per condition and transfer mode."""
    groups: dict[tuple, list[dict]] = {}
    for row in found.compressed.iter_rows(named=True):
        if row[f"{measure.column}_difference"] is not None:
            groups.setdefault(tuple(row[name] for name in SAME), []).append(row)
    keys = sorted(groups, key=lambda key: tuple(map(natural, key)))
    panels, marks = [], []
    several = len({row["protocol_a"] for group in groups.values() for row in group}) > 1
    for at, key in enumerate(keys[:MOST]):
        rows = sorted(groups[key], key=_order)
        drawn = [mark for y, row in enumerate(rows) for mark in _pair(at, float(y), row, measure)]
        limits = ticks.within([0.0, *(m.x for m in drawn)], ends(drawn, "x"), 0.5)
        panels.append(_panel(rows, measure, limits, several))
        rule = Mark(panel=at, kind="rule", series="none", x=0.0, label="nothing lost", color="muted", line="solid")
        marks += [rule, *drawn, *(_words(at, float(y), row, measure, limits) for y, row in enumerate(rows))]
    if not panels:
        bare = Axis(label="", limits=(0.0, 1.0), ticks=())
        panels = [Panel(title="", x=bare, y=bare, message="Nothing to show: no pair has this value", height_in=1.2)]
    return Drawing(
        title=f"{measure.title} of each condition",
        panels=tuple(panels),
        marks=tuple(marks),
        keys=(tuple(map(_key, found.sides)),),
        caption=_caption(found, len(keys)),
    )  # fmt: skip


def _key(side: Side) -> Key:
    return Key(label=pair_label(side), color="ink", marker=MARKERS[side.letter])


def _order(row: dict) -> tuple:
    series = series_of(row["compression_a"])
    return series.order, strength(row["compression_a"])


def _pair(at: int, y: float, row: dict, measure: Measure) -> list[Mark]:
    """A above B in one row, joined by a line."""
    return [_dot(at, y - APART, row, measure, "a"), _dot(at, y + APART, row, measure, "b")]


def _dot(at: int, y: float, row: dict, measure: Measure, part: str) -> Mark:
    low, high = _interval(row, part, measure)
    return Mark(
        panel=at, kind="point", series=f"{row['label']} {row['compression_a']}", x=row[f"{measure.column}_{part}"], y=y,
        low=low, high=high, label=_one(row, part, measure), color=palette.level_color(row["compression_a"]),
        marker=MARKERS[part.upper()], line="solid",
    )  # fmt: skip


def _interval(row: dict, part: str, measure: Measure) -> tuple[float | None, float | None]:
    low, high = (row[f"{measure.column}_{part}{end}"] for end in ("_low", "_high"))
    return (None, None) if None in (low, high) or few_seeds(row) else (low, high)


def _one(row: dict, part: str, measure: Measure) -> str:
    value = number(row[f"{measure.column}_{part}"], 3)
    limits = interval(*_interval(row, part, measure), 3)
    head, _, rest = described(row, measure).partition(": ")
    return f"{head}: {part.upper()} {value} ({limits}). {rest}"


def _words(at: int, y: float, row: dict, measure: Measure, limits: tuple[float, float]) -> Mark:
    ends_ = (row[f"{measure.column}_difference{end}"] for end in ("_low", "_high"))
    color = "ink" if excludes_zero(*ends_) else "muted"
    words = hundredths(row, measure)
    return Mark(panel=at, kind="label", series="difference", x=limits[1], y=y, label=words, color=color)


def _panel(rows: Sequence[dict], measure: Measure, limits: tuple[float, float], several: bool) -> Panel:
    first = rows[0]
    trained = "" if first["transfer_a"] == "none" else f", {mode(first['transfer_a'])}"
    unit = f" ({text.metric_label(first['metric'])})" if measure.by_metric else ""
    names = tuple((float(y), _name(row)) for y, row in enumerate(rows))
    n = text.span([first["n_examples_a"], first["n_examples_b"]])
    return Panel(
        title=f"{place(first, several)}{trained}\nn = {n}; at the right 100 × (B − A)",
        x=Axis(label=f"{measure.axis}{unit}", limits=limits, ticks=ticks.round_ticks(*limits, 8)),
        y=Axis(label="", limits=(len(rows) - 0.45, -0.55), ticks=names),
        values="x",
        height_in=max(ROW_IN * len(rows), 0.4),
    )  # fmt: skip


def _name(row: dict) -> str:
    """The compression, without the transfer mode, which the title has."""
    return compressions(row | {"transfer_a": "none", "transfer_b": "none"})


def _caption(found: Comparison, conditions: int) -> str:
    few = ", none for two seeds" if any(map(few_seeds, found.compressed.iter_rows(named=True))) else ""
    more = f" {conditions - MOST} more conditions are in the table of differences." if conditions > MOST else ""
    return f"Bars: 95 % intervals{few}. {conditions} conditions.{more}"
