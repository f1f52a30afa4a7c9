"""Difficulty panels of one knob: its values from left to right, turned so that measured difficulty rises."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import natural
from junkdna.report.plotting import conditions, knobs, series, ticks, views
from junkdna.report.plotting.drawing import Axis, Mark, Panel
from junkdna.report.plotting.spread import spread
from junkdna.report.plotting.strands import TITLES, Group, label, point, tags

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFSET_PT = 3.0  # between the strands of one condition, less if there are many
WIDTH_PT, HEIGHT_IN, LABEL_IN = 170.0, 2.1, 0.15
Built = tuple[list[Panel], list[Mark]]


def build(groups: Sequence[Group], knob: str) -> Built:
    """A row of panels, score and retention, for each group, task and combination of the other knobs."""
    panels: list[Panel] = []
    marks: list[Mark] = []
    parts = _parts(groups, knob)
    limits = views.limits(pl.concat([rows for _, rows in parts]), "retention")
    several = len(series.present(pl.concat([rows for _, rows in parts]))) > 1
    for name, rows in parts:
        order = values(rows, knob)
        for view in ("score", "retention"):
            low, high = limits if view == "retention" else views.limits(rows, "score")
            y = Axis(label=views.axis_label(view, rows), limits=(low, high), ticks=ticks.round_ticks(low, high))
            title = f"{name}: {TITLES[view].lower()}" if name else TITLES[view]
            at = len(panels)
            panels.append(Panel(title=title, x=_axis(rows, knob, order), y=y, height_in=HEIGHT_IN))
            marks += _marks(at, rows, knob, order, view, several)
            marks += _ends(panels[at], at, marks, several) if view == "retention" else []
    return panels, marks


def _parts(groups: Sequence[Group], knob: str) -> list[Group]:
    """Each group by task and by the values of its other knobs."""
    found = []
    tasks = {task for _, rows in groups for task in rows["task"]}
    for name, rows in groups:
        others = knobs.other_knobs(rows, knob)
        variants = [knobs.variant(row, others) for row in rows.iter_rows(named=True)]
        for task in sorted(set(rows["task"]), key=natural):
            for variant in sorted(set(variants), key=natural):
                own = rows.filter(pl.Series([each == variant for each in variants]) & (rows["task"] == task))
                title = own["title"][0] if len(own) and len(tasks) > 1 else ""
                words = [title, name, variant if len(set(variants)) > 1 else ""]
                if len(own):
                    found.append((", ".join(filter(None, words)), own))
    return found


def values(rows: pl.DataFrame, knob: str) -> dict[str, float | None]:
    """The values of a knob in the order of the axis, with their measured difficulties."""
    found: dict[str, list[dict]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(knobs.knob_values(row)[knob], []).append(row)
    hard = {
        value: conditions.difficulty(pl.DataFrame(group, infer_schema_length=None)) for value, group in found.items()
    }
    return {value: hard[value] for value in knobs.ordered(hard)}


def _axis(rows: pl.DataFrame, knob: str, order: dict[str, float | None]) -> Axis:
    """Evenly spaced values, each with its measured difficulty."""
    texts = [value if hard is None else f"{value}\n{ticks.number(hard)}" for value, hard in order.items()]
    name = knobs.KNOB_LABELS[knob][0]
    arrow = "harder →" if len(order) > 1 and knobs.rises(list(order.values())) else "not ordered by this knob"
    return Axis(
        label=f"{name}\n(below: measured difficulty), {arrow}",
        limits=(-0.5, len(order) - 0.5),
        ticks=tuple((float(at), text) for at, text in enumerate(texts)),
    )


def _marks(at: int, rows: pl.DataFrame, knob: str, order: dict, view: str, several: bool) -> list[Mark]:
    """Rules, strands and crosses of a panel."""
    marks = _rules(at, rows, knob, order, view)
    shown = [tag for tag in tags(rows) if tag != "dense" or view == "score"]
    marker = series.markers(series.present(rows))
    step = min(OFFSET_PT, 0.55 * WIDTH_PT / (max(len(order), 1) * len(shown)))
    places = {value: float(place) for place, value in enumerate(order)}
    for place, tag in enumerate(shown):
        own = {
            knobs.knob_values(row)[knob]: row for row in rows.filter(pl.col("compression") == tag).iter_rows(named=True)
        }
        shape = "circle" if tag == "dense" else marker[series.series_of(tag)]
        shift = (place - (len(shown) - 1) / 2) * step
        for value, x in places.items():
            if value in own:
                marks += point(at, own[value], view, tag, shape, x=x, line="solid", shift=shift)
            elif own:
                marks.append(Mark(panel=at, kind="point", series=tag, x=x, label="not run", line="solid", shift=shift))
    return marks + (_undefined(at, rows, knob, places) if view == "retention" else [])


def _rules(at: int, rows: pl.DataFrame, knob: str, order: dict, view: str) -> list[Mark]:
    """Dense and the baseline: across the panel, or for scores a short rule at each value."""
    if view == "retention":
        places = (("dense", 1.0, "ink", "solid"), ("baseline", 0.0, "muted", "dashed"))
        return [Mark(panel=at, kind="rule", series=n, y=y, label=n, color=c, line=line) for n, y, c, line in places]
    base = {knobs.knob_values(row)[knob]: views.baseline(row, view) for row in rows.iter_rows(named=True)}
    return [
        Mark(
            panel=at, kind="rule", series="baseline", y=base[value], low=x - 0.3, high=x + 0.3, label="baseline",
            color="muted", line="dashed",
        )
        for x, value in enumerate(order)
    ]  # fmt: skip


def _undefined(at: int, rows: pl.DataFrame, knob: str, places: dict[str, float]) -> list[Mark]:
    """A cross at each value whose retention is undefined."""
    hidden = rows.filter(pl.col("retention").is_null())
    found = sorted({places[knobs.knob_values(row)[knob]] for row in hidden.iter_rows(named=True)})
    why = "dense is not above its baseline"
    return [Mark(panel=at, kind="missing", series="undefined", x=x, label=why, color="muted") for x in found]


def _ends(panel: Panel, at: int, marks: Sequence[Mark], several: bool) -> list[Mark]:
    """The name of each strand right of its last point, moved apart."""
    last = {mark.series: mark for mark in marks if mark.panel == at and mark.kind == "point" and mark.y is not None}
    low, high = panel.y.limits
    step = LABEL_IN / HEIGHT_IN * (high - low)
    heights = spread([min(max(mark.y, low), high) for mark in last.values()], step, low, high)
    right = panel.x.limits[1]
    return [
        Mark(panel=at, kind="label", series=tag, x=right, y=y, label=label(tag, several), color=mark.color)
        for (tag, mark), y in zip(last.items(), heights, strict=True)
    ]


def remarks(rows: pl.DataFrame, knob: str) -> list[str]:
    """Caption sentences: how the paper reads the knob, and what the measured difficulty says."""
    order = values(rows, knob)
    known = [hard for hard in order.values() if hard is not None]
    steady = len(known) == len(order) and all(a < b for a, b in pairwise(known))
    return [knobs.reading(knob, list(order), steady)]
