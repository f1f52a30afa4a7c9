"""The headline figure: the share lost, percent of dense or score against difficulty, over all experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks, views
from junkdna.report.plotting.conditions import Conditions, conditions, two_lines
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel
from junkdna.report.plotting.pruned_rows import PrunedRows, pruned_rows
from junkdna.report.plotting.spread import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE = Figure(
    label="Share lost against difficulty, magnitude pruning",
    caption="Each vertical group of points is one condition, named above the panel; conditions further to the "
    "right are harder for the dense model. Color shows the share of weights pruned. The share lost is 1 - "
    "retention: 0 (solid line) if the compressed model is as good as dense and 1 (dashed line) if it is at the "
    "baseline; worse is lower. Bars are 95 % intervals. Lines join the conditions of one task. If difficulty made "
    "no difference, points of one color would have the same height. The figure is descriptive: it fits no line and "
    "makes no statistical test. The other views show percent of dense and the score, with the baseline of each "
    "condition as a short dashed line and, for scores, dense as a short solid one.",
    order=0,
    per="study",
    views=("lost", "percent", "score"),
)
LOST = "lost"  # the first view: 1 - retention
OFFSET_PT = 3.4  # between the levels of one condition
HEIGHT_IN = 3.1
LABEL_IN = 0.15  # between the names of levels
SHORT = 0.012  # half the length of a rule of one condition, as a share of the panel
BEYOND = (-1.0, 2.0)  # the share lost that the axis reaches at most, apart from intervals


def marks(drops: pl.DataFrame, view: str = LOST) -> Drawing:
    """A view (by default the share lost, 1 - retention) against difficulty for magnitude pruning, one color per
    sparsity.

    `pruned_rows` says which rows are drawn. There is one panel per difficulty measure and model; those of one measure
    have the same axes. A condition of several experiments is drawn once. A share lost beyond `BEYOND` is drawn at the
    edge. If there is nothing to draw, the figure says why.
    """
    found = pruned_rows(drops)
    levels = series.pick(found.drawn["compression"])
    rows = found.drawn.filter(pl.col("compression").is_in(levels))
    named = conditions(pl.concat([found.drawn, found.hidden]))
    panels, drawn, beyond = [], [], []
    for at, (own, same) in enumerate(_groups(rows)):
        panels.append(panel := _panel(own, same, named, view))
        points = [mark for place, tag in enumerate(levels) for mark in _level(at, own, tag, place, len(levels), view)]
        beyond += [point.label for point in points if panel.edge(point) is not None]
        drawn += [*_rules(at, panel, own, view), *points, *_names(panel, points, RULES[view])]
    facts = text.facts(rows, "Bars") if len(rows) else "Nothing to show."
    left_out = series.left_out(found.drawn["compression"], levels)
    remarks = [*_remarks(drops, found, named), *_beyond(beyond)]
    caption = [facts, *left_out, *remarks, *series.shared_options(series.present(rows))]
    keys = [Key(label="dense", color="ink", line="solid"), Key(label="baseline", line="dashed")]
    return Drawing(
        title=FIGURE.label if view == LOST else f"{views.VIEWS[view].title} against difficulty, magnitude pruning",
        panels=tuple(panels),
        marks=tuple(drawn),
        keys=(tuple(series.level_keys(levels)), (*keys, *curves.collapsed_keys(rows))) if len(rows) else (),
        caption=" ".join(caption),
    )


def _groups(rows: pl.DataFrame) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """The rows of each panel, those of one model, and all rows of the same difficulty measure; without rows an empty
    panel."""
    measures = rows.partition_by("difficulty_measure", maintain_order=True)
    groups = [(own, same) for same in measures for own in same.partition_by("model", maintain_order=True)]
    return groups or [(rows, rows)]


def _level(at: int, rows: pl.DataFrame, tag: str, place: int, count: int, view: str) -> list[Mark]:
    """The points of one level, by task and model; a line joins the conditions of a task."""
    points = []
    for group in rows.filter(pl.col("compression") == tag).sort("difficulty").partition_by(["task", "model"]):
        for row in group.iter_rows(named=True):
            y, low, high = measured = _value(row, view)
            points.append(
                Mark(
                    panel=at, kind="point", series=f"{tag} {row['task']} {row['model']}", x=row["difficulty"], y=y,
                    low=low, high=high, label=_words(row, measured, view), color=palette.level_color(tag), line="solid",
                    marker=theme.method_marker("magnitude") if row["transfer"] == "none" else "diamond",
                    collapsed=row["collapsed"] / row["n_seeds"], shift=(place - (count - 1) / 2) * OFFSET_PT,
                )
            )  # fmt: skip
    return points


def _value(row: dict, view: str) -> tuple[float | None, float | None, float | None]:
    """The value of a row in a view and the ends of its interval."""
    if view != LOST:
        return views.value(row, view)
    value, low, high = (None if each is None else 1 - each for each in views.value(row, "retention"))
    return value, high, low


def _words(row: dict, measured: tuple[float | None, float | None, float | None], view: str) -> str:
    """A point in words, with its interval, n and difficulty in every view."""
    lost = f"{curves.what(row)}: share lost {ticks.measured(*measured)}, n = {row['n_examples']:,}"
    words = lost if view == LOST else curves.described(row, view)
    return f"{words}, difficulty {ticks.number(row['difficulty'])}"


RULES: dict[str, dict[str, float]] = {  # view -> places of dense and the baseline that all conditions share
    LOST: {"dense": 0.0, "baseline": 1.0},
    "percent": {"dense": 100.0},
    "score": {},
}


def _rules(at: int, panel: Panel, rows: pl.DataFrame, view: str) -> list[Mark]:
    """Dense and the baseline: across the panel, or a short rule at each condition where they differ."""
    across = [_rule(at, name, y) for name, y in RULES[view].items() if len(rows)]
    own = {"dense": views.dense, "baseline": views.baseline}
    half = SHORT * (panel.x.limits[1] - panel.x.limits[0])
    places = {
        (name, row["difficulty"], y)
        for row in rows.iter_rows(named=True)
        for name in own.keys() - RULES[view].keys()
        if (y := own[name](row, view)) is not None
    }
    return across + [_rule(at, name, y, low=x - half, high=x + half) for name, x, y in sorted(places)]


def _rule(at: int, name: str, y: float, **ends: float) -> Mark:
    color, line = {"dense": ("ink", "solid"), "baseline": ("muted", "dashed")}[name]
    return Mark(panel=at, kind="rule", series=name, y=y, label=name, color=color, line=line, **ends)


def _panel(rows: pl.DataFrame, same: pl.DataFrame, named: Conditions, view: str) -> Panel:
    """A model's axes, equal for all rows of the `same` measure, with room at the left for the names of the levels, and
    the names of the conditions."""
    if rows.is_empty():
        bare = Axis(label="", limits=(0.0, 1.0), ticks=())
        return Panel(title="", x=bare, y=bare, message=EMPTY, height_in=1.2)
    low, high = ticks.around(same["difficulty"])
    low -= 0.13 * (high - low)
    measure = rows[0, "difficulty_measure"]
    formula = f" = {text.FORMULAS[measure]}" if measure in text.FORMULAS else ""
    return Panel(
        title=f"{rows[0, 'model']}, {TRAINING[rows[0, 'transfer']]}" if same["model"].n_unique() > 1 else "",
        x=Axis(
            label=f"difficulty: {text.measure_label(measure)}{formula}; harder →",
            limits=(low, high),
            ticks=ticks.round_ticks(low, high),
        ),
        y=_values(same, view),
        names=_above(rows, named),
        height_in=HEIGHT_IN,
    )


TRAINING = {"none": "without fine-tuning", "sparse": "fine-tuned with a fixed mask (sparse)"}


def _values(rows: pl.DataFrame, view: str) -> Axis:
    """The axis of a view; worse is lower."""
    if view != LOST:
        low, high = views.limits(rows, view)
        return Axis(label=views.axis_label(view, rows), limits=(low, high), ticks=ticks.round_ticks(low, high, 8))
    measured = [_value(row, view) for row in rows.iter_rows(named=True)]
    must = [min(max(y, BEYOND[0]), BEYOND[1]) for y, _, _ in measured if y is not None]
    ends = [end for _, *interval in measured for end in interval if end is not None]
    bottom, top = ticks.within([0.0, 1.0, *must], ends, 0.4)
    label = "share lost = 1 − retention\n(0: as dense, 1: at the baseline)"
    return Axis(label=label, limits=(top, bottom), ticks=ticks.round_ticks(bottom, top, 8))


def _beyond(labels: Sequence[str]) -> list[str]:
    """The caption sentence on points beyond the axis."""
    return [f"Beyond the axis (an arrow at its edge): {'; '.join(labels)}."] if labels else []


EMPTY = "Nothing to show: no condition is pruned by magnitude\nand has a dense model above its baseline"


def _above(rows: pl.DataFrame, named: Conditions) -> tuple[tuple[float, str], ...]:
    """The conditions of a panel in order of difficulty."""
    names: dict[tuple, str] = {}
    for row in rows.sort("difficulty").iter_rows(named=True):
        names.setdefault((named.key(row), row["difficulty"]), two_lines(named[row]))
    return tuple((difficulty, label) for (_, difficulty), label in names.items())


def _names(panel: Panel, points: Sequence[Mark], rules: dict[str, float]) -> list[Mark]:
    """The level of each color, left of the first condition that has it, moved apart."""
    first: dict[str, Mark] = {}
    for point in sorted((mark for mark in points if mark.y is not None), key=lambda mark: mark.x):
        first.setdefault(point.color, point)
    bottom, top = panel.y.limits
    step = LABEL_IN / HEIGHT_IN * abs(bottom - top)
    places: dict[float, list[Mark]] = {}
    for point in first.values():
        places.setdefault(point.x, []).append(point)
    labels = []
    for x, group in places.items():
        heights = _heights([mark.y for mark in group], step, *sorted((bottom, top)), rules.get("dense"))
        left = min(mark.shift for mark in group) - 3
        for mark, y in zip(group, heights, strict=True):
            percent = mark.color.partition("-")[2] + " %"
            where = {"panel": mark.panel, "kind": "label", "series": mark.color, "color": mark.color, "shift": left}
            labels.append(Mark(**where, x=x, y=y, label=percent, anchor="end"))
    return labels


def _heights(targets: Sequence[float], step: float, low: float, high: float, rule: float | None) -> list[float]:
    """Places of names, on both sides of the rule of dense, if any: next to a name it looks like a minus sign."""
    if rule is None:
        return spread(targets, step, low, high)
    clear = 0.6 * step
    one = [y < rule if rule == 0 else y <= rule for y in targets]  # a name at the rule goes to the side of the losses
    below = iter(spread([y for y, side in zip(targets, one, strict=True) if side], step, low, rule - clear))
    above = iter(spread([y for y, side in zip(targets, one, strict=True) if not side], step, rule + clear, high))
    return [next(below if side else above) for side in one]


def _remarks(drops: pl.DataFrame, found: PrunedRows, named: Conditions) -> list[str]:
    """Caption sentences on the fine-tuning, the order of levels, and what is not shown."""
    if found.drawn.is_empty():
        return _unknown(found, named)
    pruned = drops.filter(pl.col("method") == "magnitude")
    modes, every = set(found.drawn["transfer"]), set(pruned["transfer"])
    remarks = ["Not shown: fine-tuned models (see the transfer modes)."] if modes == {"none"} and modes < every else []
    remarks += ["Not shown: other training of these models (see the transfer modes)."] if len(modes) > 1 else []
    remarks += ["Fine-tuned with a fixed mask (sparse)."] if modes == {"sparse"} else []
    remarks.append("Levels of a condition have the same difficulty (thin line) and are drawn side by side.")
    return [*remarks, *found.left_out, *_unknown(found, named)]


def _unknown(found: PrunedRows, named: Conditions) -> list[str]:
    """The conditions that are hidden because their dense model knows too little."""
    labels = sorted({named[row] for row in found.hidden.iter_rows(named=True)})
    return [f"Not shown because dense is not clearly above its baseline: {'; '.join(labels)}."] if labels else []
